"""An episode step by step, as a sandbox goes through it, and the audit of what the log holds of it afterwards.

As a program, a sandbox to be killed: episode.py ADDRESS STEPS takes the first so many steps, says so, and waits.
"""

import sys
import threading
from collections import Counter
from collections.abc import Callable
from uuid import uuid4

from drlactors.domain.action import Action
from drlactors.domain.episode import EpisodeCompleted, Event, StageConcluded, StageEntered, Verdict
from drlactors.domain.ids import EpisodeId, SessionId, episode_of
from drlactors.domain.order import ActionOrdered
from drlactors.domain.session import ActionSelected, TelemetryRecorded
from drlactors.ports.log import Category, EventLog, Stream
from drlactors.sandboxes.grpc_link import GrpcSandboxLink
from drlactors.sandboxes.sdk import Artifact, Done, Instruction, Outcome, Sandbox, Session, Telemetry
from drlactors.testing.given import window
from tests.acceptance.sandbox_program import SINISTER

PATIENCE_S = 120.0
ARTIFACT = Artifact("cd" * 32, "elf")
#: What the rules are unsure about: they ask.
KNOCKS = Telemetry(syscall_count=50, network_connections=1000)


class Play:
    """Stage 1 asks a person and is found clean; stage 2 is stopped."""

    def __init__(self, host: Sandbox) -> None:
        self._host = host
        self._carried_out = threading.Condition()
        self.carried: Counter[tuple[SessionId, Action]] = Counter()
        self.first: Session
        self.second: Session
        self.steps: tuple[Callable[[], None], ...] = (
            self.begin, self.look, self.ask, self.report_clean, self.end_clean,
            self.begin_again, self.strike, self.report_malicious, self.end_malicious,
        )  # fmt: skip

    @property
    def episode(self) -> EpisodeId:
        return self.first.episode

    def begin(self) -> None:
        self.first = self._start(None)

    def look(self) -> None:
        self.first.send([window(0, syscall_count=10)])

    def ask(self) -> None:
        """The next step is for when a person has answered."""
        self.first.send([window(1)._replace(telemetry=KNOCKS)])

    def report_clean(self) -> None:
        assert self.first.wait_answered(PATIENCE_S)
        self.first.report(Outcome.BENIGN)

    def end_clean(self) -> None:
        self.first.end()

    def begin_again(self) -> None:
        self.second = self._start(self.episode)

    def strike(self) -> None:
        """Goes on until it is killed."""
        for seq in range(8):
            self.second.send([window(seq)._replace(telemetry=SINISTER)])

    def report_malicious(self) -> None:
        assert self.second.wait_answered(PATIENCE_S)
        self.wait_carried(self.second.id, Action.TERMINATE)
        self.second.report(Outcome.MALICIOUS)

    def end_malicious(self) -> None:
        self.second.end()

    def wait_carried(self, session: SessionId, action: Action) -> None:
        with self._carried_out:
            assert self._carried_out.wait_for(lambda: self.carried[session, action], PATIENCE_S), action

    def _start(self, continues: EpisodeId | None) -> Session:
        id_ = SessionId(uuid4())

        def carry_out(instruction: Instruction) -> Done:
            with self._carried_out:
                self.carried[id_, instruction.action] += 1
                self._carried_out.notify_all()
            return Done()

        return self._host.start(ARTIFACT, carry_out, continues=continues, session=id_)


def went(log: EventLog, episode: EpisodeId) -> list[Event]:
    return [event for entry in log.stream(Stream(Category.EPISODE, episode)) for event in entry.of_episode]


def faults(log: EventLog, play: Play) -> list[str]:
    """What is not as it has to be after the whole way, whatever was killed on it."""
    found = []
    expected = [
        StageEntered(1, play.first.id, ARTIFACT),
        StageConcluded(1, play.first.id, Outcome.BENIGN),
        StageEntered(2, play.second.id, ARTIFACT),
        StageConcluded(2, play.second.id, Outcome.MALICIOUS),
        EpisodeCompleted(Verdict.FALSE_NEGATIVE),
    ]
    if went(log, play.episode) != expected:
        found.append(f"the episode went {went(log, play.episode)}")
    for session, windows in ((play.first, 2), (play.second, 8)):
        lived = [event for entry in log.stream(Stream(Category.SESSION, session.id)) for event in entry.of_session]
        recorded = [event.window.seq for event in lived if isinstance(event, TelemetryRecorded)]
        if recorded != list(range(windows)):
            found.append(f"recorded {recorded} of {windows} windows")
        chosen = Counter(event.action for event in lived if isinstance(event, ActionSelected | ActionOrdered))
        for action in Action:
            # an order to go on is carried out, too: it takes the pause back
            wanted = 1 if action is Action.CONTINUE and session is play.first else chosen[action]
            wanted = 0 if action is Action.CONTINUE and session is play.second else wanted
            if play.carried[session.id, action] != wanted:
                found.append(f"{action.name} carried out {play.carried[session.id, action]} times of {wanted}")
    return found


def main() -> None:
    address, steps = sys.argv[1], int(sys.argv[2])
    host = Sandbox(GrpcSandboxLink(address), "mortal")
    play = Play(host)
    for step in play.steps[:steps]:
        step()
    assert host.flush(PATIENCE_S)
    print(episode_of(play.first.id), flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()

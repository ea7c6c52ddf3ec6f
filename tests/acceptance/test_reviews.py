"""Reviews on a real system, answered by command: the answer reaches the sandbox, and what is known of the sample."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from drlactors.bus.nats_link import NatsSandboxLink
from drlactors.config.share import share
from drlactors.domain import truth
from drlactors.domain.action import Action
from drlactors.domain.ids import episode_of
from drlactors.domain.order import ActionOrdered
from drlactors.domain.session import Artifact, EndReason, Event, Outcome
from drlactors.ports.log import Category, Stream
from drlactors.sandboxes.sdk import Done, Instruction, Sandbox, Session
from drlactors.store.log import PostgresEventLog
from drlactors.testing.given import window
from drlactors.testing.servers import EmbeddedNats
from tests.acceptance.harness import SystemProcess, sandbox_on, wait_for
from tests.unit.inference.models import preferring


class Asking:
    """A session of a sandbox, whose policy asks a person in its first window."""

    def __init__(self, host: Sandbox, log: PostgresEventLog) -> None:
        self.carried: list[Action] = []
        self._log = log
        self.hosted: Session = host.start(Artifact("ab" * 32, "elf"), self._carry_out)
        self.hosted.send([window(0, syscall_count=40, accessed_paths=("/home/u/letter.txt",))])
        wait_for(lambda: self.carried == [Action.REVIEW], 60, "the sandbox is told to wait")

    def _carry_out(self, instruction: Instruction) -> Done:
        self.carried.append(instruction.action)
        return Done()

    def events(self) -> list[Event]:
        stream = Stream(Category.SESSION, self.hosted.id)
        return [event for entry in self._log.stream(stream) for event in entry.of_session]

    def malicious(self) -> bool | None:
        stream = Stream(Category.EPISODE, episode_of(self.hosted.id))
        went = [event for entry in self._log.stream(stream) for event in entry.of_episode]
        return truth.malicious(self.hosted.id, self.events(), went)


@pytest.fixture
def host(own_nats: EmbeddedNats) -> Iterator[Sandbox]:
    yield from sandbox_on(NatsSandboxLink(own_nats.url))


@pytest.fixture
def system(tmp_path: Path, own_nats: EmbeddedNats, database: str) -> Iterator[SystemProcess]:
    process = SystemProcess(
        tmp_path / "system",
        own_nats.url,
        database,
        model__path=str(preferring(tmp_path, Action.REVIEW)),
        model__deadline_ms=60_000,
        models__allow_unsigned=True,
    )
    with process:
        yield process.start()


@pytest.fixture
def log(system: SystemProcess, database: str) -> Iterator[PostgresEventLog]:
    log = PostgresEventLog(database, schema_dir=share("eventstore"))
    yield log
    log.close()


def reviews(system: SystemProcess, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DRLACTORS_")}
    done = subprocess.run(
        [sys.executable, "-m", "drlactors", "reviews", *arguments, "--config", str(system.config)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def opened(system: SystemProcess) -> str:
    """The one review that waits."""
    wait_for(lambda: reviews(system, "list", "--json"), 60, "a review is open")
    return str(json.loads(reviews(system, "list", "--json"))["review"])


def test_an_answer_reaches_the_sandbox_of_a_running_system_and_relabels(
    system: SystemProcess, host: Sandbox, log: PostgresEventLog
) -> None:
    asking = Asking(host, log)
    review = opened(system)
    shown = reviews(system, "show", review[:8])
    for what in ("ab" * 32, "/home/u/letter.txt", "40 system calls", "ask a person", "+1.000"):
        assert what in shown
    said = reviews(system, "decide", review, "--ruling", "terminate", "--why", "it reads letters", "--who", "ann")
    assert "malicious" in said
    wait_for(lambda: asking.carried == [Action.REVIEW, Action.TERMINATE], 60, "the sandbox kills it")
    asking.hosted.report(Outcome.BENIGN)
    asking.hosted.end(EndReason.TERMINATED)
    wait_for(lambda: not log.open_sessions() and not log.open_reviews(), 60, "session and review are over")
    (ordered,) = [event for event in asking.events() if isinstance(event, ActionOrdered)]
    assert (ordered.policy, ordered.why) == ("person:ann", "it reads letters")
    assert asking.malicious() is True
    assert reviews(system, "list", "--json") == ""
    assert json.loads(reviews(system, "list", "--every", "--json"))["stands"] == "terminate by ann: it reads letters"


def test_an_answer_given_between_a_kill_and_the_next_start_reaches_the_sandbox_once(
    system: SystemProcess, host: Sandbox, log: PostgresEventLog
) -> None:
    asking = Asking(host, log)
    review = opened(system)
    system.kill()
    reviews(system, "decide", review, "--ruling", "release", "--why", "a letter opener")
    assert asking.malicious() is False, "it relabels without a system"
    system.start()
    wait_for(lambda: asking.carried == [Action.REVIEW, Action.CONTINUE], 60, "the sandbox lets it go on")
    wait_for(lambda: not log.open_reviews(), 60, "the review is over")
    system.kill()
    system.start()
    asking.hosted.send([window(1)])
    assert asking.hosted.wait_answered(30)
    assert asking.carried == [Action.REVIEW, Action.CONTINUE]


def test_a_deadline_survives_a_kill(tmp_path: Path, own_nats: EmbeddedNats, database: str, host: Sandbox) -> None:
    settings = {
        "model__path": str(preferring(tmp_path, Action.REVIEW)),
        "model__deadline_ms": 60_000,
        "models__allow_unsigned": True,
        "reviews__default": "terminate",
    }
    log = PostgresEventLog(database, schema_dir=share("eventstore"))
    with SystemProcess(tmp_path / "one", own_nats.url, database, **settings, reviews__deadline_s=10) as short:
        short.start()
        asking = Asking(host, log)
        wait_for(log.open_reviews, 60, "the review is open")
        short.kill()
    with SystemProcess(tmp_path / "two", own_nats.url, database, **settings, reviews__deadline_s=10_000) as long:
        long.start()
        wait_for(lambda: asking.carried == [Action.REVIEW, Action.TERMINATE], 60, "the default, at the first deadline")
    log.close()

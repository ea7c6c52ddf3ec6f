"""Logs of recorded sessions, with what was done in them and what became known of them."""

from collections.abc import Callable, Sequence
from uuid import UUID

import numpy as np

from drlactors.domain import episode
from drlactors.domain.action import Action
from drlactors.domain.episode import ConcludeStage, EnterStage, Verdict, VerdictCorrected
from drlactors.domain.ids import EpisodeId, SessionId
from drlactors.domain.session import Artifact, Ended, Event, Outcome, OutcomeReported
from drlactors.learner.environment import TraceEnvironment
from drlactors.learner.transitions import Sample, Task
from drlactors.ports.decisions import END, Recorded, within
from drlactors.ports.log import Append, Category, EventLog, Stream
from drlactors.store.memory import MemoryEventLog
from tests.properties.learner.test_projection import projected

#: What to choose, by the number of the window.
Choose = Callable[[int], Action]


def session_of(number: int) -> SessionId:
    return SessionId(UUID(int=1_000 + number))


def write(log: EventLog, samples: Sequence[Sample], task: Task, choose: Choose, *, first: int = 1) -> None:
    """Sessions with the numbers ``first`` and on, one entry and one second each, which report the truth."""
    for number, sample in enumerate(samples, start=first):
        stream = Stream(Category.SESSION, session_of(number))
        log.append([Append(stream, 0, tuple(_lived(sample, task, choose)), number * 1_000_000, "test")])


def conclude(log: EventLog, number: int, outcomes: Sequence[Outcome], *, corrected: Verdict | None = None) -> None:
    """The episode of a session, as far as these stages; a person's correction comes behind them."""
    stream = Stream(Category.EPISODE, EpisodeId(UUID(int=900_000 + number)))
    state, events = episode.INITIAL, list[episode.Event]()
    for stage, outcome in enumerate(outcomes, start=1):
        entered = session_of(number if stage == 1 else 5_000 + number)
        for command in (
            EnterStage(stage=stage, session=entered, artifact=Artifact(sha256="ab" * 32, kind="")),
            ConcludeStage(stage=stage, session=entered, outcome=outcome),
        ):
            decided = episode.DECIDER.decide(command, state)
            state, events = episode.DECIDER.fold(decided, state), [*events, *decided]
    if corrected is not None:
        events.append(VerdictCorrected(corrected, "ann", "looked at it"))
    begun = sum(len(entry.events) for entry in log.stream(stream))
    log.append([Append(stream, begun, tuple(events[begun:]), (log.head() + 1) * 1_000_000, "test")])


class MemoryDecisions:
    """Projects the whole log whenever it is asked."""

    def __init__(self, log: MemoryEventLog, task: Task) -> None:
        self._log, self._task = log, task

    def catch_up(self) -> int:
        return self._log.head()

    def recorded(self, schema: str, *, after: int = 0, through: int = END) -> Recorded:
        return within(projected(self._log, schema=schema, features=len(self._task.schema.names)), after, through)


def _lived(sample: Sample, task: Task, choose: Choose) -> list[Event]:
    played = TraceEnvironment([sample], task)
    played.reset()
    over, window = False, 0
    while not over:
        over, window = played.step(np.int64(choose(window)))[2], window + 1
    *events, ended = played.events
    assert isinstance(ended, Ended)
    return [*events, OutcomeReported(Outcome.MALICIOUS if sample.malicious else Outcome.BENIGN, ""), ended]

"""What another model would have done in the recorded past: decision by decision, and session by session."""

from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from drlactors.domain import episode, session, truth
from drlactors.domain.action import Action
from drlactors.domain.features import FeatureSchema, Row, row
from drlactors.domain.ids import EpisodeId, SessionId
from drlactors.domain.permission import best, permitted
from drlactors.domain.session import (
    DECIDER,
    INITIAL,
    ActionSelected,
    FeedbackReceived,
    Started,
    TelemetryLost,
    TelemetryRecorded,
)
from drlactors.ports.log import Category, Entry
from drlactors.ports.policy import Policy

#: Decisions, and sessions, that are ranked together.
BATCH, COHORT = 4096, 256


class Course(NamedTuple):
    """How a session went."""

    stopped_s: float | None  # from its start to the final action; None: there was none
    seconds: float  # that were recorded or, where it was stopped, until then


class Contrast(NamedTuple):
    """One session, as it went and as it would have gone."""

    session_id: SessionId
    malicious: bool | None  # as far as is known today
    then: Course  # by the log
    instead: Course  # by the other model, on the windows that were recorded

    @property
    def verdict(self) -> str:
        """What changed. Behind the stop of the log nothing is recorded: how it would have gone on nobody knows."""
        then, instead = self.then.stopped_s, self.instead.stopped_s
        if then is None:
            return "stopped by neither" if instead is None else "stopped only by this model"
        if instead is None:
            return "stopped only by the log"
        if instead == then:
            return "stopped at the same time"
        return "stopped earlier" if instead < then else "stopped later"

    @property
    def sooner_s(self) -> float:
        """How much earlier this model would have stopped it, where both did; negative: later."""
        then, instead = self.then.stopped_s, self.instead.stopped_s
        return 0.0 if then is None or instead is None else then - instead


@dataclass(slots=True)
class _Lived:
    """What is kept of a session until it is over."""

    state: session.State = INITIAL
    facts: list[session.Event] = field(default_factory=list)  # what the sandbox saw, whatever was done about it
    told: list[session.Event] = field(default_factory=list)  # what its truth follows from
    final_ms: int = 0


@dataclass(slots=True)
class _Awaiting:
    """A contrast whose truth may still change with what comes later in the log."""

    session_id: SessionId
    episode: EpisodeId
    told: list[session.Event]
    then: Course
    instead: Course


class Contraster:
    """Reads the log, and holds the other model against what it says."""

    def __init__(self, policy: Policy, schema: FeatureSchema) -> None:
        self._policy = policy
        self._schema = schema
        self._living: dict[SessionId, _Lived] = {}
        self._over: list[tuple[SessionId, _Lived]] = []
        self._episodes: dict[EpisodeId, list[episode.Event]] = {}
        self._decided: list[ActionSelected] = []
        self._contrasts: list[_Awaiting] = []
        self.changed: Counter[tuple[Action, Action]] = Counter()  # decisions: the recorded action, and this model's
        self.foreign = 0  # decisions on another feature schema, which it cannot judge

    def read(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            if entry.stream.category is Category.EPISODE:
                self._episodes.setdefault(EpisodeId(entry.stream.id), []).extend(entry.of_episode)
            elif entry.stream.category is Category.SESSION:
                self._live(SessionId(entry.stream.id), entry.of_session)
        if len(self._decided) >= BATCH:
            self._judge()
        if len(self._over) >= COHORT:
            self._play()

    def finish(self) -> list[Contrast]:
        """All sessions of the log, in the order in which they ended; those that still run at the end."""
        self._over += self._living.items()
        self._living = {}
        self._judge()
        self._play()
        return [
            Contrast(
                one.session_id,
                truth.malicious(one.session_id, one.told, self._episodes.get(one.episode, ())),
                one.then,
                one.instead,
            )
            for one in self._contrasts
        ]

    def _live(self, name: SessionId, events: Iterable[session.Event]) -> None:
        lived = self._living.setdefault(name, _Lived())
        for event in events:
            lived.state = DECIDER.evolve(lived.state, event)
            match event:
                case Started() | TelemetryRecorded() | TelemetryLost():
                    lived.facts.append(event)
                case ActionSelected():
                    self._decided.append(event)
                    if event.action.irreversible:
                        lived.final_ms = lived.state.progress.elapsed_ms
                case _:
                    lived.told.append(event)
        if lived.state.over and not lived.state.response.pending:
            self._over.append((name, self._living.pop(name)))

    def _judge(self) -> None:
        """What it would have chosen in the recorded states, permitted what was permitted."""
        decided, self._decided = self._decided, []
        ours = [event for event in decided if event.schema == self._schema.id]
        self.foreign += len(decided) - len(ours)
        if ours:
            vectors = np.frombuffer(b"".join(event.state_vector for event in ours), dtype="<f4")
            values = self._policy.rank(vectors.reshape(len(ours), -1)).tolist()
            self.changed.update(
                # What was tried by chance would have been tried beside any model.
                (event.action, event.action if _tried(event) else best(worth, event.mask))
                for event, worth in zip(ours, values, strict=True)
            )

    def _play(self) -> None:
        """The sessions that are over, once more: all of them advance together, a window at a time."""
        over = [(name, lived) for name, lived in self._over if lived.state.started is not None]
        self._over = []
        courses = self._together([_course(lived.facts) for _, lived in over])
        for (name, lived), instead in zip(over, courses, strict=True):
            started, elapsed_s = lived.state.started, lived.state.progress.elapsed_ms / 1000
            assert started is not None
            stopped_s = lived.final_ms / 1000 if lived.state.response.final is not None else None
            then = Course(stopped_s, elapsed_s if stopped_s is None else stopped_s)
            self._contrasts.append(_Awaiting(name, started.episode, lived.told, then, instead))

    def _together(self, playing: list[Generator[Row, list[float], Course]]) -> Iterator[Course]:
        courses: dict[int, Course] = {}
        asking: dict[int, Row] = {}
        answers: dict[int, list[float] | None] = dict.fromkeys(range(len(playing)))
        while answers:
            asking = {}
            for index, answer in answers.items():
                try:
                    asking[index] = next(playing[index]) if answer is None else playing[index].send(answer)
                except StopIteration as end:
                    courses[index] = end.value
            values = self._policy.rank(self._schema.vectors(asking.values())).tolist() if asking else []
            answers = dict(zip(asking, values, strict=True))
        return (courses[index] for index in range(len(playing)))


def _tried(event: ActionSelected) -> bool:
    return event.action is not best(event.values, event.mask)


def _course(facts: Iterable[session.Event]) -> Generator[Row, list[float], Course]:
    """Plays the recorded windows; asks for the values of each, and takes the best permitted action, which succeeds."""
    state = INITIAL
    for event in facts:
        state = DECIDER.evolve(state, event)
        if not isinstance(event, TelemetryRecorded):
            continue
        values = yield row(state, event.window)
        action = best(values, permitted(state))
        seconds = state.progress.elapsed_ms / 1000
        if action.irreversible:
            return Course(seconds, seconds)
        if action.carried_out:
            seq = event.window.seq
            chosen = ActionSelected(seq, action, tuple(values), permitted(state), b"", "", "", (), 1.0)
            state = DECIDER.fold((chosen, FeedbackReceived(seq, True, "", "")), state)
    return Course(None, state.progress.elapsed_ms / 1000)

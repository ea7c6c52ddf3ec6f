"""Holding another model against the recorded past."""

from typing import Any
from uuid import UUID

import numpy as np

from drlactors.cli.contrast import Contraster, Course
from drlactors.domain.action import Action
from drlactors.domain.decider import Decider
from drlactors.domain.episode import StageConcluded, StageEntered, Verdict, VerdictCorrected
from drlactors.domain.features import FeatureSchema, row
from drlactors.domain.ids import SessionId
from drlactors.domain.session import (
    DECIDER,
    ActionSelected,
    Answer,
    Command,
    End,
    EndReason,
    Event,
    Outcome,
    Record,
    Report,
    Select,
    Started,
    State,
)
from drlactors.ports.log import Category, Entry, Stream
from drlactors.ports.policy import PolicyInfo
from drlactors.testing.given import ARTIFACT, EPISODE, start, window

SCHEMA = FeatureSchema()
ONE, TWO = SessionId(UUID(int=1)), SessionId(UUID(int=2))
NEVER = 99


class Stopping:
    """Stops in a window, isolates in the one before."""

    info = PolicyInfo(id="stopping", schema=SCHEMA.id, path="")

    def __init__(self, at: int) -> None:
        self.at = at

    def rank(self, vectors: Any) -> Any:
        elapsed = vectors[:, SCHEMA.names.index("elapsed")]
        values = np.zeros((len(vectors), 5), dtype=np.float32)
        values[elapsed >= elapsed_after(self.at - 1), Action.ISOLATE] = 1
        values[elapsed >= elapsed_after(self.at), Action.TERMINATE] = 2
        return values

    def because(self, *_: Any) -> tuple[str, ...]:
        return ()


def elapsed_after(windows: int) -> float:
    """The feature's value in window ``windows``, the first one being 0."""
    state = DECIDER.fold(DECIDER.decide(start(), DECIDER.initial))
    for seq in range(windows + 1):
        state = DECIDER.fold(DECIDER.decide(Record(window(seq)), state), state)
    return float(SCHEMA.vectors([row(state, window(windows))])[0, SCHEMA.names.index("elapsed")])


def lived(stops_at: int, windows: int = 10, outcome: Outcome | None = Outcome.MALICIOUS) -> list[Event]:
    """A session under a policy that stops in a window, and is recorded until then or to its end."""
    session = _Session(DECIDER)
    session.do(start())
    policy = Stopping(stops_at)
    for seq in range(windows):
        session.do(Record(window(seq)))
        vectors = SCHEMA.vectors([row(session.state, window(seq))])
        values = tuple(policy.rank(vectors)[0].tolist())
        session.do(Select(seq, values, vectors[0].tobytes(), "old", SCHEMA.id, (), 1.0))
        if session.state.response.pending:
            session.do(Answer(seq, True, "done", ""))
        if session.state.response.final is not None:
            break
    if outcome is not None:
        session.do(Report(outcome, ""))
    session.do(End(EndReason.FINISHED))
    return session.events


class _Session:
    def __init__(self, decider: Decider[Command, Event, State]) -> None:
        self.decider, self.state, self.events = decider, decider.initial, list[Event]()

    def do(self, command: Command) -> None:
        events = self.decider.decide(command, self.state)
        self.state = self.decider.fold(events, self.state)
        self.events += events


def entry(stream: Stream, events: Any, position: int = 1) -> Entry:
    return Entry(position, stream, 1, tuple(events), 0, "", "")


def contrasted(policy: Stopping, *sessions: tuple[SessionId, list[Event]], more: tuple[Entry, ...] = ()) -> Contraster:
    contraster = Contraster(policy, SCHEMA)
    contraster.read([*(entry(Stream(Category.SESSION, name), events) for name, events in sessions), *more])
    return contraster


def test_the_same_model_changes_nothing() -> None:
    contraster = contrasted(Stopping(4), (ONE, lived(4)), (TWO, lived(4, outcome=Outcome.BENIGN)))
    assert [one.verdict for one in contraster.finish()] == ["stopped at the same time"] * 2
    assert all(then is instead for then, instead in contraster.changed)
    assert contraster.changed.total() == 10


def test_an_earlier_stop_is_told_in_seconds() -> None:
    [found] = contrasted(Stopping(2), (ONE, lived(4))).finish()
    assert (found.then, found.instead) == (Course(1.25, 1.25), Course(0.75, 0.75))
    assert (found.verdict, found.sooner_s, found.malicious) == ("stopped earlier", 0.5, True)


def test_who_stops_alone_and_what_it_comes_to() -> None:
    [missed] = contrasted(Stopping(NEVER), (ONE, lived(4))).finish()
    assert (missed.verdict, missed.sooner_s, missed.instead) == ("stopped only by the log", 0.0, Course(None, 1.25))
    [wrong] = contrasted(Stopping(4), (ONE, lived(NEVER, outcome=Outcome.BENIGN))).finish()
    assert (wrong.verdict, wrong.malicious) == ("stopped only by this model", False)
    [neither] = contrasted(Stopping(NEVER), (ONE, lived(NEVER))).finish()
    assert neither.verdict == "stopped by neither"


def test_decisions_are_compared_in_the_states_that_were_recorded() -> None:
    contraster = contrasted(Stopping(NEVER), (ONE, lived(4)))
    contraster.finish()
    assert contraster.changed == {
        (Action.CONTINUE, Action.CONTINUE): 3,
        (Action.ISOLATE, Action.CONTINUE): 1,
        (Action.TERMINATE, Action.CONTINUE): 1,
    }


def test_the_truth_is_what_is_known_at_the_end_of_the_log() -> None:
    events = [
        StageEntered(1, ONE, ARTIFACT),
        StageConcluded(1, ONE, Outcome.BENIGN),
        VerdictCorrected(Verdict.MALICIOUS, "ann", "I looked"),
    ]
    correction = entry(Stream(Category.EPISODE, EPISODE), events, 2)
    [found] = contrasted(Stopping(2), (ONE, lived(NEVER, outcome=Outcome.BENIGN)), more=(correction,)).finish()
    assert found.malicious is True
    [unknown] = contrasted(Stopping(2), (ONE, lived(NEVER, outcome=None))).finish()
    assert unknown.malicious is None


def test_decisions_on_other_features_are_counted_and_left_alone() -> None:
    other = [event._replace(schema="another") if isinstance(event, ActionSelected) else event for event in lived(4)]
    contraster = contrasted(Stopping(2), (ONE, other))
    assert [one.verdict for one in contraster.finish()] == ["stopped earlier"]
    assert (contraster.foreign, contraster.changed.total()) == (5, 0)


def test_a_session_whose_beginning_was_not_read_is_left_out() -> None:
    assert (
        contrasted(Stopping(2), (ONE, [event for event in lived(4) if not isinstance(event, Started)])).finish() == []
    )


def test_a_session_that_still_runs_is_played_as_far_as_it_went() -> None:
    events = [event for event in lived(NEVER) if not isinstance(event, type(lived(NEVER)[-1]))]
    [found] = contrasted(Stopping(2), (ONE, events)).finish()
    assert (found.verdict, found.then) == ("stopped only by this model", Course(None, 2.5))

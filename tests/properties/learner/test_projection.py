"""The vectorised projection is the plain one, whatever happened, and depends on nothing but the log."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drlactors.domain import experience, truth
from drlactors.domain.ids import SessionId
from drlactors.domain.reward import Weights
from drlactors.learner.batch import Experiences
from drlactors.learner.projection import experiences
from drlactors.ports.decisions import END, Decisions, Recorded, joined, within
from drlactors.ports.log import Append, Category, Entry, Stream
from drlactors.store import records
from drlactors.store.memory import MemoryEventLog
from drlactors.store.projection import Projected, Projection, Schema
from drlactors.testing.histories import DOES, FEATURES, SCHEMA, Does, Turn, episode_of, session_of, write

WEIGHTS = Weights(
    right_verdict=1.0,
    wrong_verdict=1.3,
    missed=0.9,
    released=0.2,
    second=0.01,
    damage=0.07,
    isolation_hinders=0.4,
    disturbance=0.05,
    review=0.1,
    failed_action=0.03,
)
GAMMA = 0.97
#: Steps are most of what happens, and most sessions have something said about them.
OFTEN: tuple[Does, ...] = (
    *("step",) * 12,
    *("answer", "give up") * 3,
    *("report", "enter", "conclude", "correct", "order") * 2,
)
HISTORIES = st.lists(
    st.builds(Turn, st.integers(0, 5), st.sampled_from(DOES + OFTEN), st.integers(0, 1_000)), min_size=30, max_size=80
)


def logged(turns: Iterable[Turn]) -> MemoryEventLog:
    log = MemoryEventLog()
    write(log, turns)
    return log


def projected(log: MemoryEventLog, *, pieces: int = 1, schema: str = SCHEMA, features: int = FEATURES) -> Recorded:
    """As the store does it, in so many pieces; the projection is thrown away between two of them."""
    policies: dict[str, int] = {}
    found: list[Projected] = []
    entries = log.read(0, 10_000)
    size = max(1, -(-len(entries) // pieces))
    for first in range(0, len(entries), size):
        found.append(Projection(log.stream, policies).project(entries[first : first + size]))
    decided = [bytes(each.decisions.get(Schema(schema, features), b"")) for each in found]
    facts, begun = [bytes(each.facts) for each in found], [bytes(each.sessions) for each in found]
    return Recorded(
        schema,
        tuple(policies),
        records.decisions(decided, sum(map(len, decided)), features),
        records.facts(facts, sum(map(len, facts))),
        records.sessions(begun, sum(map(len, begun))),
    )


def plain(log: MemoryEventLog, through: int = END) -> dict[int, tuple[experience.Experience, ...]]:
    """One session after the other, by the number of its turn."""
    found = {}
    for of in range(6):
        entries = _until(log.stream(Stream(Category.SESSION, session_of(of))), through)
        lived = [event for entry in entries for event in entry.of_session]
        way = _until(log.stream(Stream(Category.EPISODE, episode_of(of))), through)
        went = [event for entry in way for event in entry.of_episode]
        malicious = truth.malicious(SessionId(session_of(of)), lived, went)
        if lived and malicious is not None:
            learned = experience.experiences(lived, malicious=malicious, weights=WEIGHTS, gamma=GAMMA)
            found[of] = tuple(step for step in learned if step.schema == SCHEMA)
    return {of: steps for of, steps in found.items() if steps}


def _until(entries: Iterable[Entry], through: int) -> list[Entry]:
    return [entry for entry in entries if entry.position <= through]


def same(left: Any, right: Any) -> bool:
    """Bit for bit."""
    return all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in zip(left, right, strict=True))


def assert_same(
    vectorised: Experiences, recorded: Recorded, expected: dict[int, tuple[experience.Experience, ...]]
) -> None:
    starts = {bytes(id_): index for index, id_ in enumerate(recorded.sessions.id)}
    in_order = sorted(expected.items(), key=lambda each: starts[session_of(each[0]).bytes])
    steps = [(starts[session_of(of).bytes], step) for of, learned in in_order for step in learned]
    assert len(vectorised.a_tm1) == len(steps)
    for row, (index, step) in enumerate(steps):
        assert vectorised.session[row] == index
        assert vectorised.s_tm1[row].tobytes() == step.s_tm1
        assert vectorised.s_t[row].tobytes() == step.s_t
        assert vectorised.a_tm1[row] == step.a_tm1
        assert vectorised.r_t[row] == np.float32(step.r_t)
        assert vectorised.discount_t[row] == np.float32(step.discount_t)
        assert (vectorised.mask_tm1[row], vectorised.mask_t[row]) == (step.mask_tm1, step.mask_t)
        assert vectorised.propensity[row] == np.float32(step.propensity)


FALSE_NEGATIVE = [
    *(Turn(0, "step", number) for number in range(3)),
    Turn(0, "enter", 0),
    Turn(0, "report", 1),
    Turn(0, "end", 0),
    Turn(0, "conclude", 0),
    *(Turn(1, "step", number) for number in range(3)),
    Turn(1, "enter", 0),
    Turn(1, "report", 0),
    Turn(1, "end", 0),
    Turn(1, "conclude", 1),
]


@settings(max_examples=200)
@example(FALSE_NEGATIVE)
@given(HISTORIES)
def test_all_sessions_at_once_give_what_each_gives_alone(turns: list[Turn]) -> None:
    log = logged(turns)
    recorded = projected(log)
    assert_same(experiences(recorded, weights=WEIGHTS, gamma=GAMMA), recorded, plain(log))


@settings(max_examples=100)
@given(HISTORIES, st.integers(0, 80))
def test_a_past_position_gives_what_would_have_been_built_then(turns: list[Turn], through: int) -> None:
    log = logged(turns)
    recorded = within(projected(log), 0, through)
    assert_same(experiences(recorded, weights=WEIGHTS, gamma=GAMMA), recorded, plain(log, through))
    before = MemoryEventLog()
    before.append(
        [
            Append(entry.stream, entry.first_version - 1, entry.events, entry.at_us, entry.causation)
            for entry in _until(log.read(0, 10_000), through)
        ]
    )
    then = experiences(projected(before), weights=WEIGHTS, gamma=GAMMA)
    assert same(then, experiences(recorded, weights=WEIGHTS, gamma=GAMMA))


@settings(max_examples=100)
@given(HISTORIES, st.integers(1, 10), st.integers(0, 80))
def test_the_same_log_gives_the_same_bits_however_it_was_read(turns: list[Turn], pieces: int, cut: int) -> None:
    log = logged(turns)
    whole = projected(log)
    once = experiences(whole, weights=WEIGHTS, gamma=GAMMA)
    assert same(once, experiences(projected(log, pieces=pieces), weights=WEIGHTS, gamma=GAMMA))
    halves = joined([within(whole, 0, cut), within(whole, cut, END)])
    assert same(once, experiences(halves, weights=WEIGHTS, gamma=GAMMA))
    order = np.argsort(whole.decisions.session, kind="stable")
    by_session = whole._replace(decisions=Decisions._make(column[order] for column in whole.decisions))
    assert same(once, experiences(by_session, weights=WEIGHTS, gamma=GAMMA))

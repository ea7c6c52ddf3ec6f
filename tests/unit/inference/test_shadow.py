"""A shadow counts what it would have chosen, never makes the line wait, and counts what it cannot keep up with."""

from collections.abc import Iterator
from threading import Event
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from drlactors.domain.action import Action
from drlactors.domain.model import Pairing
from drlactors.domain.permission import best
from drlactors.inference.shadow import Shadows, Tally, choices
from drlactors.ports.policy import PolicyError, PolicyInfo, RankedBatch
from tests.acceptance.harness import wait_for

ALL = 0b11111


class Preferring:
    """Always holds one action to be the best; waits, or fails, when told to."""

    def __init__(self, name: str, action: Action) -> None:
        self.info = PolicyInfo(id=name, schema="f", path="")
        self.action = action
        self.go_on = Event()
        self.go_on.set()
        self.broken = False
        self.rows = 0

    def rank(self, vectors: Any) -> Any:
        self.go_on.wait()
        self.rows += len(vectors)
        if self.broken:
            raise PolicyError("broken")
        return np.tile(np.eye(5, dtype=np.float32)[self.action], (len(vectors), 1))

    def because(self, *_: Any) -> tuple[str, ...]:
        return ()


@pytest.fixture
def shadows() -> Iterator[Shadows]:
    shadows = Shadows(most_waiting=100)
    yield shadows
    shadows.close()


def batch(rows: int, action: Action = Action.CONTINUE, policy: str = "old") -> tuple[Any, RankedBatch]:
    return np.zeros((rows, 2), dtype=np.float32), RankedBatch(
        np.tile(np.eye(5, dtype=np.float32)[action], (rows, 1)), policy, lambda _vector, _action: ()
    )


def tallies(shadows: Shadows, windows: int) -> list[Tally]:
    found: list[Tally] = []

    def all_there() -> bool:
        found.extend(shadows.take())
        return sum(t.passed_by + t.failed + sum(p.windows for p in t.pairings) for t in found) >= windows

    wait_for(all_there, 10, f"{windows} windows are counted")
    return found


def test_a_shadow_counts_where_it_would_have_chosen_otherwise(shadows: Shadows) -> None:
    shadows.follow([Preferring("new", Action.TERMINATE)])
    shadows.offer(*batch(3), [(ALL, 2), (0b00011, 1)])
    [tally] = tallies(shadows, 3)
    wanted = {Pairing(Action.CONTINUE, Action.TERMINATE, 2), Pairing(Action.CONTINUE, Action.CONTINUE, 1)}
    assert (tally.candidate, tally.beside, set(tally.pairings)) == ("new", "old", wanted)
    assert shadows.take() == []


def test_a_shadow_that_is_behind_lets_windows_pass_by_and_counts_them(shadows: Shadows) -> None:
    slow = Preferring("slow", Action.CONTINUE)
    slow.go_on.clear()
    shadows.follow([slow])
    for _ in range(15):
        shadows.offer(*batch(10), [(ALL, 10)])
    slow.go_on.set()
    found = tallies(shadows, 150)
    assert sum(tally.passed_by for tally in found) == 50
    assert slow.rows == 100
    shadows.offer(*batch(10), [(ALL, 10)])
    assert sum(tally.passed_by for tally in tallies(shadows, 10)) == 0, "it has caught up"


def test_a_candidate_that_fails_is_counted_and_the_others_go_on(shadows: Shadows) -> None:
    broken, sound = Preferring("broken", Action.CONTINUE), Preferring("sound", Action.CONTINUE)
    broken.broken = True
    shadows.follow([broken, sound])
    shadows.offer(*batch(4), [(ALL, 4)])
    by_name = {tally.candidate: tally for tally in tallies(shadows, 8)}
    assert (by_name["broken"].failed, by_name["broken"].pairings) == (4, ())
    assert by_name["sound"].pairings == (Pairing(Action.CONTINUE, Action.CONTINUE, 4),)


def test_each_policy_that_acted_is_counted_by_itself(shadows: Shadows) -> None:
    shadows.follow([Preferring("new", Action.ISOLATE)])
    shadows.offer(*batch(4), [(ALL, 4)])
    shadows.offer(*batch(5, Action.ISOLATE, policy="rules-1"), [(ALL, 5)])
    counted = {tally.beside: tally.pairings for tally in tallies(shadows, 9)}
    assert counted == {
        "old": (Pairing(Action.CONTINUE, Action.ISOLATE, 4),),
        "rules-1": (Pairing(Action.ISOLATE, Action.ISOLATE, 5),),
    }


@settings(max_examples=200)
@given(
    values=arrays(np.float32, (6, 5), elements=st.integers(-3, 3).map(float)),
    masks=st.lists(st.integers(0, 15).map(lambda bits: bits << 1 | 1), min_size=6, max_size=6),
)
def test_choices_are_those_of_the_session(values: Any, masks: list[int]) -> None:
    wanted = [best(row, mask) for row, mask in zip(values.tolist(), masks, strict=True)]
    assert choices(values, np.array(masks)).tolist() == wanted

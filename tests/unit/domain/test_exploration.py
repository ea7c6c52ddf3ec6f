"""What is tried by chance is reversible and permitted, and its chance is known."""

from collections import Counter
from uuid import UUID

import pytest

from drlactors.domain.action import Action
from drlactors.domain.exploration import EXPLORABLE, Choice, choice, drawn
from drlactors.domain.guard import Guards, lets_try
from drlactors.domain.ids import SessionId
from drlactors.testing.given import recorded, select, selected, started, when

ALL = 0b11111
STOPS = (0.0, 1.0, 5.0, 2.0, -1.0)  # terminate is worth most
SESSION = SessionId(UUID(int=7))


def test_what_may_be_tried_is_reversible_and_asks_nobody() -> None:
    assert not any(action.irreversible or action is Action.REVIEW for action in EXPLORABLE)


def test_draws_are_uniform_and_the_same_whenever_they_are_asked_for() -> None:
    draws = [drawn(SessionId(UUID(int=session)), seq) for session in range(100) for seq in range(100)]
    assert draws == [drawn(SessionId(UUID(int=session)), seq) for session in range(100) for seq in range(100)]
    assert all(0 <= draw < 1 for draw in draws)
    tenths = Counter(int(draw * 10) for draw in draws)
    assert all(abs(tenths[tenth] - 1000) < 150 for tenth in range(10))  # five standard deviations


@pytest.mark.parametrize(
    ("draw", "expected"),
    [
        (0.0, Choice(Action.CONTINUE, 0.1)),
        (0.0999, Choice(Action.CONTINUE, 0.1)),
        (0.1001, Choice(Action.ISOLATE, 0.1)),
        (0.1999, Choice(Action.ISOLATE, 0.1)),
        (0.2, Choice(None, 0.8)),
    ],
)
def test_below_the_share_one_of_what_may_be_tried_is_taken(draw: float, expected: Choice) -> None:
    found = choice(STOPS, ALL, 0.2, draw)
    assert found.tried is expected.tried
    assert found.propensity == pytest.approx(expected.propensity)


def test_the_best_action_has_also_the_chance_of_being_tried() -> None:
    isolates = (0.0, 9.0, 5.0, 2.0, -1.0)
    assert choice(isolates, ALL, 0.2, 0.15) == choice(isolates, ALL, 0.2, 0.9)._replace(tried=Action.ISOLATE)
    assert choice(isolates, ALL, 0.2, 0.9).propensity == pytest.approx(0.9)


def test_where_only_going_on_is_permitted_it_is_certain() -> None:
    assert choice(STOPS, 0b00001, 0.2, 0.1).propensity == pytest.approx(1.0)


def test_a_session_takes_what_was_tried_with_its_chance_and_the_whole_mask() -> None:
    command = select(terminate=9.0)._replace(tried=Action.ISOLATE, propensity=0.1)
    (event,) = when(command, given=[started(), recorded(seq=0)])
    expected = selected(Action.ISOLATE)
    assert event == expected._replace(values=command.values, mask=0b10111, propensity=0.1)


@pytest.mark.parametrize(
    ("guards", "may"),
    [
        (Guards(), True),
        (Guards(monitored=frozenset({Action.TERMINATE})), True),
        (Guards(monitored=frozenset({Action.ISOLATE})), False),
        (Guards(ignored_artifacts=frozenset({"ab" * 32})), False),
        (Guards(ignored_sandboxes=frozenset({"box"})), False),
    ],
)
def test_nothing_is_tried_where_guards_would_withhold_it(guards: Guards, may: bool) -> None:
    assert lets_try(guards, sha256="ab" * 32, sandbox="box") is may

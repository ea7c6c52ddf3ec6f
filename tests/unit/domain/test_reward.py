"""What choices, time and ends are worth, amount by amount."""

import pytest

from drlactors.domain.action import Action
from drlactors.domain.reward import Weights, of_action, of_end, of_time

WEIGHTS = Weights(
    right_verdict=1.0,
    wrong_verdict=2.5,
    missed=1.5,
    released=0.5,
    second=0.01,
    damage=0.2,
    isolation_hinders=0.4,
    disturbance=0.3,
    review=0.25,
    failed_action=0.07,
)


@pytest.mark.parametrize(
    ("action", "of_malicious", "of_benign"),
    [
        (Action.CONTINUE, 0.0, 0.0),
        (Action.ISOLATE, 0.0, -0.3),
        (Action.TERMINATE, 1.0, -2.5),
        (Action.QUARANTINE, 1.0, -2.5),
        (Action.REVIEW, -0.25, -0.25),
    ],
)
def test_an_action_is_worth_what_the_truth_makes_of_it_and_one_that_failed_costs_the_failure(
    action: Action, of_malicious: float, of_benign: float
) -> None:
    assert of_action(WEIGHTS, action, malicious=True, failed=False) == of_malicious
    assert of_action(WEIGHTS, action, malicious=False, failed=False) == of_benign
    assert {of_action(WEIGHTS, action, malicious=truth, failed=True) for truth in (True, False)} == {-0.07}


def test_time_costs_watching_and_of_a_malicious_sample_the_damage_that_isolation_leaves() -> None:
    assert of_time(WEIGHTS, 2.0, 1, malicious=False) == pytest.approx(-0.02)
    damage = [of_time(WEIGHTS, 2.0, level, malicious=True) + 0.02 for level in range(4)]
    assert damage == pytest.approx([-0.4, -0.24, -0.08, 0.0]), "isolation never earns anything"


def test_an_end_is_worth_what_was_missed_or_released_unless_something_was_stopped() -> None:
    ends = [
        [of_end(WEIGHTS, malicious=truth, stopped=stopped, ordered=ordered) for truth in (True, False)]
        for stopped, ordered in ((False, False), (True, False), (True, True), (False, True))
    ]
    assert ends == [[-1.5, 0.5], [0.0, 0.0], [0.0, 0.0], [1.0, -2.5]]

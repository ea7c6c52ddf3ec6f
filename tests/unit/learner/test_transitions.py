"""The table holds what serving would see and what the log would be worth; splits keep artifacts whole."""

from dataclasses import replace

import numpy as np
import pytest

from drlactors.domain.action import Action
from drlactors.domain.experience import experiences
from drlactors.domain.features import row
from drlactors.domain.permission import permitted
from drlactors.domain.session import ActionSelected, Ended, EndReason, Event, FeedbackReceived, TelemetryRecorded
from drlactors.learner.transitions import recorded, split, table
from tests.unit.learner.samples import TASK
from tests.unit.learner.separable import SAMPLES, sample


def test_the_table_holds_what_serving_would_see():
    one = sample(7, malicious=True)
    made = table([one], TASK)
    levels = TASK.rules.isolation_steps + 1
    for at, (state, window) in enumerate(zip(recorded(one, TASK.rules), one.windows, strict=True)):
        alone = TASK.schema.vectors([row(state, window)])
        assert made.vectors[at * levels].tobytes() == alone.tobytes()
        assert sum(1 << a for a in Action if made.permitted[at * levels, a]) == permitted(state)


@pytest.mark.parametrize("malicious", [False, True])
@pytest.mark.parametrize(
    "plan",
    [
        (Action.CONTINUE,) * 4,
        (Action.ISOLATE, Action.CONTINUE, Action.TERMINATE),
        (Action.ISOLATE, Action.ISOLATE, Action.QUARANTINE),
        (Action.REVIEW, Action.ISOLATE, Action.CONTINUE, Action.CONTINUE),
    ],
)
def test_the_rewards_are_those_of_the_log(plan, malicious):
    one = sample(9, malicious=malicious, windows=4)
    made = table([one], TASK)
    events: list[Event] = []
    expected, at = [], 0
    for window, action in zip(one.windows, plan, strict=False):
        chosen = ActionSelected(window.seq, action, (0.0,) * 5, 0, b"", "", "", (), 1.0)
        events += [TelemetryRecorded(window), chosen]
        if action.carried_out:
            events.append(FeedbackReceived(window.seq, True, "", ""))
        expected.append(float(made.rewards[at, action]))
        at = int(made.following[at, action])
    assert at == -1
    learned = experiences(
        [*events, Ended(EndReason.FINISHED)], malicious=malicious, weights=TASK.weights, gamma=TASK.gamma
    )
    assert [e.r_t for e in learned] == pytest.approx(expected, abs=1e-6)
    assert [e.discount_t for e in learned] == [TASK.gamma] * (len(plan) - 1) + [0.0]


def test_a_cheaper_person_changes_the_rewards_and_nothing_else():
    cheap = TASK._replace(weights=replace(TASK.weights, review=0.0))
    dear, free = table(SAMPLES[:2], TASK), table(SAMPLES[:2], cheap)
    changed = (dear.rewards != free.rewards).any(axis=0)
    assert [Action(n) for n in np.flatnonzero(changed).tolist()] == [Action.REVIEW]
    assert dear.vectors.tobytes() == free.vectors.tobytes()


def test_artifacts_are_held_out_whole_and_of_both_classes():
    twice = SAMPLES + SAMPLES
    learned, held = split(twice, 0.2, seed=5)
    assert not {s.artifact for s in learned} & {s.artifact for s in held}
    assert len(learned) + len(held) == len(twice)
    assert len(held) == 16
    assert {s.malicious for s in held} == {False, True}


def test_the_order_of_the_samples_does_not_change_what_is_held_out():
    assert {s.artifact for s in split(SAMPLES, 0.2, 5)[1]} == {s.artifact for s in split(SAMPLES[::-1], 0.2, 5)[1]}

"""The first policy learns what recordings show, and is the same whenever it is made."""

from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest

from drlactors.domain.action import Action
from drlactors.domain.experience import experiences
from drlactors.domain.features import FeatureSchema, row
from drlactors.domain.permission import Rules, permitted
from drlactors.domain.reward import Weights
from drlactors.domain.session import (
    ActionSelected,
    Ended,
    EndReason,
    Event,
    FeedbackReceived,
    TelemetryRecorded,
)
from drlactors.domain.telemetry import Telemetry, Window
from drlactors.inference import Trust, load_model
from drlactors.learner import first
from drlactors.learner.evaluation import evaluate
from drlactors.learner.transitions import Sample, Task, recorded, split, table

TASK = Task(
    schema=FeatureSchema(),
    rules=Rules(
        isolation_steps=2,
        isolation_before_quarantine=1,
        reviews=1,
        windows_before_final=2,
        lost_windows_before_final=0,
    ),
    weights=Weights(
        right_verdict=1.0,
        wrong_verdict=2.0,
        missed=1.5,
        released=0.5,
        second=0.002,
        damage=0.05,
        isolation_hinders=0.3,
        disturbance=0.05,
        review=0.2,
        failed_action=0.1,
    ),
    gamma=0.99,
)
SMALL = first.Settings(iterations=30, batch=64, learning_rate=3e-3)
DATE = "2026-11-23T00:00:00+00:00"


def sample(number: int, *, malicious: bool, windows: int = 6) -> Sample:
    dice = np.random.default_rng([number, malicious])
    return Sample(
        tuple(
            Window(
                seq=seq,
                window_ms=250,
                observed_us=0,
                telemetry=Telemetry(
                    syscall_count=int(dice.integers(100, 5000)),
                    file_read_count=int(dice.integers(0, 50)),
                    file_write_count=int(dice.integers(40, 90) if malicious else dice.integers(0, 20)),
                    file_delete_count=int(dice.integers(20, 60) if malicious else dice.integers(0, 2)),
                    cpu_usage=float(dice.random()),
                ),
            )
            for seq in range(windows)
        ),
        malicious,
        sha256(bytes([number, malicious])).hexdigest(),
    )


SAMPLES = [sample(number, malicious=malicious) for number in range(20) for malicious in (False, True)]


@pytest.fixture(scope="module")
def fitted() -> first.Fitted:
    return first.fit(SAMPLES, TASK, version=1, date=DATE, settings=SMALL)


def test_fitting_twice_gives_the_same_bytes(fitted):
    again = first.fit(SAMPLES, TASK, version=1, date=DATE, settings=SMALL)
    assert again.exported.onnx == fitted.exported.onnx
    assert again.exported.metadata.to_json() == fitted.exported.metadata.to_json()


def test_another_seed_gives_another_model(fitted):
    other = first.fit(SAMPLES, TASK, version=1, date=DATE, settings=SMALL._replace(seed=1))
    assert other.exported.metadata.sha256 != fitted.exported.metadata.sha256


def test_it_learns_what_separates_the_classes(fitted):
    assert fitted.evaluation.sessions == 8
    assert fitted.evaluation.accuracy == 1.0
    assert fitted.evaluation.mean_reward > 0


def test_what_is_written_is_what_serving_accepts(fitted, tmp_path):
    fitted.exported.write(tmp_path / "first.onnx")
    policy = load_model(tmp_path / "first.onnx", TASK.schema, Trust(frozenset(), allow_unsigned=True))
    assert policy.metadata == fitted.exported.metadata


def test_artifacts_are_held_out_whole_and_of_both_classes():
    twice = SAMPLES + SAMPLES
    learned, held = split(twice, 0.2, seed=5)
    assert not {s.artifact for s in learned} & {s.artifact for s in held}
    assert len(learned) + len(held) == len(twice)
    assert len(held) == 16
    assert {s.malicious for s in held} == {False, True}


def test_the_order_of_the_samples_does_not_change_what_is_held_out():
    assert {s.artifact for s in split(SAMPLES, 0.2, 5)[1]} == {s.artifact for s in split(SAMPLES[::-1], 0.2, 5)[1]}


def test_one_artifact_of_a_class_is_too_few():
    with pytest.raises(ValueError, match="at least two artifacts"):
        first.fit([s for s in SAMPLES if not s.malicious] + [SAMPLES[1]], TASK, version=1, date=DATE, settings=SMALL)


def test_a_finding_that_cannot_stand_in_metadata_is_refused():
    with pytest.raises(ValueError, match="date"):
        first.fit(SAMPLES, TASK, version=1, date="yesterday", settings=SMALL._replace(iterations=1))


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


def always(action: Action):
    return lambda vectors: np.eye(5, dtype=np.float32)[[action] * len(vectors)]


def test_evaluation_counts_a_final_action_as_the_verdict():
    told = evaluate(always(Action.TERMINATE), SAMPLES, TASK)
    assert (told.accuracy, told.false_positive_rate, told.false_negative_rate) == (0.5, 1.0, 0.0)
    assert told.mean_decision_s == 0.5  # not before the second window
    silent = evaluate(always(Action.CONTINUE), SAMPLES, TASK)
    assert (silent.accuracy, silent.false_positive_rate, silent.false_negative_rate) == (0.5, 0.0, 1.0)
    assert silent.mean_decision_s == 0.0


def test_evaluation_keeps_to_the_budget_of_reviews():
    assert evaluate(always(Action.REVIEW), SAMPLES, TASK).reviews == len(SAMPLES)


def test_the_reward_of_letting_a_benign_sample_run_is_its_release_less_the_time():
    benign = [s for s in SAMPLES if not s.malicious]
    weights = TASK.weights
    expected = weights.released - weights.second * 5 * 0.25
    assert evaluate(always(Action.CONTINUE), benign, TASK).mean_reward == pytest.approx(expected)


def test_a_cheaper_person_changes_the_rewards_and_nothing_else():
    cheap = TASK._replace(weights=replace(TASK.weights, review=0.0))
    dear, free = table(SAMPLES[:2], TASK), table(SAMPLES[:2], cheap)
    changed = (dear.rewards != free.rewards).any(axis=0)
    assert [Action(n) for n in np.flatnonzero(changed).tolist()] == [Action.REVIEW]
    assert dear.vectors.tobytes() == free.vectors.tobytes()

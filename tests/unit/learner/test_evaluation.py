"""What an evaluation counts."""

import numpy as np
import pytest

from drlactors.domain.action import Action
from drlactors.learner.evaluation import evaluate
from tests.unit.learner.samples import TASK
from tests.unit.learner.separable import SAMPLES


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

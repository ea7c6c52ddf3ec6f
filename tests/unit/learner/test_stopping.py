"""The boundary keeps what it was asked for, and the policy that serves stops where its figures say."""

from math import inf

import numpy as np
import pytest

from drlactors.domain.features import FeatureSchema
from drlactors.learner.evaluation import play
from drlactors.learner.metrics import point
from drlactors.learner.stopping import (
    HORIZONS_S,
    SLOPES,
    Boundary,
    Evidence,
    StoppingPolicy,
    advantages,
    chosen,
    isolation,
)
from drlactors.learner.traces import stops, traces
from drlactors.learner.trees import Boosting, Forest
from drlactors.ports.learning import CannotLearn
from tests.unit.learner.samples import TASK
from tests.unit.learner.separable import SAMPLES

OVER = traces(SAMPLES, TASK)
EVIDENCE = Evidence(Forest(OVER, 0), Boosting(OVER, 0))

COUNT, WINDOWS = 200, 20
MALICIOUS = np.arange(2 * COUNT) < COUNT
SECONDS = np.tile(np.arange(1.0, WINDOWS + 1), (2 * COUNT, 1))


def misleading() -> np.ndarray:
    """Noise in the first 5 seconds, evidence from then on."""
    dice = np.random.default_rng(0)
    score = np.asarray(dice.normal(size=SECONDS.shape)) * 2
    score[:COUNT, 5:] = dice.normal(3, 0.5, (COUNT, WINDOWS - 5))
    score[COUNT:, 5:] = dice.normal(-3, 0.5, (COUNT, WINDOWS - 5))
    return score


def soon() -> np.ndarray:
    """Evidence in the first second, noise from then on."""
    dice = np.random.default_rng(0)
    score = np.asarray(dice.normal(size=SECONDS.shape)) * 2
    score[:, 0] = np.where(MALICIOUS, dice.normal(2, 1, 2 * COUNT), dice.normal(-2, 1, 2 * COUNT))
    return score


def choose(score: np.ndarray, fpr: float, enough: float) -> Boundary:
    return chosen(score, SECONDS, MALICIOUS, fpr, enough=enough)


def at(score: np.ndarray, boundary: Boundary):
    wanted = advantages(score, np.log1p(SECONDS), boundary)
    return point(stops(wanted, boundary.threshold), SECONDS, MALICIOUS)


@pytest.mark.parametrize("score", [misleading(), soon()], ids=["misleading", "soon"])
@pytest.mark.parametrize("fpr", [0.0, 0.01, 0.05])
def test_the_boundary_keeps_the_rate_and_catches_enough_as_early_as_any_that_was_tried(score, fpr):
    enough = 0.5
    found = at(score, choose(score, fpr, enough))
    assert found.fpr <= fpr
    tried = [at(score, chosen_alone(score, fpr, slope, horizon_s)) for slope in SLOPES for horizon_s in HORIZONS_S]
    caught = [one for one in tried if one.tpr >= min(enough, max(other.tpr for other in tried))]
    assert found.mean_s == min(one.mean_s for one in caught)


def chosen_alone(score, fpr, slope, horizon_s) -> Boundary:
    """The threshold by trying all that make a difference."""
    boundary = Boundary(slope, horizon_s, 0.0)
    most = advantages(score, np.log1p(SECONDS), boundary)[~MALICIOUS].max(axis=1)
    least = min(x for x in most if (most > x).mean() <= fpr)
    every = advantages(score, np.log1p(SECONDS), boundary).max(axis=1)
    return boundary._replace(threshold=(least + min(every[every > least], default=least)) / 2)


def test_where_all_is_said_at_once_nothing_is_stopped_later():
    assert choose(soon(), 0.05, 0.8).horizon_s == 1.0


def test_where_early_evidence_misleads_it_waits():
    found = choose(misleading(), 0.05, 1.0)
    assert found.slope > 0
    assert found.horizon_s > 5


def test_if_nothing_catches_enough_it_is_the_one_that_catches_most():
    score = soon()
    most = max(at(score, chosen_alone(score, 0.0, s, h)).tpr for s in SLOPES for h in HORIZONS_S)
    assert at(score, choose(score, 0.0, 1.0)).tpr == most


@pytest.mark.parametrize("horizon_s", [1.0, inf])
def test_the_policy_stops_where_its_margins_are_above_the_boundary(horizon_s):
    boundary = Boundary(0.5, horizon_s, -0.5)
    policy = StoppingPolicy(EVIDENCE, TASK.schema, boundary, isolation(OVER, TASK.weights))
    played = play(policy.rank, OVER.table, TASK.rules.reviews)
    wanted = advantages(EVIDENCE.margins(OVER), np.log1p(OVER.seconds), boundary)
    stopped = stops(wanted, boundary.threshold)
    assert played.stopped.tolist() == (stopped >= 0).tolist()
    assert played.stopped.any()
    at_s = OVER.seconds[np.arange(len(stopped)), stopped][played.stopped]
    assert at_s.tolist() == pytest.approx(played.ended_s[played.stopped].tolist())
    assert at_s.max() <= horizon_s


def test_a_schema_that_does_not_show_the_time_is_refused():
    with pytest.raises(CannotLearn, match="feature elapsed"):
        StoppingPolicy(EVIDENCE, FeatureSchema(("cpu_usage",)), Boundary(0.0, inf, 0.0), 0.0)


def test_a_boundary_that_nothing_could_be_chosen_by_is_refused():
    with pytest.raises(CannotLearn, match="could be stopped"):
        StoppingPolicy(EVIDENCE, FeatureSchema(("elapsed",)), Boundary(0.0, inf, inf), 0.0)

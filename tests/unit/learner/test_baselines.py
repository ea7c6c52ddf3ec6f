"""What an expert would try first does what its name says."""

from math import log

import numpy as np
import pytest

from drlactors.domain.action import Action
from drlactors.learner import baselines
from drlactors.learner.baselines import Running
from drlactors.learner.evaluation import play
from drlactors.learner.looks import FixedTime
from drlactors.learner.methods import METHODS, Method
from drlactors.learner.traces import margins, stops, traces
from drlactors.learner.trees import Boosting
from tests.unit.learner.samples import TASK, sample
from tests.unit.learner.separable import SAMPLES

OVER = traces(SAMPLES, TASK)


def test_never_stops_nothing_and_random_repeats_itself():
    played = play(baselines.always_continue, OVER.table, 1)
    assert not played.stopped.any()
    assert set(played.actions.ravel().tolist()) == {Action.CONTINUE}
    one, again, other = (play(baselines.at_random(seed), OVER.table, 1) for seed in (0, 0, 1))
    assert one.actions.tolist() == again.actions.tolist() != other.actions.tolist()


@pytest.mark.parametrize(("at_s", "window"), [(0.5, 1), (0.6, 1), (1.0, 3), (30.0, 5)])
def test_a_classifier_at_a_fixed_time_looks_once_and_then(at_s, window):
    wanted = FixedTime(OVER, at_s, 0).margins(OVER)
    assert np.isfinite(wanted).sum(axis=1).tolist() == [1] * len(SAMPLES)
    assert stops(wanted, 0.0)[OVER.malicious].tolist() == [window] * 20
    assert (stops(wanted, 0.0)[~OVER.malicious] == -1).all()


def test_a_session_that_ends_before_is_looked_at_in_its_last_window():
    short = [sample(name, malicious=bad, lasts_ms=[1000] * 3) for name, bad in (("a", True), ("b", False))]
    over = traces(short, TASK)
    assert np.isfinite(FixedTime(OVER, 30, 0).margins(over)).argmax(axis=1).tolist() == [2, 2]


def test_threshold_stopping_asks_for_the_likelihood_ratio_in_every_window():
    many = traces([*SAMPLES, *(one for one in SAMPLES if not one.malicious)], TASK)  # two benign for each malicious
    score = Boosting(many, 0)
    found = Running(many, score).margins(OVER)
    p = score.probability(OVER.vectors()).clip(0.002, 0.998)
    ratios = np.log(p / (1 - p)) - log(1 / 2)
    permitted = np.isfinite(found)
    assert found[permitted].tolist() == pytest.approx(ratios.reshape(found.shape)[permitted].tolist())
    assert permitted.sum(axis=1).tolist() == [6 - (TASK.rules.windows_before_final - 1)] * len(SAMPLES)


def test_the_plain_dqn_learns_what_shows_in_every_window():
    plain = METHODS["dqn"]
    assert isinstance(plain, Method)
    rank = baselines.dqn(OVER, plain._replace(updates=1500), TASK.gamma, 0)
    wanted = margins(rank, OVER, TASK.rules.reviews).max(axis=1)
    assert wanted[OVER.malicious].mean() > wanted[~OVER.malicious].mean()

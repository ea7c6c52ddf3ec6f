"""Intervals are as wide as what they rest on is small."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drlactors.learner import intervals


@settings(max_examples=200)
@given(hits=st.integers(0, 50), more=st.integers(0, 50), confidence=st.floats(0.5, 0.999))
def test_a_share_lies_in_its_interval_which_narrows(hits, more, confidence):
    of = hits + more
    found = intervals.share(hits, of, confidence)
    assert 0 <= found.low <= found.high <= 1
    if of:
        assert found.low - 1e-12 <= hits / of <= found.high + 1e-12
        wider = intervals.share(hits, of, (1 + confidence) / 2)
        assert wider.low <= found.low + 1e-12
        assert wider.high >= found.high - 1e-12
        many = intervals.share(100 * hits, 100 * of, confidence)
        assert many.high - many.low < found.high - found.low


def test_a_share_of_nothing_may_be_anything():
    assert intervals.share(0, 0, 0.95)[1:] == (0.0, 1.0)


def test_a_wilson_interval_as_in_the_textbook():
    """Agresti and Coull 1998: 0 of 10 at 95 % gives 0 to 0.278."""
    found = intervals.share(0, 10, 0.95)
    assert found.high == pytest.approx(0.2775, abs=1e-3)


def test_the_interval_of_a_mean_covers_it_about_as_often_as_it_says():
    dice = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        found = intervals.mean(dice.normal(size=60), intervals.counts(np.arange(60), 300, seed), 0.9)
        covered += found.low <= 0 <= found.high
    assert 165 <= covered <= 195


def test_sessions_of_one_artifact_are_drawn_together():
    drawn = intervals.counts(np.array([7, 7, 3, 7, 3]), 50, 1)
    assert (drawn[:, 0] == drawn[:, 1]).all()
    assert (drawn[:, 2] == drawn[:, 4]).all()
    assert (drawn == intervals.counts(np.array([7, 7, 3, 7, 3]), 50, 1)).all()
    assert (drawn[:, 0] + drawn[:, 2] == 2).all()


def test_ten_sessions_of_one_artifact_say_no_more_than_one():
    values = np.repeat(np.random.default_rng(2).normal(size=12), 10)
    apart = intervals.mean(values, intervals.counts(np.arange(120), 500, 0), 0.95)
    together = intervals.mean(values, intervals.counts(np.repeat(np.arange(12), 10), 500, 0), 0.95)
    assert together.high - together.low > 2 * (apart.high - apart.low)


def test_what_is_not_defined_in_some_resample_has_no_bounds():
    found = intervals.percentile(1.0, np.array([1.0, np.nan]), 0.95)
    assert (found.low, found.high) == (-np.inf, np.inf)

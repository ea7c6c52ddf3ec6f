"""Figures of a detector, against values that are known and against loops that are slow."""

from math import inf, isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drlactors.learner import metrics
from drlactors.learner.traces import stops

SECONDS = np.tile(np.arange(1.0, 5.0), (5, 1))
MALICIOUS = np.array([True, True, True, False, False])
#: Stopped above 0: after 1 s, after 3 s, never; one benign session after 2 s, the other never.
WANTED = np.array(
    [
        [2.0, 0.0, 0.0, 0.0],
        [-1.0, -1.0, 4.0, 9.0],
        [-3.0, -2.0, -1.0, -inf],
        [-1.0, 1.0, -1.0, -1.0],
        [-2.0, -2.0, -2.0, -2.0],
    ]
)
sessions = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=40)


def test_a_point_counts_what_was_stopped_and_when():
    found = metrics.point(stops(WANTED, 0.0), SECONDS, MALICIOUS)
    assert found.tpr == pytest.approx(2 / 3)
    assert found.fpr == 0.5
    assert [found.mean_s, found.median_s, found.p95_s] == pytest.approx([2.0, 2.0, 2.9])
    assert found.restricted_mean_s == pytest.approx((1 + 3 + 4) / 3)


def test_where_nothing_is_caught_there_is_no_time_to_tell():
    found = metrics.point(stops(WANTED, 99.0), SECONDS, MALICIOUS)
    assert (found.tpr, found.fpr, found.restricted_mean_s) == (0.0, 0.0, 4.0)
    assert isnan(found.mean_s)


@given(sessions, st.floats(0, 1))
def test_a_threshold_keeps_the_rate_and_no_lower_one_does(drawn, fpr):
    wanted = np.array([[float(margin)] for margin, _ in drawn])
    malicious = np.array([bad for _, bad in drawn])
    found = metrics.threshold_at(wanted, malicious, fpr)
    benign = wanted[~malicious].ravel()

    def stopped(threshold: float) -> int:
        return int((benign > threshold).sum())

    assert stopped(found) <= fpr * len(benign) + 1e-6
    if np.isfinite(found):
        assert stopped(np.nextafter(found, -inf)) > fpr * len(benign) + 1e-12


@given(sessions, st.floats(0, 1))
def test_a_chosen_threshold_stops_the_same_sessions_and_leaves_room_on_either_side(drawn, fpr):
    wanted = np.array([[float(margin)] for margin, _ in drawn])
    malicious = np.array([bad for _, bad in drawn])
    least, chosen = (of(wanted, malicious, fpr) for of in (metrics.threshold_at, metrics.chosen_threshold))
    assert stops(wanted, chosen).tolist() == stops(wanted, least).tolist()
    if np.isfinite(least) and (wanted > least).any():
        assert chosen - least == pytest.approx(wanted[wanted > chosen].min() - chosen)


def test_matched_reads_the_roc_curve_of_these_very_sessions():
    assert metrics.matched(WANTED, SECONDS, MALICIOUS, 0.0).tpr == pytest.approx(2 / 3)  # above 1
    assert metrics.matched(WANTED, SECONDS, MALICIOUS, 0.5).tpr == 1.0  # above -2
    assert metrics.matched(WANTED, SECONDS, MALICIOUS, 0.5).fpr == 0.5


@given(sessions)
def test_auc_is_the_share_of_pairs_in_the_right_order(drawn):
    scores, malicious = np.array([float(score) for score, _ in drawn]), np.array([bad for _, bad in drawn])
    pairs = [(a > b) + (a == b) / 2 for a in scores[malicious] for b in scores[~malicious]]
    found = metrics.auc(scores, malicious)
    assert found == pytest.approx(np.mean(pairs)) if pairs else isnan(found)


def test_precision_is_by_bayes():
    assert metrics.precision(0.9, 0.05, 0.01) == pytest.approx(0.009 / (0.009 + 0.0495))
    assert isnan(metrics.precision(0.0, 0.0, 0.5))


def test_what_is_saved_weighs_classes_by_the_base_rate():
    found = metrics.saved(stops(WANTED, 0.0), SECONDS, MALICIOUS, timeout_s=10.0, base_rate=0.1)
    assert found == pytest.approx(1 - (0.1 * (1 + 3 + 10) / 3 + 0.9 * (2 + 10) / 2) / 10)


def test_the_share_stopped_grows_with_time():
    found = metrics.detected_by(stops(WANTED, 0.0), SECONDS, MALICIOUS, np.array([0.0, 1.0, 2.9, 3.0]))
    assert found.tolist() == pytest.approx([0, 1 / 3, 1 / 3, 2 / 3])


def test_calibration_of_known_probabilities():
    probabilities = np.array([0.95, 0.95, 0.25, 0.25, 1.0])
    truths = np.array([True, False, False, False, True])
    bars = metrics.reliability(probabilities, truths)
    assert [bar.sessions for bar in bars] == [0, 0, 2, 0, 0, 0, 0, 0, 0, 3]
    assert bars[9].observed == pytest.approx(2 / 3)
    assert isnan(bars[0].observed)
    expected = 2 / 5 * 0.25 + 3 / 5 * abs((0.95 + 0.95 + 1.0) / 3 - 2 / 3)
    assert metrics.calibration_error(bars) == pytest.approx(expected)
    assert metrics.brier(probabilities, truths) == pytest.approx((0.0025 + 0.9025 + 2 * 0.0625 + 0) / 5)


def test_the_mean_of_nothing_is_no_number():
    assert isnan(metrics.mean(np.zeros(0)))
    assert metrics.mean(np.array([1.0, 2.0])) == 1.5

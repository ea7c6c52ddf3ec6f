"""Figures of a detector that decides while it watches: pure functions of margins, truths and seconds."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from drlactors.learner.traces import Bools, Indices, Margins, stops

Floats = npt.NDArray[np.float64]


class Point(NamedTuple):
    """What one threshold comes to. Seconds are of malicious sessions that were stopped; NaN when none was."""

    tpr: float
    fpr: float
    mean_s: float
    median_s: float
    p95_s: float
    restricted_mean_s: float  # of all malicious sessions, those that were missed counted to their ends


class Bin(NamedTuple):
    """A bar of a reliability diagram."""

    predicted: float  # mean
    observed: float  # share of malicious
    sessions: int


def mean(values: npt.NDArray[Any]) -> float:
    """NaN of nothing."""
    return float(values.mean()) if values.size else np.nan


def threshold_at(wanted: Margins, malicious: Bools, fpr: float) -> float:
    """The least threshold that stops no more than this share of the benign sessions."""
    most = np.sort(wanted[~malicious].max(axis=1))[::-1]
    allowed = int(np.floor(fpr * len(most) + 1e-9))
    return float(most[allowed]) if allowed < len(most) else -np.inf


def chosen_threshold(wanted: Margins, malicious: Bools, fpr: float) -> float:
    """For other sessions than these: halfway from ``threshold_at`` to the least that is stopped above it.

    At its very edge about half of the benign sessions that resemble the last one let go would be stopped.
    """
    least = threshold_at(wanted, malicious, fpr)
    most = wanted.max(axis=1)
    above = most[most > least]
    return (least + float(above.min())) / 2 if above.size and np.isfinite(least) else least


def point(stopped: Indices, seconds: Floats, malicious: Bools) -> Point:
    """``stopped``: (n,) windows, as of ``traces.stops``; ``seconds``: (n, windows)."""
    at_s = seconds[np.arange(len(stopped)), stopped]
    caught = (stopped >= 0) & malicious
    caught_s = at_s[caught]
    until_s = np.where(stopped >= 0, at_s, seconds.max(axis=1))
    return Point(
        tpr=float(caught.sum() / max(malicious.sum(), 1)),
        fpr=float(((stopped >= 0) & ~malicious).sum() / max((~malicious).sum(), 1)),
        mean_s=mean(caught_s),
        median_s=float(np.median(caught_s)) if caught_s.size else np.nan,
        p95_s=float(np.percentile(caught_s, 95)) if caught_s.size else np.nan,
        restricted_mean_s=mean(until_s[malicious]),
    )


def matched(wanted: Margins, seconds: Floats, malicious: Bools, fpr: float) -> Point:
    """At the threshold that reaches the false-positive rate on these very sessions, as in a ROC curve."""
    return point(stops(wanted, threshold_at(wanted, malicious, fpr)), seconds, malicious)


def auc(scores: Floats, malicious: Bools) -> float:
    """The chance that a malicious session has more than a benign one, ties half (Mann and Whitney 1947)."""
    positive, negative = int(malicious.sum()), int((~malicious).sum())
    if not positive or not negative:
        return np.nan
    ranks = rankdata(scores)
    return float((ranks[malicious].sum() - positive * (positive + 1) / 2) / (positive * negative))


def precision(tpr: float, fpr: float, base_rate: float) -> float:
    """The share of malicious ones among what is stopped, where this share of all is malicious (Bayes)."""
    right, wrong = tpr * base_rate, fpr * (1 - base_rate)
    return right / (right + wrong) if right + wrong > 0 else np.nan


def detected_by(stopped: Indices, seconds: Floats, of: Bools, grid_s: Floats) -> Floats:
    """(len(grid_s),): the share of the chosen sessions that were stopped by then."""
    at_s = np.where(stopped >= 0, seconds[np.arange(len(stopped)), stopped], np.inf)[of]
    return (at_s[:, None] <= grid_s + 1e-9).mean(axis=0) if at_s.size else np.zeros(len(grid_s))


def saved(stopped: Indices, seconds: Floats, malicious: Bools, timeout_s: float, base_rate: float) -> float:
    """The share of sandbox time that is saved against running everything for so long, at a base rate.

    Sessions that were not stopped within what is recorded are taken to run to the timeout.
    """
    at_s = seconds[np.arange(len(stopped)), stopped]
    run_s = np.where(stopped >= 0, np.minimum(at_s, timeout_s), timeout_s)
    mean_s = base_rate * mean(run_s[malicious]) + (1 - base_rate) * mean(run_s[~malicious])
    return 1 - mean_s / timeout_s


def brier(probabilities: Floats, malicious: Bools) -> float:
    """The mean squared distance from the truth (Brier 1950)."""
    return mean(np.square(probabilities - malicious))


def reliability(probabilities: Floats, malicious: Bools, bins: int = 10) -> list[Bin]:
    """Bars of equal width; NaN in those that nothing falls into."""
    number = np.minimum((probabilities * bins).astype(np.intp), bins - 1)
    within = [number == n for n in range(bins)]
    return [Bin(mean(probabilities[here]), mean(malicious[here]), int(here.sum())) for here in within]


def calibration_error(bars: list[Bin]) -> float:
    """The expected calibration error (Naeini, Cooper, and Hauskrecht 2015)."""
    filled = [bar for bar in bars if bar.sessions]
    total = sum(bar.sessions for bar in filled)
    return sum(bar.sessions * abs(bar.predicted - bar.observed) for bar in filled) / total if total else np.nan

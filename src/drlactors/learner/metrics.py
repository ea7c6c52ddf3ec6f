"""Figures of a detector that decides while it watches: pure functions of margins, truths and seconds."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata, t

from drlactors.learner.intervals import Interval
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


def threshold_at(wanted: Margins, malicious: Bools, fpr: float) -> float:
    """The least threshold that stops no more than this share of the benign sessions."""
    most = np.sort(wanted[~malicious].max(axis=1))[::-1]
    allowed = int(np.floor(fpr * len(most) + 1e-9))
    return float(most[allowed]) if allowed < len(most) else -np.inf


def point(stopped: Indices, seconds: Floats, malicious: Bools) -> Point:
    """``stopped``: (n,) windows, as of ``traces.stops``; ``seconds``: (n, windows)."""
    at_s = seconds[np.arange(len(stopped)), stopped]
    caught = (stopped >= 0) & malicious
    caught_s = at_s[caught]
    some = bool(caught.any())
    until_s = np.where(stopped >= 0, at_s, seconds.max(axis=1))
    return Point(
        tpr=float(caught.sum() / max(malicious.sum(), 1)),
        fpr=float(((stopped >= 0) & ~malicious).sum() / max((~malicious).sum(), 1)),
        mean_s=float(caught_s.mean()) if some else np.nan,
        median_s=float(np.median(caught_s)) if some else np.nan,
        p95_s=float(np.percentile(caught_s, 95)) if some else np.nan,
        restricted_mean_s=float(until_s[malicious].mean()) if malicious.any() else np.nan,
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
    mean_s = base_rate * run_s[malicious].mean() + (1 - base_rate) * run_s[~malicious].mean()
    return float(1 - mean_s / timeout_s)


def brier(probabilities: Floats, malicious: Bools) -> float:
    """The mean squared distance from the truth (Brier 1950)."""
    return float(np.square(probabilities - malicious).mean())


def reliability(probabilities: Floats, malicious: Bools, bins: int = 10) -> list[Bin]:
    """Bars of equal width; those that nothing falls into are left out."""
    number = np.minimum((probabilities * bins).astype(np.intp), bins - 1)
    return [
        Bin(float(probabilities[here].mean()), float(malicious[here].mean()), int(here.sum()))
        for here in (number == n for n in range(bins))
        if here.any()
    ]


def calibration_error(bars: list[Bin]) -> float:
    """The expected calibration error (Naeini, Cooper, and Hauskrecht 2015)."""
    total = sum(bar.sessions for bar in bars)
    return sum(bar.sessions * abs(bar.predicted - bar.observed) for bar in bars) / total if total else np.nan


def over_seeds(values: Floats, tested_by_learned: float, confidence: float = 0.95) -> Interval:
    """The mean over repeated splits, with the corrected resampled t interval (Nadeau and Bengio 2003, section 3).

    Splits share sessions, so their figures are not independent, and the plain interval is far too narrow: the variance
    is taken (1 / n + tested / learned) times instead of 1 / n. Values that are not numbers are left out.
    """
    known = values[np.isfinite(values)]
    if not known.size:
        return Interval(np.nan, np.nan, np.nan)
    found = float(known.mean())
    if known.size == 1:
        return Interval(found, -np.inf, np.inf)
    spread = np.sqrt(known.var(ddof=1) * (1 / known.size + tested_by_learned))
    half = float(t.ppf((1 + confidence) / 2, known.size - 1) * spread)
    return Interval(found, found - half, found + half)

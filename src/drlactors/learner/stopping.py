"""Optimal stopping with a learned boundary: stop once the log-odds of being malicious rise above a curve in time.

    advantage of stopping = log-odds(state) + slope * log(1 + seconds) - threshold

Where early evidence misleads, the slope comes out positive (the curve falls: wait, then be content with less); where
all is said in the first second it comes out negative (what did not convince then is noise later). Threshold stopping
is the slope 0. The log-odds are of a forest, of boosting, or the mean of both. Which, and the slope and threshold, is
chosen on sessions that neither has seen, at the false-positive rate that is asked for. On both public sets this was
ahead of fitted Q iteration over (log-odds, time), which took its own certainty for knowledge and waited for more.

The values are advantages over going on, A(s, a) = Q(s, a) - Q(s, continue), in log-odds instead of rewards: they rank.
"""

from math import inf, log, log1p, sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from drlactors.domain.action import Action
from drlactors.domain.features import FEATURES, FeatureSchema, Vectors
from drlactors.domain.reward import Weights
from drlactors.learner.metrics import Point, point, threshold_at
from drlactors.learner.traces import Bools, Margins, Traces, stops
from drlactors.learner.trees import Boosting, Floats, Forest, log_odds

#: What is tried: how much of the log-odds is the forest's, and the slopes.
FORESTS = (0.0, 0.5, 1.0)
SLOPES = (-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5)
#: How far quarantine stays behind terminate, and a question that nobody answers behind going on.
BEHIND = 1.0
#: What the feature ``elapsed`` is multiplied by to be log(1 + seconds).
LOG_TIME = log1p(FEATURES["elapsed"].full)


class Boundary(NamedTuple):
    forest: float  # its share of the log-odds, 0 to 1; the rest is boosting's
    slope: float
    threshold: float


class Scored(NamedTuple):
    """The log-odds of the same windows by both; -inf for both where a session cannot be stopped."""

    forest: Floats
    boosting: Floats

    def mixed(self, forest: float) -> Floats:
        if forest in (0.0, 1.0):
            return self.forest if forest else self.boosting
        return forest * self.forest + (1 - forest) * self.boosting


class Evidence(NamedTuple):
    forest: Forest
    boosting: Boosting

    def scored(self, vectors: Vectors) -> Scored:
        return Scored(log_odds(self.forest.probability(vectors)), log_odds(self.boosting.probability(vectors)))

    def margins(self, over: Traces) -> Scored:
        """In the places of the windows, (sessions, windows)."""
        return Scored(*map(over.spread, self.scored(over.vectors())))


class StoppingPolicy:
    """Ranks as any Q-function does: one state vector in, five values out."""

    def __init__(self, evidence: Evidence, schema: FeatureSchema, boundary: Boundary, isolate: float) -> None:
        """``isolate``: the log-odds from which on to isolate what is not stopped.

        Raises ValueError for a schema that does not show the time.
        """
        self.evidence, self.boundary, self.isolate = evidence, boundary, isolate
        self.elapsed = schema.names.index("elapsed")

    def rank(self, vectors: Vectors) -> npt.NDArray[np.float32]:
        score = self.evidence.scored(vectors).mixed(self.boundary.forest)
        time = vectors[:, self.elapsed] * LOG_TIME
        stop = score + self.boundary.slope * time - self.boundary.threshold
        values = np.zeros((len(vectors), len(Action)), dtype=np.float32)
        values[:, Action.ISOLATE] = np.minimum(score - self.isolate, -stop)
        values[:, Action.TERMINATE] = stop
        values[:, Action.QUARANTINE] = stop - BEHIND
        values[:, Action.REVIEW] = -BEHIND
        return values


def fit(
    learned: Traces, validation: Traces, schema: FeatureSchema, weights: Weights, *, fpr: float, seed: int
) -> StoppingPolicy:
    """A policy that stops the share ``fpr`` of the validation's benign sessions."""
    evidence = Evidence(Forest(learned, seed), Boosting(learned, seed))
    boundary = chosen(evidence.margins(validation), validation.seconds, validation.malicious, fpr)
    return StoppingPolicy(evidence, schema, boundary, isolation(learned, weights))


def chosen(scored: Scored, seconds: Floats, malicious: Bools, fpr: float) -> Boundary:
    """The earliest boundary of those that catch, within one standard error, as many as the best one.

    All at this false-positive rate on these sessions, and by Breiman et al. 1984, section 3.4.3: what is less than one
    standard error ahead may be so by chance, and time is certain.
    """
    found: list[tuple[Point, Boundary]] = []
    for forest in FORESTS:
        for slope in SLOPES:
            wanted = advantages(scored.mixed(forest), seconds, slope)
            threshold = threshold_at(wanted, malicious, fpr)
            found.append((point(stops(wanted, threshold), seconds, malicious), Boundary(forest, slope, threshold)))
    most = max(at.tpr for at, _ in found)
    enough = most - sqrt(most * (1 - most) / max(malicious.sum(), 1))
    return min((one for one in found if one[0].tpr >= enough), key=_by_time)[1]


def _by_time(found: tuple[Point, Boundary]) -> tuple[float, float, float]:
    """The earliest first; of these the one that catches most; of these the plainest."""
    at, boundary = found
    return (at.mean_s if at.tpr else inf, -at.tpr, abs(boundary.slope))


def advantages(score: Margins, seconds: Floats, slope: float) -> Margins:
    """Of stopping, but for the threshold."""
    return score + slope * np.log1p(seconds)


def isolation(over: Traces, weights: Weights) -> float:
    """The log-odds at which a step of isolation pays: what it spares in the time left is what it disturbs."""
    left_s = (over.lengths_s[:, None] - over.seconds)[over.there & over.malicious[:, None]].mean()
    spared = weights.isolation_hinders * weights.damage * left_s
    return log(max(weights.disturbance, 1e-9) / max(spared, 1e-9))

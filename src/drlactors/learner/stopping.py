"""Optimal stopping with a learned boundary: stop once the log-odds of being malicious rise above a curve in time.

    advantage of stopping = log-odds(state) + slope * log(1 + seconds) - threshold, until the horizon

A positive slope lets the curve fall: wait, then be content with less. Behind the horizon nothing is stopped, as in a
truncated sequential test (Wald 1945): each further second is one more in which a benign session may be stopped, and
what it would cost is spent on stopping sooner within the horizon. Threshold stopping is the slope 0 without a horizon.
The log-odds are the mean of a forest's and of boosting's. Slope, horizon and threshold are chosen on sessions that
neither has seen, at the false-positive rate that is asked for.

The values are advantages over going on, A(s, a) = Q(s, a) - Q(s, continue), in log-odds instead of rewards: they rank.
"""

from collections.abc import Sequence
from itertools import product, starmap
from math import inf, isfinite, log, log1p, sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from drlactors.domain.action import Action
from drlactors.domain.features import FEATURES, FeatureSchema, Vectors
from drlactors.domain.reward import Weights
from drlactors.learner.looks import FixedTime
from drlactors.learner.metrics import Point, chosen_threshold, matched, point
from drlactors.learner.traces import Bools, Margins, Traces, stops
from drlactors.learner.trees import Boosting, Floats, Forest, log_odds
from drlactors.ports.learning import CannotLearn

#: What is tried: few, because the best of many on few sessions is the luckiest.
SLOPES = (0.0, 1.0)
HORIZONS_S = (1.0, 2.0, 5.0, 10.0, 20.0, inf)
#: What stopping is worth behind the horizon: less than going on, whatever the threshold.
HOPELESS = -1e6
#: Seconds are read from a feature with 24 bits.
NEARLY_S = 0.01
#: How far quarantine stays behind terminate, and a question that nobody answers behind going on.
BEHIND = 1.0
#: What the feature ``elapsed`` is multiplied by to be log(1 + seconds).
LOG_TIME = log1p(FEATURES["elapsed"].full)


class Boundary(NamedTuple):
    slope: float
    horizon_s: float  # from the session's start; inf: none
    threshold: float


class Evidence(NamedTuple):
    forest: Forest
    boosting: Boosting

    @classmethod
    def of(cls, learned: Traces, seed: int) -> "Evidence":
        """Raises CannotLearn where only one class is learned from."""
        return cls(Forest(learned, seed), Boosting(learned, seed))

    def score(self, vectors: Vectors) -> Floats:
        """(windows,): log-odds of being malicious."""
        return (log_odds(self.forest.probability(vectors)) + log_odds(self.boosting.probability(vectors))) / 2

    def margins(self, over: Traces) -> Margins:
        return over.spread(self.score(over.vectors()))


class StoppingPolicy:
    """Ranks as any Q-function does: one state vector in, five values out."""

    def __init__(self, evidence: Evidence, schema: FeatureSchema, boundary: Boundary, isolate: float) -> None:
        """``isolate``: the log-odds from which on to isolate what is not stopped.

        Raises CannotLearn for a schema that does not show the time, and for a threshold that is no number.
        """
        if "elapsed" not in schema.names:
            raise CannotLearn("a boundary in time needs the feature elapsed")
        if not isfinite(boundary.threshold):
            raise CannotLearn("no session to choose by could be stopped: they are too short, or the rules forbid it")
        self.evidence, self.boundary, self.isolate = evidence, boundary, isolate
        self.elapsed = schema.names.index("elapsed")

    def rank(self, vectors: Vectors) -> npt.NDArray[np.float32]:
        score = self.evidence.score(vectors)
        log_time = vectors[:, self.elapsed].astype(np.float64) * LOG_TIME
        stop = advantages(score, log_time, self.boundary) - self.boundary.threshold
        values = np.zeros((len(vectors), len(Action)), dtype=np.float32)
        values[:, Action.ISOLATE] = np.minimum(score - self.isolate, -stop)
        values[:, Action.TERMINATE] = stop
        values[:, Action.QUARANTINE] = stop - BEHIND
        values[:, Action.REVIEW] = -BEHIND
        return values

    def chosen(self) -> dict[str, float | str]:
        """What data chose beside the trees, by name."""
        slope, horizon_s, threshold = self.boundary
        horizon: float | str = horizon_s if isfinite(horizon_s) else "none"
        return {"slope": slope, "horizon_s": horizon, "threshold": threshold, "isolate_from": self.isolate}


class Unseen(NamedTuple):
    """n sessions that trees have not seen, and what these make of them."""

    score: Margins  # log-odds of being malicious
    looks: tuple[Margins, ...]  # by classifiers that look once, as many as FIXED_S
    seconds: Floats  # (n, windows)
    malicious: Bools  # (n,)

    @classmethod
    def of(cls, evidence: Evidence, looks: Sequence[FixedTime], over: Traces) -> "Unseen":
        margins = tuple(look.margins(over) for look in looks)
        return cls(evidence.margins(over), margins, over.seconds, over.malicious)

    @classmethod
    def together(cls, parts: Sequence["Unseen"]) -> "Unseen":
        """As many windows wide as each of them is."""
        looks = tuple(np.concatenate(of) for of in zip(*(part.looks for part in parts), strict=True))
        score, _, seconds, malicious = zip(*parts, strict=True)
        return cls(np.concatenate(score), looks, np.concatenate(seconds), np.concatenate(malicious))

    def boundary(self, fpr: float) -> Boundary:
        """At this false-positive rate here; enough is caught by it if the best single look catches no more."""
        looks = [matched(look, self.seconds, self.malicious, fpr).tpr for look in self.looks]
        return chosen(self.score, self.seconds, self.malicious, fpr, enough=max(looks))


def chosen(score: Margins, seconds: Floats, malicious: Bools, fpr: float, *, enough: float) -> Boundary:
    """The earliest boundary that catches ``enough`` of the malicious sessions and, within one standard error, as many
    as the one that catches most.

    All at this false-positive rate on these sessions. What is less than one standard error behind may be so by chance
    (Breiman et al. 1984, section 3.4.3), and time is certain.
    """
    found: list[tuple[Point, Boundary]] = []
    log_time = np.log1p(seconds)
    for shape in starmap(Boundary, product(SLOPES, HORIZONS_S, (0.0,))):
        wanted = advantages(score, log_time, shape)
        threshold = chosen_threshold(wanted, malicious, fpr)
        found.append((point(stops(wanted, threshold), seconds, malicious), shape._replace(threshold=threshold)))
    most = max(at.tpr for at, _ in found)
    nearly = most - sqrt(most * (1 - most) / max(malicious.sum(), 1))
    least = min(most, max(enough, nearly))
    return min((one for one in found if one[0].tpr >= least), key=_by_time)[1]


def _by_time(found: tuple[Point, Boundary]) -> tuple[float, float, float]:
    """The earliest first; of these the one that catches most; of these the plainest."""
    at, boundary = found
    return (at.mean_s if at.tpr else inf, -at.tpr, abs(boundary.slope))


def advantages(score: Margins, log_time: Floats, boundary: Boundary) -> Margins:
    """Of stopping at log(1 + seconds), but for the threshold; hopeless behind the horizon."""
    within = log_time <= log_horizon(boundary)
    return np.where(within, score + boundary.slope * log_time, np.minimum(score, HOPELESS))


def log_horizon(boundary: Boundary) -> float:
    return log1p(boundary.horizon_s + NEARLY_S)


def isolation(over: Traces, weights: Weights) -> float:
    """The log-odds at which a step of isolation pays: what it spares in the time left is what it disturbs."""
    left_s = (over.lengths_s[:, None] - over.seconds)[over.there & over.malicious[:, None]].mean()
    spared = weights.isolation_hinders * weights.damage * left_s
    return log(max(weights.disturbance, 1e-9) / max(spared, 1e-9))

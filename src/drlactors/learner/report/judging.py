"""What the methods make of sessions that they have not seen, and the thresholds that validation chooses for them."""

from math import inf
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from drlactors.learner import stopping
from drlactors.learner.looks import FIXED_S
from drlactors.learner.metrics import Floats, chosen_threshold
from drlactors.learner.report import protocol
from drlactors.learner.report.protocol import OURS, THRESHOLD, Data, Fitted, Rotation, Study, among, name_of
from drlactors.learner.stopping import Boundary, Unseen
from drlactors.learner.traces import Bools, Margins, Traces, margins

#: The false-positive rates that thresholds are chosen for, and the one of figures that are shown for one alone.
FPRS = (0.01, 0.05, 0.10)
HEADLINE = 0.05


class Judged(NamedTuple):
    """Sessions, and the margins of all methods in them."""

    scores: dict[str, Margins]
    seconds: Floats
    malicious: Bools
    artifacts: npt.NDArray[np.str_]

    def select(self, sessions: Bools) -> "Judged":
        scores = {name: margins[sessions] for name, margins in self.scores.items()}
        return Judged(scores, self.seconds[sessions], self.malicious[sessions], self.artifacts[sessions])


class Rotated(NamedTuple):
    rotation: Rotation
    fitted: Fitted
    tested: Judged
    boundaries: dict[float, dict[str, Boundary]]  # by false-positive rate and method


def rotate(study: Study, data: Data, seed: int) -> list[Rotated]:
    """All rotations of one seed."""
    fits = [
        (rotation, protocol.fit(study, data, rotation, seed))
        for rotation in protocol.rotations(study, data.corpus.samples, seed)
    ]
    validation = pooled(
        [judged(fitted, data.over.select(among(data.over, rotation.validation)), study) for rotation, fitted in fits]
    )
    found = []
    for rotation, fitted in fits:
        by = validation.select(~np.isin(validation.artifacts, sorted(rotation.tested)))
        boundaries = {fpr: {name: choose(name, by, fpr) for name in by.scores} for fpr in FPRS}
        tested = judged(fitted, data.over.select(among(data.over, rotation.tested)), study)
        found.append(Rotated(rotation, fitted, tested, boundaries))
    return found


def judged(fitted: Fitted, over: Traces, study: Study) -> Judged:
    scores = {OURS: fitted.evidence.margins(over), THRESHOLD: fitted.running.margins(over)}
    scores |= {name_of(at_s): classifier.margins(over) for at_s, classifier in fitted.fixed.items()}
    scores |= {name: margins(rank, over, study.task.rules.reviews) for name, rank in fitted.ranks.items()}
    return Judged(scores, over.seconds, over.malicious, over.artifacts)


def pooled(parts: list[Judged]) -> Judged:
    return Judged(
        {name: np.concatenate([part.scores[name] for part in parts]) for name in parts[0].scores},
        np.concatenate([part.seconds for part in parts]),
        np.concatenate([part.malicious for part in parts]),
        np.concatenate([part.artifacts for part in parts]),
    )


def choose(name: str, by: Judged, fpr: float) -> Boundary:
    """For all methods but ours a threshold is all there is to choose."""
    if name == OURS:
        looks = tuple(by.scores[name_of(at_s)] for at_s in FIXED_S)
        return Unseen(by.scores[OURS], looks, by.seconds, by.malicious).boundary(fpr)
    return Boundary(0.0, inf, chosen_threshold(by.scores[name], by.malicious, fpr))


def applied(name: str, boundary: Boundary, to: Judged) -> Margins:
    """By how much each window is above the boundary."""
    wanted = stopping.advantages(to.scores[name], np.log1p(to.seconds), boundary)
    above = np.full(wanted.shape, -np.inf)
    np.subtract(wanted, boundary.threshold, out=above, where=np.isfinite(wanted))
    return above


def over_all(rotated: list[Rotated], name: str, fpr: float) -> Margins:
    """Of the tested sessions of all rotations, each by its rotation's boundary."""
    return np.concatenate([applied(name, one.boundaries[fpr][name], one.tested) for one in rotated])

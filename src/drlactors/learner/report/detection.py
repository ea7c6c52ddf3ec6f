"""What thresholds come to in sessions that were tested on: how many are caught, how soon, and at what price."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from drlactors.learner.looks import FIXED_S
from drlactors.learner.metrics import Floats, Point, auc, detected_by, matched, point, precision, saved
from drlactors.learner.report.judging import FPRS, HEADLINE, Rotated, over_all, pooled
from drlactors.learner.report.protocol import OURS, THRESHOLD, name_of
from drlactors.learner.traces import Bools, Indices, Margins, stops

#: By name, nested by what they are of: numbers, and lists of numbers.
Figures = dict[str, Any]

BASE_RATES = (0.5, 0.1, 0.01)
TIMEOUTS_S = (60.0, 120.0, 200.0)
#: Points of curves over seconds.
TIMES = 41
#: What ours is compared with.
RIVALS = (*map(name_of, FIXED_S), THRESHOLD)


class Detection(NamedTuple):
    """Sessions, each by how much every method was above its boundary in every window."""

    wanted: dict[float, dict[str, Margins]]  # by the false-positive rate that validation chose for, and method
    seconds: Floats  # (sessions, windows)
    malicious: Bools
    artifacts: npt.NDArray[np.str_]
    until_s: float  # the end of the longest session, whichever are selected

    @classmethod
    def of(cls, rotated: list[Rotated]) -> "Detection":
        tested = pooled([one.tested for one in rotated])
        wanted = {fpr: {name: over_all(rotated, name, fpr) for name in tested.scores} for fpr in FPRS}
        return cls(wanted, tested.seconds, tested.malicious, tested.artifacts, float(np.ceil(tested.seconds.max())))

    def select(self, sessions: Indices) -> "Detection":
        wanted = {fpr: {name: margins[sessions] for name, margins in of.items()} for fpr, of in self.wanted.items()}
        return self._replace(
            wanted=wanted,
            seconds=self.seconds[sessions],
            malicious=self.malicious[sessions],
            artifacts=self.artifacts[sessions],
        )

    def figures(self) -> Figures:
        found: Figures = {
            name: {"auc": auc(margins.max(axis=1), self.malicious)} for name, margins in self.wanted[HEADLINE].items()
        }
        beside: Figures = {}
        for fpr, of in self.wanted.items():
            at = {name: matched(margins, self.seconds, self.malicious, fpr) for name, margins in of.items()}
            for name in of:
                found[name][key(fpr)] = {"matched": at[name]._asdict()}
            beside[key(fpr)] = {name: _beside(at[OURS], at[name]) for name in RIVALS}
        for name, margins in self.wanted[HEADLINE].items():
            found[name][key(HEADLINE)] |= self._chosen(margins)
        curves = {name: self._curve(margins) for name, margins in self.wanted[HEADLINE].items()}
        return {"methods": found, "beside": beside, "curves": curves}

    def _chosen(self, wanted: Margins) -> Figures:
        """At the boundary that validation chose."""
        stopped = stops(wanted, 0.0)
        at = point(stopped, self.seconds, self.malicious)
        return {
            "chosen": at._asdict(),
            "precision": {key(rate): precision(at.tpr, at.fpr, rate) for rate in BASE_RATES},
            "saved": {
                key(timeout): {
                    key(rate): saved(stopped, self.seconds, self.malicious, timeout, rate) for rate in BASE_RATES
                }
                for timeout in TIMEOUTS_S
            },
            "confusion": {
                truth: {"stopped": int(((stopped >= 0) & of).sum()), "released": int(((stopped < 0) & of).sum())}
                for truth, of in (("malicious", self.malicious), ("benign", ~self.malicious))
            },
        }

    def _curve(self, wanted: Margins) -> Figures:
        stopped, grid_s = stops(wanted, 0.0), np.linspace(0, self.until_s, TIMES)
        return {
            "seconds": grid_s.tolist(),
            "tpr": detected_by(stopped, self.seconds, self.malicious, grid_s).tolist(),
            "fpr": detected_by(stopped, self.seconds, ~self.malicious, grid_s).tolist(),
        }


def key(number: float) -> str:
    """Of JSON objects."""
    return f"{number:g}"


def _beside(ours: Point, other: Point) -> Figures:
    """At the same false-positive rate, on the same sessions."""
    return {"time_ratio": ours.mean_s / other.mean_s, "tpr_more": ours.tpr - other.tpr}

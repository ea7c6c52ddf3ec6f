"""Figures of all seeds put together: means with intervals, and what was to be reached."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from drlactors.learner.baselines import FIXED_S
from drlactors.learner.intervals import Interval
from drlactors.learner.metrics import over_seeds
from drlactors.learner.report.judging import FPRS
from drlactors.learner.report.protocol import OURS, PARTS, THRESHOLD, name_of
from drlactors.learner.report.seed import Figures, key

#: What was to be reached beside the best fixed-time classifier: this part of its time, and at the most so much less
#: of the malicious sessions, with the interval as a whole.
LATEST = 0.7
NOT_LOWER = -0.05
#: Sessions that are tested on, by those that are learned from: what splits share makes intervals wider.
OVERLAP = 1 / (PARTS - 2)


def summarised(seeds: Sequence[Figures]) -> Figures:
    """The same figures, each number as {mean, low, high}; and for each false-positive rate the comparison."""
    apart = ("calibration", "boundaries")
    found: Figures = _merged([{name: one[name] for name in one if name not in apart} for one in seeds])
    found["boundaries"] = [one["boundaries"] for one in seeds]
    found["calibration"] = _calibration([one["calibration"] for one in seeds])
    found["reached"] = {key(fpr): _reached(seeds, key(fpr)) for fpr in FPRS}
    return found


def _merged(values: Sequence[Any]) -> Any:
    """Numbers in the same place of all seeds as one interval; lists of numbers place by place, as their means."""
    first = values[0]
    if isinstance(first, dict):
        return {name: _merged([one[name] for one in values]) for name in first}
    if isinstance(first, list):
        longest = max(np.shape(one)[0] for one in values)
        padded = [_padded(np.array(one, dtype=np.float64), longest) for one in values]
        return np.mean(padded, axis=0).round(4).tolist()
    return plain(over_seeds(np.array(values, dtype=np.float64), OVERLAP))


def _padded(values: np.ndarray, length: int) -> np.ndarray:
    """With its last row repeated: a session that is over stays over."""
    return np.concatenate([values, np.repeat(values[-1:], length - len(values), axis=0)])


def plain(interval: Interval) -> dict[str, float | None]:
    """JSON knows no NaN and no infinity."""
    names = ("mean", "low", "high")
    return {name: round(value, 5) if np.isfinite(value) else None for name, value in zip(names, interval, strict=True)}


def _calibration(seeds: Sequence[Figures]) -> Figures:
    """Means over seeds; the bars of all seeds together, by tenths."""
    found: Figures = {}
    for name, times in seeds[0].items():
        for at_s, first in times.items():
            every = [one[name][at_s] for one in seeds]
            figures: Figures = {
                figure: plain(over_seeds(np.array([one[figure] for one in every]), OVERLAP))
                for figure in first
                if figure != "bars"
            }
            tenths: dict[int, list[list[float]]] = {}
            for bar in (bar for one in every for bar in one["bars"]):
                tenths.setdefault(min(int(bar[0] * 10), 9), []).append(bar)
            figures["bars"] = [
                [
                    *(round(float(v), 4) for v in np.average(np.array(of)[:, :2], axis=0, weights=np.array(of)[:, 2])),
                    int(sum(bar[2] for bar in of)),
                ]
                for _, of in sorted(tenths.items())
            ]
            found.setdefault(name, {})[at_s] = figures
    return found


def _reached(seeds: Sequence[Figures], fpr: str) -> Figures:
    """Ours beside fixed-time classifiers and threshold stopping, at the same rate on the same sessions."""
    fixed = [name_of(at_s) for at_s in FIXED_S]

    def of(name: str, figure: str) -> np.ndarray:
        return np.array([one["methods"][name][fpr]["matched"][figure] for one in seeds], dtype=np.float64)

    best = max(fixed, key=lambda name: float(of(name, "tpr").mean()))
    found: Figures = {"best_fixed": best, "beside": {}}
    for name in (*fixed, THRESHOLD):
        ratio = over_seeds(of(OURS, "mean_s") / of(name, "mean_s"), OVERLAP)
        more = over_seeds(of(OURS, "tpr") - of(name, "tpr"), OVERLAP)
        found["beside"][name] = {
            "time_ratio": plain(ratio),
            "tpr_more": plain(more),
            "earlier": bool(ratio.high <= LATEST),
            "not_lower": bool(more.value >= 0 and more.low >= NOT_LOWER),
        }
    found["reached"] = _both(found["beside"][best])
    found["not_worse_than_threshold_stopping"] = bool(
        found["beside"][THRESHOLD]["not_lower"] and (found["beside"][THRESHOLD]["time_ratio"]["mean"] or np.inf) <= 1.0
    )
    return found


def _both(compared: Mapping[str, Any]) -> bool:
    return bool(compared["earlier"] and compared["not_lower"])

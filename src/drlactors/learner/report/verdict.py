"""What was to be reached, and whether it was: earlier than the best single look, and no worse than threshold stopping.

Both at the same false-positive rate on the same sessions.
"""

from typing import Any

from drlactors.learner.looks import FIXED_S
from drlactors.learner.report.detection import Figures, key
from drlactors.learner.report.judging import FPRS
from drlactors.learner.report.protocol import THRESHOLD, name_of

#: To reach beside the best fixed-time classifier: this part of its mean time.
LATEST = 0.7
#: To reach beside threshold stopping: no later than this part of its mean time.
NO_LATER = 1.0
#: How far the interval of what more (or less) is caught may reach below 0 when the value does not: of 20 one.
MARGIN = -0.05


def verdicts(together: Figures) -> Figures:
    """By false-positive rate. The best classifier is the one that catches most, by the test; of equals the earliest."""
    detection = together["detection"]
    found: Figures = {}
    for fpr in map(key, FPRS):
        fixed = [name_of(at_s) for at_s in FIXED_S]
        best = max(fixed, key=lambda name: detection["methods"][name][fpr]["matched"]["tpr"]["mean"] or 0.0)
        beside = detection["beside"][fpr]
        found[fpr] = {
            "best": best,
            "beside_best": _reached(beside[best], LATEST),
            "beside_threshold_stopping": _reached(beside[THRESHOLD], NO_LATER),
        }
    return found


def _reached(beside: Figures, latest: float) -> dict[str, Any]:
    """``value``: by the figures themselves; ``interval``: by the worse ends of their intervals."""
    ratio, more = beside["time_ratio"], beside["tpr_more"]
    return beside | {
        "latest": latest,
        "value": _at_most(ratio["mean"], latest) and more["mean"] >= 0,
        "interval": _at_most(ratio["high"], latest) and more["mean"] >= 0 and more["low"] >= MARGIN,
    }


def _at_most(value: float | None, most: float) -> bool:
    return value is not None and value <= most

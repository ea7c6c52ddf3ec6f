"""Whether what a score holds for the probability of malice is one."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from drlactors.learner.looks import FIXED_S
from drlactors.learner.metrics import Floats, auc, brier, calibration_error, reliability
from drlactors.learner.report.detection import key
from drlactors.learner.report.judging import Rotated
from drlactors.learner.report.protocol import Data, among
from drlactors.learner.traces import Bools, Indices

FOREST, BOOSTING, FIXED = "forest", "boosting", "fixed time"


class Calibration(NamedTuple):
    """The tested sessions, each with what every score said of it after some seconds."""

    probabilities: dict[str, dict[int, Floats]]  # by the score's name, and seconds
    malicious: Bools
    artifacts: npt.NDArray[np.str_]

    @classmethod
    def of(cls, data: Data, rotated: list[Rotated]) -> "Calibration":
        overs = [data.over.select(among(data.over, one.rotation.tested)) for one in rotated]
        said: dict[str, dict[int, list[Floats]]] = {name: {} for name in (FOREST, BOOSTING, FIXED)}
        for one, over in zip(rotated, overs, strict=True):
            for at_s, fixed in one.fitted.fixed.items():
                vectors = fixed.vectors(over)
                for name, probability in (
                    (FOREST, one.fitted.evidence.forest.probability(vectors)),
                    (BOOSTING, one.fitted.evidence.boosting.probability(vectors)),
                    (FIXED, fixed.probability(over)),
                ):
                    said[name].setdefault(at_s, []).append(probability)
        return cls(
            {name: {at_s: np.concatenate(parts) for at_s, parts in of.items()} for name, of in said.items()},
            np.concatenate([over.malicious for over in overs]),
            np.concatenate([over.artifacts for over in overs]),
        )

    def select(self, sessions: Indices) -> "Calibration":
        chosen = {name: {at_s: said[sessions] for at_s, said in of.items()} for name, of in self.probabilities.items()}
        return Calibration(chosen, self.malicious[sessions], self.artifacts[sessions])

    def figures(self) -> dict[str, Any]:
        return {
            name: {key(at_s): _figures(of[at_s], self.malicious) for at_s in FIXED_S}
            for name, of in self.probabilities.items()
        }


def _figures(probabilities: Floats, malicious: Bools) -> dict[str, Any]:
    bars = reliability(probabilities, malicious)
    return {
        "auc": auc(probabilities, malicious),
        "brier": brier(probabilities, malicious),
        "error": calibration_error(bars),
        "observed": [bar.observed for bar in bars],
    }

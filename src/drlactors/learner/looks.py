"""Classifiers that look once: what an expert would try first, and a measure of how much there is to be seen when."""

import numpy as np
import numpy.typing as npt

from drlactors.domain.features import Vectors
from drlactors.learner.traces import Margins, Traces
from drlactors.learner.trees import Floats, boosted, log_odds

#: When they look.
FIXED_S = (1, 2, 5, 10, 20, 30)
#: Sessions in a leaf: each learns from one window of a session.
_FEW_LEAF = 10


class FixedTime:
    """Gradient boosting (Friedman 2001) on what is known after some seconds: one look, then or at an earlier end."""

    def __init__(self, learned: Traces, at_s: float, seed: int) -> None:
        self.at_s = at_s
        self._classifier = boosted(self.vectors(learned), learned.malicious, least_leaf=_FEW_LEAF, seed=seed)

    def probability(self, over: Traces) -> Floats:
        """(sessions,): of being malicious."""
        found: Floats = self._classifier.predict_proba(self.vectors(over))[:, 1]
        return found

    def vectors(self, over: Traces) -> Vectors:
        """(sessions, features): what it looks at."""
        return over.table.vectors[over.rows[np.arange(len(over.rows)), self._looks(over)]]

    def margins(self, over: Traces) -> Margins:
        looks = np.arange(over.rows.shape[1]) == self._looks(over)[:, None]
        return np.where(
            looks, over.spread(np.repeat(log_odds(self.probability(over)), over.there.sum(axis=1))), -np.inf
        )

    def _looks(self, over: Traces) -> npt.NDArray[np.intp]:
        """(sessions,): the last window that ends by then, or the first."""
        within = over.there & (over.seconds <= self.at_s + 1e-9)
        looks: npt.NDArray[np.intp] = np.maximum(within.sum(axis=1) - 1, 0)
        return looks

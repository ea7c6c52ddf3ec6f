"""How likely a session is malicious, given the state vector of one window: two ensembles of trees, learned from all.

They make opposite mistakes. The forest grows deep, remembers small groups of artifacts that behave alike, and is the
better one where there are many sessions with little in common; boosting keeps to what is common to all.
"""

from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import sklearn
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn brings it, without types

from drlactors.domain.features import Vectors
from drlactors.learner.traces import Traces
from drlactors.ports.learning import CannotLearn

Floats = npt.NDArray[np.float64]
Truths = npt.NDArray[np.bool_]

#: No state is more certain than this: shares of pure leaves are 0 and 1.
MOST_CERTAIN = 0.998
FOREST_TREES = 60
FOREST_LEAF = 2  # windows, at the least
FOREST_TRIES = 0.35  # of all features, in each split
FOREST_HASTE = 2.0  # a window after t seconds counts (1 + t) to minus this
BOOSTING_LEAF = 60  # windows, at the least


class Score(Protocol):
    def probability(self, vectors: Vectors) -> Floats:
        """(windows,): of being malicious."""
        ...


class Forest:
    """Extremely randomised trees (Geurts, Ernst, and Wehenkel 2006).

    A window counts the less, the later it comes, by the square of its time: what has to be told apart early is rare
    among all windows.
    """

    def __init__(self, learned: Traces, seed: int) -> None:
        """Raises CannotLearn where only one class is learned from."""
        self.trees = ExtraTreesClassifier(
            FOREST_TREES, min_samples_leaf=FOREST_LEAF, max_features=FOREST_TRIES, random_state=seed
        ).fit(learned.vectors(), _truths(learned), sample_weight=(1 + learned.seconds[learned.there]) ** -FOREST_HASTE)

    def probability(self, vectors: Vectors) -> Floats:
        """(windows,): of being malicious."""
        return _second(self.trees.predict_proba(vectors)) if len(vectors) else np.zeros(0)


class Boosting:
    """Gradient boosting (Friedman 2001); each session counts as much as any other, however long it is."""

    def __init__(self, learned: Traces, seed: int) -> None:
        """Raises CannotLearn where only one class is learned from."""
        windows = learned.there.sum(axis=1)
        # Weights make learning twelve times slower: none where all would be 1.
        weights = np.repeat(windows.mean() / windows, windows) if np.ptp(windows) else None
        self.trees = boosted(learned.vectors(), _truths(learned), weights, least_leaf=BOOSTING_LEAF, seed=seed)

    def probability(self, vectors: Vectors) -> Floats:
        """(windows,): of being malicious."""
        return _second(self.trees.predict_proba(vectors)) if len(vectors) else np.zeros(0)


def boosted(
    vectors: Vectors, truths: Truths, weights: Floats | None = None, *, least_leaf: int, seed: int
) -> HistGradientBoostingClassifier:
    """Learned on one thread: with trees this small, more of them wait for each other most of the time."""
    trees = HistGradientBoostingClassifier(
        max_iter=80,
        learning_rate=0.08,
        max_leaf_nodes=12,
        min_samples_leaf=least_leaf,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=seed,
    )
    with alone():
        return trees.fit(vectors, truths, sample_weight=weights)


def alone() -> AbstractContextManager[Any]:
    """What scikit-learn does within is done on one thread. It costs 2 ms."""
    limits: AbstractContextManager[Any] = threadpool_limits(1)
    return limits


def fingerprint() -> str:
    """The same text, data and seed grow the same trees."""
    return f"scikit-learn {sklearn.__version__}, numpy {np.__version__}, cpu, 1 thread"


def log_odds(probability: Floats) -> Floats:
    kept = probability.clip(1 - MOST_CERTAIN, MOST_CERTAIN)
    found: Floats = np.log(kept / (1 - kept))
    return found


def _truths(learned: Traces) -> Truths:
    """Of every window."""
    truths = np.repeat(learned.malicious, learned.there.sum(axis=1))
    if truths.all() or not truths.any():
        raise CannotLearn("both classes are needed to tell them apart")
    return truths


def _second(probabilities: Floats) -> Floats:
    return np.asarray(probabilities[:, 1], dtype=np.float64)

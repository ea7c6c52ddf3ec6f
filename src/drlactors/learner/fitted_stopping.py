"""Optimal stopping, learned: trees from three quarters of the artifacts, and the boundary by what no tree has seen.

Four times trees learn from three quarters of the artifacts and judge the last one: every session is judged by trees
that do not know its artifact, and the boundary rests on all of them. By one quarter of the shipped recordings alone it
let through three times the false positives that it was chosen for. The first trees serve: theirs are the margins that
it was chosen by.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import sklearn

from drlactors.learner import corpus, trees
from drlactors.learner.looks import FIXED_S, FixedTime
from drlactors.learner.metrics import Floats
from drlactors.learner.stopping import Evidence, StoppingPolicy, Unseen, isolation
from drlactors.learner.traces import Bools, Traces
from drlactors.learner.transitions import Sample, Task

PARTS = 4


class Stopping(NamedTuple):
    """How it learns. All randomness comes from the seed."""

    fpr: float = 0.05  # that the boundary is chosen for

    @property
    def length(self) -> int:
        return PARTS

    def hyperparameters(self) -> dict[str, Any]:
        return {
            "algorithm": "optimal stopping",
            "scikit-learn": sklearn.__version__,
            "parts": PARTS,
            "boundary_false_positive_rate": self.fpr,
            "forest_trees": trees.FOREST_TREES,
            "forest_leaf": trees.FOREST_LEAF,
            "forest_tries": trees.FOREST_TRIES,
            "boosting_leaf": trees.BOOSTING_LEAF,
        }

    def fit(self, learned: Traces, task: Task, seed: int) -> Iterator[tuple[StoppingPolicy, float]]:
        """With each part that was judged the policy by all that were, and the mean cross-entropy of their windows.

        Raises CannotLearn where a class has one artifact, and as ``StoppingPolicy`` does.
        """
        isolate = isolation(learned, task.weights)
        serving: Evidence | None = None
        judged: list[Unseen] = []
        losses: list[Floats] = []
        for seen, unseen in _parts(learned, seed):
            with trees.alone():
                evidence = Evidence.of(seen, seed)
                looks = [FixedTime(seen, at_s, seed) for at_s in FIXED_S]
                judged.append(Unseen.of(evidence, looks, unseen))
                losses.append(_cross_entropy(evidence, unseen))
                serving = serving or evidence
                boundary = Unseen.together(judged).boundary(self.fpr)
                policy = StoppingPolicy(serving, task.schema, boundary, isolate)
            yield policy, float(np.concatenate(losses).mean())


def _parts(learned: Traces, seed: int) -> Iterator[tuple[Traces, Traces]]:
    """To learn from and to judge, split by artifact; of few artifacts some parts have none."""
    names = learned.artifacts.tolist()
    known = [Sample((), truth, name) for name, truth in zip(names, learned.malicious.tolist(), strict=True)]
    for _, tested in corpus.folds(known, PARTS, seed):
        here: Bools = np.isin(learned.artifacts, [sample.artifact for sample in tested])
        if here.any():
            yield learned.select(~here), learned.select(here)


def _cross_entropy(evidence: Evidence, over: Traces) -> Floats:
    """Of every window."""
    sides = np.where(np.repeat(over.malicious, over.there.sum(axis=1)), 1.0, -1.0)
    found: Floats = np.logaddexp(0, -sides * evidence.score(over.vectors()))
    return found

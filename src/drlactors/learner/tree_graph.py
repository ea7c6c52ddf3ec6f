"""Ensembles of trees as nodes of an ONNX graph, in double precision: each state takes the branches it takes here.

scikit-learn compares float32 features with float64 thresholds. The graph does the same, so no threshold is rounded.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from onnx import NodeProto, helper, numpy_helper

from drlactors.learner.trees import Boosting, Forest

DOMAIN, OPSET = "ai.onnx.ml", 5
#: Of the operator's attributes.
_AVERAGE, _SUM, _LESS_OR_EQUAL = 0, 1, 0

Ints = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]


class Tree(NamedTuple):
    """Its nodes, the root first: left where the feature is at most the threshold."""

    left: Ints  # -1: a leaf
    right: Ints
    feature: Ints
    threshold: Doubles
    value: Doubles  # of a leaf


def forest(made: Forest) -> list[Tree]:
    """The leaves are shares of malicious windows."""
    fitted = (one.tree_ for one in made.trees.estimators_)
    return [
        Tree(one.children_left, one.children_right, one.feature, one.threshold, one.value[:, 0, 1]) for one in fitted
    ]


def boosting(made: Boosting) -> tuple[list[Tree], float]:
    """The leaves are parts of the log-odds; the rest of which is the same for all.

    Which nodes there are scikit-learn tells by underscored names only.
    """
    nodes = [predictor.nodes for (predictor,) in made.trees._predictors]
    trees = [
        Tree(
            np.where(one["is_leaf"], -1, one["left"].astype(np.int64)),
            one["right"].astype(np.int64),
            one["feature_idx"].astype(np.int64),
            one["num_threshold"],
            one["value"],
        )
        for one in nodes
    ]
    return trees, float(made.trees._baseline_prediction.item())


def mean(trees: Sequence[Tree], source: str, result: str) -> NodeProto:
    """(rows, 1) doubles: the mean of the leaves that a row of doubles falls into."""
    return _ensemble(trees, source, result, _AVERAGE)


def total(trees: Sequence[Tree], source: str, result: str) -> NodeProto:
    """(rows, 1) doubles: the sum of the leaves that a row of doubles falls into."""
    return _ensemble(trees, source, result, _SUM)


def _ensemble(trees: Sequence[Tree], source: str, result: str, together: int) -> NodeProto:
    """Inner nodes and leaves of all trees are counted on, each for themselves."""
    grown = [_split(tree) for tree in trees]
    leaf = [tree.left < 0 for tree in grown]
    inner = [np.flatnonzero(~here) for here in leaf]
    first_inner = np.cumsum([0, *map(len, inner)])
    first_leaf = np.cumsum([0, *(int(here.sum()) for here in leaf)])
    number = [
        np.where(here, first_leaf[n] + np.cumsum(here) - 1, first_inner[n] + np.cumsum(~here) - 1)
        for n, here in enumerate(leaf)
    ]
    left = [tree.left[nodes] for tree, nodes in zip(grown, inner, strict=True)]
    right = [tree.right[nodes] for tree, nodes in zip(grown, inner, strict=True)]
    thresholds = np.concatenate([tree.threshold[nodes] for tree, nodes in zip(grown, inner, strict=True)])
    weights = np.concatenate([tree.value[here] for tree, here in zip(grown, leaf, strict=True)])
    return helper.make_node(
        "TreeEnsemble",
        [source],
        [result],
        domain=DOMAIN,
        n_targets=1,
        aggregate_function=together,
        post_transform=0,
        tree_roots=first_inner[:-1].tolist(),
        nodes_splits=numpy_helper.from_array(thresholds, "thresholds"),
        nodes_modes=numpy_helper.from_array(np.full(len(thresholds), _LESS_OR_EQUAL, dtype=np.uint8), "modes"),
        nodes_featureids=_all(tree.feature[nodes] for tree, nodes in zip(grown, inner, strict=True)),
        nodes_truenodeids=_all(of[to] for of, to in zip(number, left, strict=True)),
        nodes_falsenodeids=_all(of[to] for of, to in zip(number, right, strict=True)),
        nodes_trueleafs=_all(of[to] for of, to in zip(leaf, left, strict=True)),
        nodes_falseleafs=_all(of[to] for of, to in zip(leaf, right, strict=True)),
        leaf_weights=numpy_helper.from_array(weights, "weights"),
        leaf_targetids=[0] * len(weights),
    )


def _split(tree: Tree) -> Tree:
    """A root that is a leaf becomes one with two such leaves: the operator knows no tree without a split.

    With one leaf on both sides ``onnx.reference`` (1.23) takes another tree's for it.
    """
    if tree.left[0] >= 0:
        return tree
    left, right, nowhere = np.array([1, -1, -1]), np.array([2, -1, -1]), np.zeros(3, dtype=np.int64)
    return Tree(left, right, nowhere, np.zeros(3), np.repeat(tree.value[:1], 3))


def _all(parts: Iterable[npt.NDArray[Any]]) -> list[int]:
    return [int(value) for part in parts for value in part.tolist()]

"""A stopping policy as an ONNX graph: what ``StoppingPolicy.rank`` does, step by step, in the same double precision."""

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

from drlactors.domain.action import Action
from drlactors.learner import tree_graph
from drlactors.learner.stopping import BEHIND, HOPELESS, LOG_TIME, StoppingPolicy, log_horizon
from drlactors.learner.trees import MOST_CERTAIN


def graph(policy: StoppingPolicy) -> GraphProto:
    """From ``state`` to ``values``, (windows, 1) in between."""
    boosting, prior = tree_graph.boosting(policy.evidence.boosting)
    certain = float(np.log(MOST_CERTAIN / (1 - MOST_CERTAIN)))
    constants = {
        "one": 1.0,
        "half": 0.5,
        "least_share": 1 - MOST_CERTAIN,
        "most_share": MOST_CERTAIN,
        "prior": prior,
        "least_odds": -certain,
        "most_odds": certain,
        "log_time_full": LOG_TIME,
        "slope": policy.boundary.slope,
        "horizon": log_horizon(policy.boundary),
        "hopeless": HOPELESS,
        "threshold": policy.boundary.threshold,
        "isolate_from": policy.isolate,
    }
    nodes = [
        helper.make_node("Cast", ["state"], ["vectors"], to=TensorProto.DOUBLE),
        tree_graph.mean(tree_graph.forest(policy.evidence.forest), "vectors", "share"),
        helper.make_node("Clip", ["share", "least_share", "most_share"], ["likely"]),
        helper.make_node("Sub", ["one", "likely"], ["unlikely"]),
        helper.make_node("Div", ["likely", "unlikely"], ["odds"]),
        helper.make_node("Log", ["odds"], ["by_forest"]),
        tree_graph.total(boosting, "vectors", "raised"),
        helper.make_node("Add", ["raised", "prior"], ["boosted"]),
        helper.make_node("Clip", ["boosted", "least_odds", "most_odds"], ["by_boosting"]),
        helper.make_node("Add", ["by_forest", "by_boosting"], ["both"]),
        helper.make_node("Mul", ["both", "half"], ["score"]),
        *_advantage(),
        helper.make_node("Sub", ["score", "isolate_from"], ["helps"]),
        helper.make_node("Neg", ["stop"], ["going_on"]),
        helper.make_node("Min", ["helps", "going_on"], ["isolate"]),
        helper.make_node("Concat", ["isolate", "stop"], ["wanted"], axis=1),
        helper.make_node("Gemm", ["wanted", "of_actions", "behind"], ["doubles"]),
        helper.make_node("Cast", ["doubles"], ["values"], to=TensorProto.FLOAT),
    ]
    features = policy.evidence.forest.trees.n_features_in_
    return helper.make_graph(
        nodes,
        "stopping",
        [helper.make_tensor_value_info("state", TensorProto.FLOAT, ["windows", features])],
        [helper.make_tensor_value_info("values", TensorProto.FLOAT, ["windows", len(Action)])],
        [numpy_helper.from_array(np.array(value), name) for name, value in constants.items()]
        + [numpy_helper.from_array(np.array([policy.elapsed]), "elapsed"), *_actions()],
    )


def _advantage() -> list[NodeProto]:
    """stopping.advantages, less the threshold."""
    return [
        helper.make_node("Gather", ["vectors", "elapsed"], ["time"], axis=1),
        helper.make_node("Mul", ["time", "log_time_full"], ["log_time"]),
        helper.make_node("Mul", ["log_time", "slope"], ["risen"]),
        helper.make_node("Add", ["score", "risen"], ["inside"]),
        helper.make_node("Min", ["score", "hopeless"], ["outside"]),
        helper.make_node("LessOrEqual", ["log_time", "horizon"], ["within"]),
        helper.make_node("Where", ["within", "inside", "outside"], ["advantage"]),
        helper.make_node("Sub", ["advantage", "threshold"], ["stop"]),
    ]


def _actions() -> list[TensorProto]:
    """What isolating and stopping are worth becomes a value for each action: factors of 0 and 1 round nothing."""
    factors, behind = np.zeros((2, len(Action))), np.zeros(len(Action))
    factors[0, Action.ISOLATE] = factors[1, Action.TERMINATE] = factors[1, Action.QUARANTINE] = 1
    behind[[Action.QUARANTINE, Action.REVIEW]] = -BEHIND
    return [numpy_helper.from_array(factors, "of_actions"), numpy_helper.from_array(behind, "behind")]

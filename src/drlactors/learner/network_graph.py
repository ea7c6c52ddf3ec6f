"""A Q-network as an ONNX graph.

``torch.onnx.export`` is not used: by default it fixes the number of rows at 1 and writes weights to a second file.
"""

import math

import numpy as np
import torch
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

from drlactors.learner.network import Dueling, Ranking
from drlactors.learner.targets import PENALTY


def graph(trained: Ranking) -> GraphProto:
    """From ``state`` to ``values``."""
    if trained.behaviour is None:
        nodes, weights = _layers(trained.q, "", "values")
    else:
        nodes, weights = _layers(trained.q, "", "q")
        others, more = _layers(trained.behaviour, "behaviour_", "logits")
        nodes, weights = nodes + others + _support(), weights + more + _constants(trained.threshold)
    linears = _linears(trained.q)
    return helper.make_graph(
        nodes,
        "q",
        [helper.make_tensor_value_info("state", TensorProto.FLOAT, ["windows", linears[0].in_features])],
        [helper.make_tensor_value_info("values", TensorProto.FLOAT, ["windows", linears[-1].out_features])],
        weights,
    )


def hidden(trained: Ranking) -> tuple[int, ...]:
    """The units of its hidden layers."""
    return tuple(linear.out_features for linear in _linears(trained.q)[:-1])


def _layers(trained: torch.nn.Sequential, prefix: str, last: str) -> tuple[list[NodeProto], list[TensorProto]]:
    """The nodes of one network from ``state`` to ``last``, and its weights."""
    nodes, weights, name = [], [], "state"
    linears = _linears(trained)
    for number, linear in enumerate(linears):
        weight, bias = f"{prefix}weight_{number}", f"{prefix}bias_{number}"
        weights += [
            numpy_helper.from_array(linear.weight.detach().cpu().numpy().T.copy(), weight),
            numpy_helper.from_array(linear.bias.detach().cpu().numpy(), bias),
        ]
        if number + 1 == len(linears):
            nodes.append(helper.make_node("Gemm", [name, weight, bias], [last]))
            break
        nodes.append(helper.make_node("Gemm", [name, weight, bias], [f"{prefix}sum_{number}"]))
        name = f"{prefix}hidden_{number}"
        nodes.append(helper.make_node("Relu", [f"{prefix}sum_{number}"], [name]))
    return nodes, weights


def _support() -> list[NodeProto]:
    """targets.supported, from ``q`` and ``logits`` to ``values``."""
    return [
        helper.make_node("ReduceMax", ["logits"], ["likeliest"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["logits", "likeliest"], ["behind"]),
        helper.make_node("GreaterOrEqual", ["behind", "threshold"], ["supported"]),
        helper.make_node("Sub", ["q", "penalty"], ["penalised"]),
        helper.make_node("Where", ["supported", "q", "penalised"], ["values"]),
    ]


def _constants(threshold: float) -> list[TensorProto]:
    return [
        numpy_helper.from_array(np.array(math.log(threshold), dtype=np.float32), "threshold"),
        numpy_helper.from_array(np.array(PENALTY, dtype=np.float32), "penalty"),
    ]


def _linears(trained: torch.nn.Sequential) -> list[torch.nn.Linear]:
    """The linear layers; a dueling head is one when it is folded."""
    folded = (layer.folded() if isinstance(layer, Dueling) else layer for layer in trained)
    return [layer for layer in folded if isinstance(layer, torch.nn.Linear)]

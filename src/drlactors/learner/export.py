"""A trained network as the one file that serves, with its metadata."""

import hashlib
import math
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import torch
from onnx import NodeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from drlactors.domain.features import FeatureSchema, Vectors
from drlactors.domain.metadata import ModelMetadata, probe
from drlactors.learner.batch import Float32s
from drlactors.learner.evaluation import Evaluation
from drlactors.learner.files import write_whole
from drlactors.learner.network import Dueling, Ranking
from drlactors.learner.targets import PENALTY

#: Understood by ONNX Runtime since 2021; what is used here has not changed between opset 14 and 17.
OPSET, IR_VERSION = 17, 8
#: Two orders of the same sums differ by a few 1e-7 of a value.
PARITY = 1e-5


class ParityBroken(Exception):
    """The ONNX graph does not give the values that the trained network gives."""


class Exported(NamedTuple):
    """A model's two files, before they are files."""

    onnx: bytes
    metadata: ModelMetadata

    def write(self, file: Path) -> None:
        """``file`` (.onnx) and its metadata (.json) beside it; the metadata last, because it vouches for the other."""
        write_whole(file, self.onnx)
        write_whole(file.with_suffix(".json"), self.metadata.to_json().encode())


def export(
    trained: Ranking,
    schema: FeatureSchema,
    held: Evaluation,
    *,
    version: int,
    date: str,
    episodes: int,
    loss: float,
    hyperparameters: Mapping[str, int | float | str],
) -> Exported:
    """The trained network as it is to serve, with the figures of ``held``, its evaluation on held-out sessions.

    Raises ParityBroken, and ValueError for what cannot stand in metadata.
    """
    content = to_onnx(trained)
    probed = np.array(probe(len(schema.names)), dtype=np.float32)
    answers = trained.rank(probed)
    check_parity(content, probed, answers)
    linears = _linears(trained.q)
    metadata = ModelMetadata(
        version=version,
        date=date,
        sha256=hashlib.sha256(content).hexdigest(),
        episodes=episodes,
        final_reward=held.mean_reward,
        final_loss=loss,
        accuracy=held.accuracy,
        false_positive_rate=held.false_positive_rate,
        false_negative_rate=held.false_negative_rate,
        mean_decision_s=held.mean_decision_s,
        held_out=held.sessions,
        input_dimension=len(schema.names),
        output_dimension=answers.shape[1],
        layers=tuple(linear.out_features for linear in linears[:-1]),
        feature_schema=schema.id,
        feature_names=schema.names,
        hyperparameters=hyperparameters,
        probe_values=b64encode(answers.astype("<f4").tobytes()).decode(),
    )
    if faults := metadata.faults():
        raise ValueError("; ".join(faults))
    return Exported(content, metadata)


def check_parity(content: bytes, vectors: Vectors, values: Float32s) -> None:
    """Raises ParityBroken unless the graph gives ``values`` for ``vectors``, by the interpreter of the ONNX package.

    That it agrees with ONNX Runtime too is what serving asks of every model with the same probe.
    """
    run: Any = ReferenceEvaluator(onnx.load_from_string(content)).run  # its annotation allows a dict, too
    (answers,) = run(None, {"state": vectors})
    furthest = float((np.abs(answers - values) / np.maximum(1.0, np.abs(values))).max())
    if not furthest <= PARITY:
        raise ParityBroken(f"values of the ONNX graph are off by {furthest:.3g}, allowed is {PARITY:.3g}")


def to_onnx(trained: Ranking) -> bytes:
    """One file with its weights inside and a free number of rows; the same network gives the same bytes.

    ``torch.onnx.export`` is not used: by default it fixes the number of rows at 1 and writes weights to a second file.
    """
    if trained.behaviour is None:
        nodes, weights = _layers(trained.q, "", "values")
    else:
        nodes, weights = _layers(trained.q, "", "q")
        others, more = _layers(trained.behaviour, "behaviour_", "logits")
        nodes, weights = nodes + others + _support(), weights + more + _constants(trained.threshold)
    linears = _linears(trained.q)
    graph = helper.make_graph(
        nodes,
        "q",
        [helper.make_tensor_value_info("state", TensorProto.FLOAT, ["windows", linears[0].in_features])],
        [helper.make_tensor_value_info("values", TensorProto.FLOAT, ["windows", linears[-1].out_features])],
        weights,
    )
    model = helper.make_model(
        graph, producer_name="drlactors", opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


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

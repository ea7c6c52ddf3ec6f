"""A trained model as the one file that serves, with its metadata."""

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import helper
from onnx.reference import ReferenceEvaluator

from drlactors.domain.features import FeatureSchema, Vectors
from drlactors.domain.metadata import ModelMetadata, probe
from drlactors.files import write_whole
from drlactors.learner import network_graph, stopping_graph, tree_graph
from drlactors.learner.batch import Float32s
from drlactors.learner.evaluation import Evaluation
from drlactors.learner.network import Ranking
from drlactors.learner.stopping import StoppingPolicy

#: Understood by ONNX Runtime since 2021; what is used of it here has not changed between opset 14 and 17.
OPSET, IR_VERSION = 17, 8
#: Two orders of the same sums differ by a few 1e-7 of a value.
PARITY = 1e-5


#: What can be trained, and serve.
Servable = Ranking | StoppingPolicy


class ParityBroken(Exception):
    """The ONNX graph does not give the values that the trained model gives."""


class Exported(NamedTuple):
    """A model's two files, before they are files."""

    onnx: bytes
    metadata: ModelMetadata

    def write(self, file: Path) -> None:
        """``file`` (.onnx) and its metadata (.json) beside it; the metadata last, because it vouches for the other."""
        write_whole(file, self.onnx)
        write_whole(file.with_suffix(".json"), self.metadata.to_json().encode())


def export(
    trained: Servable,
    schema: FeatureSchema,
    held: Evaluation,
    *,
    version: int,
    date: str,
    episodes: int,
    loss: float,
    hyperparameters: Mapping[str, int | float | str],
) -> Exported:
    """The trained model as it is to serve, with the figures of ``held``, its evaluation on held-out sessions.

    Raises ParityBroken, and ValueError for what cannot stand in metadata.
    """
    content = to_onnx(trained)
    probed = np.array(probe(len(schema.names)), dtype=np.float32)
    answers = trained.rank(probed)
    check_parity(content, probed, answers)
    chosen = trained.chosen() if isinstance(trained, StoppingPolicy) else {}
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
        layers=() if isinstance(trained, StoppingPolicy) else network_graph.hidden(trained),
        feature_schema=schema.id,
        feature_names=schema.names,
        hyperparameters={**hyperparameters, **chosen},
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


def to_onnx(trained: Servable) -> bytes:
    """One file with its weights inside and a free number of rows; the same model gives the same bytes."""
    opsets = [helper.make_opsetid("", OPSET)]
    if isinstance(trained, StoppingPolicy):
        graph = stopping_graph.graph(trained)
        opsets.append(helper.make_opsetid(tree_graph.DOMAIN, tree_graph.OPSET))
    else:
        graph = network_graph.graph(trained)
    model = helper.make_model(graph, producer_name="drlactors", opset_imports=opsets, ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))

"""Small models with random weights, as files: made with onnx.helper, without PyTorch."""

import hashlib
from base64 import b64encode
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from onnx import TensorProto, helper, numpy_helper

from drlactors.config import load
from drlactors.domain.features import FeatureSchema
from drlactors.domain.metadata import ModelMetadata
from drlactors.inference import Trust
from drlactors.inference.model import probe_vectors
from drlactors.inference.signature import sign
from drlactors.signing import public_key

SCHEMA = FeatureSchema()
ACTIONS = 5
#: For what is tested below the signature.
UNSIGNED = Trust(frozenset(), allow_unsigned=True)
#: The tests' own key: everybody has it, so that nobody but they may trust it.
KEY = Ed25519PrivateKey.from_private_bytes(b"tests of drlactors, not a secret")


def graph(hidden: tuple[int, ...] = (64, 64), seed: int = 0, inputs: int = 30, opset: int = 17) -> onnx.ModelProto:
    dice = np.random.default_rng(seed)
    sizes = (inputs, *hidden, ACTIONS)
    nodes, weights, name = [], [], "state"
    for number in range(len(sizes) - 1):
        before, after = sizes[number], sizes[number + 1]
        weight = (dice.normal(size=(before, after)) * np.sqrt(2 / before)).astype(np.float32)
        bias = dice.normal(size=after).astype(np.float32)
        weights += [numpy_helper.from_array(weight, f"w{number}"), numpy_helper.from_array(bias, f"b{number}")]
        last = number == len(sizes) - 2
        result = "values" if last else f"s{number}"
        nodes.append(helper.make_node("Gemm", [name, f"w{number}", f"b{number}"], [result]))
        if not last:
            name = f"h{number}"
            nodes.append(helper.make_node("Relu", [result], [name]))
    made = helper.make_graph(
        nodes,
        "q",
        [helper.make_tensor_value_info("state", TensorProto.FLOAT, ["windows", inputs])],
        [helper.make_tensor_value_info("values", TensorProto.FLOAT, ["windows", ACTIONS])],
        weights,
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def metadata(content: bytes, schema: FeatureSchema = SCHEMA, **changed: object) -> ModelMetadata:
    """Fits the content, less what is changed; the probe is answered by the content where it can."""
    values: dict[str, object] = {
        "version": 1,
        "date": "2026-11-23T00:00:00+00:00",
        "sha256": hashlib.sha256(content).hexdigest(),
        "episodes": 1,
        "final_reward": 0.0,
        "final_loss": 0.0,
        "accuracy": 1.0,
        "false_positive_rate": 0.0,
        "false_negative_rate": 0.0,
        "mean_decision_s": 0.0,
        "held_out": 0,
        "input_dimension": len(schema.names),
        "output_dimension": ACTIONS,
        "layers": (64, 64),
        "feature_schema": schema.id,
        "feature_names": schema.names,
        "hyperparameters": {},
        "probe_values": b64encode(bytes(64 * ACTIONS * 4)).decode(),
        **changed,
    }
    return ModelMetadata(**values)  # type: ignore[arg-type]  # the tests change whatever they like


def answered(content: bytes, schema: FeatureSchema = SCHEMA) -> str:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (values,) = session.run(None, {"state": probe_vectors(len(schema.names))})
    return b64encode(values.astype("<f4").tobytes()).decode()


def write(folder: Path, model: onnx.ModelProto | None = None, **changed: object) -> Path:
    """A sound model unless something of it is changed."""
    content = (model or graph()).SerializeToString(deterministic=True)
    if "probe_values" not in changed and model is None:
        changed["probe_values"] = answered(content)
    file = folder / "m.onnx"
    file.write_bytes(content)
    file.with_suffix(".json").write_text(metadata(content, **changed).to_json())  # type: ignore[arg-type]
    return file


def sound(folder: Path, hidden: tuple[int, ...] = (64, 64), seed: int = 0, schema: FeatureSchema = SCHEMA) -> Path:
    model = graph(hidden, seed, len(schema.names))
    content = model.SerializeToString(deterministic=True)
    file = folder / f"m{seed}.onnx"
    file.write_bytes(content)
    probe = answered(content, schema)
    file.with_suffix(".json").write_text(metadata(content, schema, layers=hidden, probe_values=probe).to_json())
    return file


def signed(folder: Path, seed: int = 0) -> Path:
    """A sound model, signed with the tests' key."""
    file = sound(folder, seed=seed)
    file.with_suffix(".sig").write_text(sign(file.read_bytes(), file.with_suffix(".json").read_bytes(), KEY))
    return file


def trusted() -> list[str]:
    """The tests' key and those that are configured by default, for the packaged model."""
    return [public_key(KEY), *load("prod", environ={}).settings.models.trusted_keys]


def preferring(folder: Path, action: int) -> Path:
    """A sound, unsigned model that holds one action to be worth 1 and all others nothing, whatever it sees."""
    model = graph((4,))
    for tensor in model.graph.initializer:
        worth = np.zeros(numpy_helper.to_array(tensor).shape, dtype=np.float32)
        if tensor.name == "b1":
            worth[action] = 1
        tensor.CopyFrom(numpy_helper.from_array(worth, tensor.name))
    content = model.SerializeToString(deterministic=True)
    return write(folder, model, layers=(4,), probe_values=answered(content))

"""A model from its files, verified before it is anybody's: nothing half-loaded leaves this module."""

import hashlib
from base64 import b64decode
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as native

from drlactors.domain.action import Action
from drlactors.domain.features import FeatureSchema
from drlactors.domain.metadata import ModelMetadata, from_json, probe
from drlactors.inference import onnx_file, signature
from drlactors.inference.placing import beside
from drlactors.inference.signature import SignatureRefused, Trust
from drlactors.ports.policy import PolicyError

#: Opsets whose operators mean what they meant when this was written. Of the second domain a model may have trees.
OPSETS = {"": range(13, 24), onnx_file.TREES_DOMAIN: range(5, 6)}
#: Another instruction set changes the last bits of a value; this is a thousand times that, and far below a choice.
PROBE_TOLERANCE = 1e-3
#: A network of ours has 30 kB, trees of 1,340 sessions have 14 MB; ten million weights of float32 are 40 MB.
MAX_BYTES = 64 << 20

#: Everything that ONNX Runtime raises: its exceptions have no common root below Exception. Where names in a model are
#: no text, and where memory is short, they are Python's own.
VENDOR_ERRORS: tuple[type[Exception], ...] = (
    RuntimeError,
    UnicodeDecodeError,
    native.EPFail,
    native.EngineError,
    native.Fail,
    native.InvalidArgument,
    native.InvalidGraph,
    native.InvalidProtobuf,
    native.NoModel,
    native.NoSuchFile,
    native.NotImplemented,
    native.RuntimeException,
)


class Loaded(NamedTuple):
    session: ort.InferenceSession
    metadata: ModelMetadata
    path: Path  # of the ONNX file
    signed_by: str  # the public key; empty for an unsigned one


def load(path: Path, schema: FeatureSchema, trust: Trust) -> Loaded:
    """The model of ``<name>.onnx`` with ``.json`` and ``.sig`` beside it, or of a folder that holds one such model.

    Each file is read once, and everything is checked on what was read: the signature before anything is parsed, then
    the checksum, then that no weights lie elsewhere, then shapes, then the feature schema. Raises PolicyError with the
    file and what is wrong.
    """
    file = _file(path)
    content = _read(file)
    described, signed = beside(file, content)
    description = _read(described)
    try:
        signed_by = signature.verify(_read(signed) if signed.exists() else None, content, description, trust)
    except SignatureRefused as refused:
        raise PolicyError(f"{file}: {refused}") from refused
    metadata = _metadata(described, description)
    digest = hashlib.sha256(content).hexdigest()
    if digest != metadata.sha256:
        raise PolicyError(f"{file}: its sha256 is {digest}, its metadata says {metadata.sha256}")
    _inspect(file, content)
    if metadata.output_dimension != len(Action):
        raise PolicyError(f"{file}: {metadata.output_dimension} actions instead of {len(Action)}")
    session = _session(file, content)
    _check_shapes(file, session, metadata)
    if metadata.feature_schema != schema.id or metadata.feature_names != schema.names:
        raise PolicyError(f"{file}: made for feature schema {metadata.feature_schema}, configured is {schema.id}")
    return Loaded(session, metadata, file, signed_by)


def check_probe(loaded: Loaded, answers: npt.NDArray[np.float32]) -> None:
    """Raises PolicyError when the answers to the probe are not those that were recorded when the model was made."""
    recorded = np.frombuffer(b64decode(loaded.metadata.probe_values), dtype="<f4").reshape(answers.shape)
    furthest = float(np.abs(answers - recorded).max())
    if not furthest <= PROBE_TOLERANCE:
        raise PolicyError(f"{loaded.path}: its answers to the probe are off by {furthest:.3g}")


def probe_vectors(features: int) -> npt.NDArray[np.float32]:
    return np.array(probe(features), dtype=np.float32)


def _file(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = sorted(path.glob("*.onnx"))
    if len(found) != 1:
        raise PolicyError(f"{path}: holds {len(found)} .onnx files, one is needed")
    return found[0]


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise PolicyError(f"{file}: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise PolicyError(f"{file}: longer than {MAX_BYTES} bytes")
    return content


def _metadata(file: Path, content: bytes) -> ModelMetadata:
    try:
        return from_json(content.decode())
    except (ValueError, RecursionError) as error:
        raise PolicyError(f"{file}: {error}") from error


def _inspect(file: Path, content: bytes) -> None:
    try:
        facts = onnx_file.read(content)
    except ValueError as error:
        raise PolicyError(f"{file}: not an ONNX file: {error}") from error
    if facts.refused:
        raise PolicyError(f"{file}: contains {', '.join(facts.refused)}")
    if "" not in facts.opsets or any(version not in OPSETS.get(domain, ()) for domain, version in facts.opsets.items()):
        allowed = ", ".join(f"{domain or 'ONNX'} {known[0]} to {known[-1]}" for domain, known in OPSETS.items())
        raise PolicyError(f"{file}: opsets {facts.opsets}, allowed is {allowed}")


def _session(file: Path, content: bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # more gain nothing here and cost the other core
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4  # what goes wrong is raised
    try:
        # The fallback is to try the same again, and to print that.
        return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except VENDOR_ERRORS as error:
        raise PolicyError(f"{file}: {error}") from error


def _check_shapes(file: Path, session: ort.InferenceSession, metadata: ModelMetadata) -> None:
    for ends, width in (
        (session.get_inputs(), metadata.input_dimension),
        (session.get_outputs(), metadata.output_dimension),
    ):
        if len(ends) != 1:
            raise PolicyError(f"{file}: {len(ends)} inputs or outputs instead of one")
        (end,) = ends
        try:
            name, kind, shape = end.name, end.type, end.shape
        except UnicodeDecodeError as error:
            raise PolicyError(f"{file}: a name of its inputs or outputs is no text: {error}") from error
        if kind != "tensor(float)" or len(shape) != 2 or isinstance(shape[0], int) or shape[1] != width:
            raise PolicyError(f"{file}: {name} is {kind} of {shape}, not float of any number by {width}")

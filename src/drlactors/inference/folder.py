"""The folder of models: each under the digest of its ONNX file, so that a name never means another model."""

from pathlib import Path

from drlactors.domain.features import FeatureSchema
from drlactors.files import write_whole
from drlactors.inference.onnx_policy import OnnxPolicy, load
from drlactors.inference.placing import SUFFIX, beside
from drlactors.inference.signature import Trust
from drlactors.ports.policy import PolicyError


class ModelFolder:
    """``<sha256>.onnx`` with its ``.json`` and ``.sig``. Files are added and never changed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def file(self, sha256: str) -> Path:
        return self.path / f"{sha256}.onnx"

    def load(self, sha256: str, schema: FeatureSchema, trust: Trust) -> OnnxPolicy:
        """The verified model of this digest. Raises PolicyError when it is not there, or not what it has to be."""
        policy = load(self.file(sha256), schema, trust)
        if policy.info.id != sha256:
            raise PolicyError(f"{self.file(sha256)}: holds the model {policy.info.id}")
        return policy

    def add(self, source: Path, schema: FeatureSchema, trust: Trust) -> OnnxPolicy:
        """Take in a copy of a model that passes all checks. Raises PolicyError and OSError; then nothing is added.

        One that is here and sound stays as it is, with the metadata and the signature that it has: it may be in charge.
        Each file is written under another name, synced and moved into place, the ONNX file last: whoever is killed
        between leaves no model that looks whole and is not.
        """
        sha256 = load(source, schema, trust).info.id
        try:
            return self.load(sha256, schema, trust)
        except PolicyError:
            pass  # it is not here yet, or not whole
        self.path.mkdir(parents=True, exist_ok=True)
        described, signed = beside(source, source.read_bytes())
        for suffix, part in ((".json", described), (SUFFIX, signed), (".onnx", source)):
            if part.exists():
                write_whole(self.file(sha256).with_suffix(suffix), part.read_bytes())
        return self.load(sha256, schema, trust)

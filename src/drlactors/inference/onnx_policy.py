"""The policy that a model is, run by ONNX Runtime.

A row's values have to be the same bits alone and among others, or no replay reaches a decision again. ONNX Runtime does
not promise that: it has another kernel for a single row than for many, and which of them runs depends on the shape and
on how the weights were packed (measured on 1.32: with packed weights no bit differs for batches of 1 to 300; unpacked,
all of them differ from the row alone, by up to 1.4e-6). So every run has one shape: blocks of ``BLOCK_ROWS`` rows, the
last one filled up with zeros.
"""

import platform
from pathlib import Path
from threading import Lock

import numpy as np
import onnxruntime as ort

from drlactors.domain.action import Action
from drlactors.domain.features import FeatureSchema, Vectors
from drlactors.domain.metadata import ModelMetadata
from drlactors.inference import model
from drlactors.inference.signature import Trust
from drlactors.ports.policy import PolicyError, PolicyInfo, Values

#: Of 8, 16, 32 and 64: a single row costs hardly more than with 8; tests/benchmarks/decision.py measures it.
BLOCK_ROWS = 16
MOST_REASONS = 3

#: The instruction sets between which ONNX Runtime chooses its kernels.
_INSTRUCTION_SETS = ("avx", "avx2", "fma", "avx512f", "avx512dq", "avx512bw", "avx512vl", "amx_tile", "asimd", "sve")


class OnnxPolicy:
    """Ranks with one model, whose buffers are its own: one run at a time, from any thread."""

    def __init__(self, loaded: model.Loaded, schema: FeatureSchema) -> None:
        self.metadata: ModelMetadata = loaded.metadata
        self.signed_by = loaded.signed_by
        self._schema = schema
        self._info = PolicyInfo(id=loaded.metadata.sha256, schema=schema.id, path=str(loaded.path))
        self._session = loaded.session
        self._lock = Lock()
        self._input = np.zeros((BLOCK_ROWS, loaded.metadata.input_dimension), dtype=np.float32)
        self._output = np.zeros((BLOCK_ROWS, loaded.metadata.output_dimension), dtype=np.float32)
        # Bound once: a run costs 12 us instead of 21.
        self._binding = loaded.session.io_binding()
        name_in, name_out = loaded.session.get_inputs()[0].name, loaded.session.get_outputs()[0].name
        self._binding.bind_input(name_in, "cpu", 0, np.float32, self._input.shape, self._input.ctypes.data)
        self._binding.bind_output(name_out, "cpu", 0, np.float32, self._output.shape, self._output.ctypes.data)

    @property
    def info(self) -> PolicyInfo:
        return self._info

    def rank(self, vectors: Vectors) -> Values:
        """Values for all rows. Raises PolicyError when a vector does not fit or a value is not finite."""
        width = self._input.shape[1]
        if vectors.ndim != 2 or vectors.shape[1] != width:
            raise PolicyError(f"vectors of shape {vectors.shape}, the model takes {width} features")
        # A NaN may come out of the network as a number: its activation takes the larger of it and 0.
        if not np.isfinite(vectors).all():
            raise PolicyError("a vector is not finite")
        values = np.empty((len(vectors), self._output.shape[1]), dtype=np.float32)
        with self._lock:
            for first in range(0, len(vectors), BLOCK_ROWS):
                rows = vectors[first : first + BLOCK_ROWS]
                self._input[: len(rows)] = rows
                self._input[len(rows) :] = 0.0
                self._run()
                values[first : first + len(rows)] = self._output[: len(rows)]
        if not np.isfinite(values).all():
            raise PolicyError(f"{self._info.path}: a value is not finite")
        return values

    def because(self, vector: Vectors, action: Action) -> tuple[str, ...]:
        """The features without which the action would be worth less, the most decisive first.

        Occlusion (Zeiler and Fergus 2014): each feature in turn is set to what stands for a missing one.
        """
        width = vector.shape[1]
        rows = np.repeat(vector, width + 1, axis=0)  # the last one stays as it is
        rows[np.arange(width), np.arange(width)] = self._schema.missing
        worth = self.rank(rows)[:, action]
        drops = worth[-1] - worth[:-1]
        strongest = np.argsort(-drops, kind="stable")[:MOST_REASONS]
        return tuple(self._schema.names[index] for index in strongest if drops[index] > 0)

    def _run(self) -> None:
        try:
            self._session.run_with_iobinding(self._binding)
        except model.VENDOR_ERRORS as error:
            raise PolicyError(f"{self._info.path}: {error}") from error


def load(path: Path, schema: FeatureSchema, trust: Trust) -> OnnxPolicy:
    """A verified model that has answered its probe. Raises PolicyError with the file and what is wrong."""
    loaded = model.load(path, schema, trust)
    policy = OnnxPolicy(loaded, schema)
    model.check_probe(loaded, policy.rank(model.probe_vectors(loaded.metadata.input_dimension)))
    return policy


def fingerprint() -> str:
    """What the bits of vectors and values depend on, beside their inputs: the same text, the same bits."""
    machine = platform.machine()
    sets = " ".join(name for name in _INSTRUCTION_SETS if name in _cpu_flags())
    libc = " ".join(part for part in platform.libc_ver() if part)
    return f"onnxruntime {ort.__version__}, numpy {np.__version__}, {machine} {sets}, {libc}, {BLOCK_ROWS} rows a block"


def _cpu_flags() -> frozenset[str]:
    """What the processor can do, by the names of /proc/cpuinfo; nothing is known where there is none."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return frozenset()
    return frozenset(
        flag
        for line in lines
        if line.partition(":")[0].strip() in ("flags", "Features")
        for flag in line.partition(":")[2].split()
    )

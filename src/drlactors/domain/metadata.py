"""What is known of a model: its metadata, stored as JSON beside the ONNX file."""

import json
import math
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from itertools import pairwise
from typing import Any

#: Rows of the probe: enough for every unit of a small network to be on in some and off in others.
PROBE_ROWS = 64
_GOLDEN = (math.sqrt(5) - 1) / 2


def probe(features: int) -> list[list[float]]:
    """The vectors in [0, 1) that every model is asked before it serves, shape (PROBE_ROWS, features).

    An additive recurrence of the golden ratio: spread evenly, and the same numbers on every machine.
    """
    return [
        [((row * features + column + 1) * _GOLDEN) % 1.0 for column in range(features)] for row in range(PROBE_ROWS)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMetadata:
    """One version of the model; ``faults`` says what is wrong with it."""

    version: int  # 1, 2, 3, ...
    date: str  # ISO 8601 with its offset from UTC
    sha256: str  # of the ONNX file, 64 hexadecimal digits
    episodes: int  # recorded sessions that it learned from
    final_reward: float  # mean sum of rewards of a held-out session
    final_loss: float  # of the last pass over the data
    accuracy: float  # on held-out sessions, as are the rates
    false_positive_rate: float
    false_negative_rate: float
    mean_decision_s: float  # seconds until a malicious session was stopped, over those that were; 0 when none was
    held_out: int  # sessions that the figures rest on
    input_dimension: int
    output_dimension: int
    layers: tuple[int, ...]  # units of the hidden layers
    feature_schema: str
    feature_names: tuple[str, ...]
    hyperparameters: Mapping[str, int | float | str]
    probe_values: str  # answers to ``probe``: base64 of little-endian float32, shape (PROBE_ROWS, output_dimension)

    def faults(self) -> list[str]:
        """What is wrong, in words; empty when all is well."""
        found = [
            f"{name} is {value}: it has to be in [0, 1]"
            for name in ("accuracy", "false_positive_rate", "false_negative_rate")
            if not 0 <= (value := getattr(self, name)) <= 1
        ]
        found += [
            f"{name} is {value}: it has to be finite"
            for name in ("final_reward", "final_loss", "mean_decision_s")
            if not math.isfinite(value := getattr(self, name))
        ]
        found += [
            f"{name} is {value}: it has to be {least} or more"
            for name, least in (("version", 1), ("episodes", 0), ("held_out", 0), ("output_dimension", 1))
            if (value := getattr(self, name)) < least
        ]
        if len(self.sha256) != 64 or not set(self.sha256) <= set("0123456789abcdef"):
            found.append(f"sha256 is {self.sha256!r}: it has to be 64 lower-case hexadecimal digits")
        if len(self.feature_names) != self.input_dimension:
            found.append(f"input_dimension is {self.input_dimension}, but there are {len(self.feature_names)} features")
        if any(units < 1 for units in self.layers):
            found.append(f"layers is {self.layers}: each has to have 1 unit or more")
        return found + self._faults_of_date() + self._faults_of_probe()

    def _faults_of_date(self) -> list[str]:
        try:
            aware = datetime.fromisoformat(self.date).tzinfo is not None
        except ValueError:
            aware = False
        return [] if aware else [f"date is {self.date!r}: it has to be ISO 8601 with an offset from UTC"]

    def _faults_of_probe(self) -> list[str]:
        try:
            size = len(b64decode(self.probe_values, validate=True))
        except (NotBase64, ValueError):
            return ["probe_values is not base64"]
        expected = PROBE_ROWS * self.output_dimension * 4
        return [] if size == expected else [f"probe_values has {size} bytes instead of {expected}"]

    def succeeds(self, earlier: "ModelMetadata") -> bool:
        """Whether this is a later version, made at a later time."""
        later = datetime.fromisoformat(self.date) > datetime.fromisoformat(earlier.date)
        return later and self.version > earlier.version

    def to_json(self) -> str:
        """Readable, and the same text for the same metadata."""
        return json.dumps(asdict(self), indent=2, sort_keys=True, allow_nan=False) + "\n"


def from_json(text: str) -> ModelMetadata:
    """The metadata of such a text. Raises ValueError that says every key and value that is wrong."""
    plain = json.loads(text)
    if not isinstance(plain, dict):
        raise ValueError("metadata has to be a JSON object")
    known = {field.name: field.type for field in fields(ModelMetadata)}
    wrong = [f"{name} is missing" for name in known if name not in plain]
    wrong += [f"{name} is unknown" for name in plain if name not in known]
    wrong += [
        f"{name} is {plain[name]!r}: it has to be {_WORDS[kind]}"
        for name, kind in known.items()
        if name in plain and not _is(kind, plain[name])
    ]
    if wrong:
        raise ValueError("; ".join(wrong))
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()}
    made = ModelMetadata(**values)
    if faults := made.faults():
        raise ValueError("; ".join(faults))
    return made


def unordered(history: Sequence[ModelMetadata]) -> list[str]:
    """Where a history of versions does not go strictly forward in number and time; empty when it does."""
    return [
        f"version {later.version} of {later.date} does not come after version {earlier.version} of {earlier.date}"
        for earlier, later in pairwise(history)
        if not later.succeeds(earlier)
    ]


_WORDS: dict[Any, str] = {
    int: "an integer of 64 bits",
    float: "a number",
    str: "a string",
    tuple[int, ...]: "a list of integers",
    tuple[str, ...]: "a list of strings",
    Mapping[str, int | float | str]: "an object of numbers and strings",
}


def _is(kind: Any, value: Any) -> bool:
    """Whether a value from JSON is of an annotated kind; true and false are no numbers."""
    if isinstance(value, bool):
        return False
    if isinstance(value, int) and not -(2**63) <= value < 2**63:  # neither the log nor arithmetic has place for it
        return False
    if kind is float:
        return isinstance(value, (int, float))
    if kind in (int, str):
        return isinstance(value, kind)
    if kind == Mapping[str, int | float | str]:
        return isinstance(value, dict) and all(_is(float, part) or _is(str, part) for part in value.values())
    return isinstance(value, list) and all(_is(kind.__args__[0], part) for part in value)

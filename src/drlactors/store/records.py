"""Records of fixed layout: decisions, facts and sessions as they stand in blocks of bytes.

The layouts are documented in ``eventstore/experiences.md``. All numbers are little-endian.
"""

import struct
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from drlactors.ports.decisions import Decisions, Facts, Sessions

#: Goes up with every change of a layout or of what is put into it: blocks of another revision are made anew.
REVISION = 2

#: position, session, seq, elapsed_ms, propensity, policy, isolation, action, mask; the state vector follows.
DECISION = struct.Struct("<qqqqfHHBBxx")
#: position, subject, kind, value
FACT = struct.Struct("<qqBxxxxxxxq")
#: number, started_us, id, artifact, stage
SESSION = struct.Struct("<qq16s64sBxxxxxxx")

_DECISION_HEAD = [
    ("position", "<i8"),
    ("session", "<i8"),
    ("seq", "<i8"),
    ("elapsed_ms", "<i8"),
    ("propensity", "<f4"),
    ("policy", "<u2"),
    ("isolation", "<u2"),
    ("action", "u1"),
    ("mask", "u1"),
    ("", "V2"),
]
_FACT = np.dtype([("position", "<i8"), ("subject", "<i8"), ("kind", "u1"), ("", "V7"), ("value", "<i8")])
_SESSION = np.dtype(
    [("number", "<i8"), ("started_us", "<i8"), ("id", "V16"), ("artifact", "S64"), ("stage", "u1"), ("", "V7")]
)


def decisions(blocks: Iterable[bytes], size_bytes: int, features: int) -> Decisions:
    """The blocks' decisions, one after the other; ``features`` is the length of their state vectors."""
    layout = np.dtype([*_DECISION_HEAD, ("state", "<f4", (features,))])
    return Decisions(*_columns(blocks, size_bytes, layout, Decisions._fields))


def facts(blocks: Iterable[bytes], size_bytes: int) -> Facts:
    return Facts(*_columns(blocks, size_bytes, _FACT, Facts._fields))


def sessions(blocks: Iterable[bytes], size_bytes: int) -> Sessions:
    return Sessions(*_columns(blocks, size_bytes, _SESSION, Sessions._fields))


def _columns(
    blocks: Iterable[bytes], size_bytes: int, layout: np.dtype[np.void], fields: Sequence[str]
) -> list[npt.NDArray[Any]]:
    """Block by block into arrays of the final size: nothing is held twice but the block at hand."""
    total = size_bytes // layout.itemsize
    columns = [np.empty((total, *layout[field].shape), layout[field].base) for field in fields]
    first = 0
    for block in blocks:
        records = np.frombuffer(block, layout)
        for column, field in zip(columns, fields, strict=True):
            column[first : first + len(records)] = records[field]
        first += len(records)
    assert first == total, f"blocks of {total} records hold {first}"
    return columns

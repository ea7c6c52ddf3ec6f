"""Rows of the log and columns of decisions as Parquet files, one table a file."""

import math
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from eventsourcing.persistence import Notification

from drlactors.ports.decisions import Decisions, Facts, Sessions
from drlactors.store.batch import stream_of

COMPRESSION, LEVEL = "zstd", 3
#: Rows that are decompressed together. Entries are looked up by stream, decisions are read whole.
ENTRY_GROUP_ROWS, COLUMN_GROUP_ROWS = 2_048, 65_536

Column = npt.NDArray[Any]

_BLOBS = {"id": "V16", "artifact": "S64"}

_ENTRIES = pa.schema(
    [
        ("position", pa.int64()),
        ("stream", pa.binary(16)),
        ("first_version", pa.int64()),
        ("topic", pa.dictionary(pa.int32(), pa.string())),
        ("state", pa.binary()),
    ]
)


def written(table: pa.Table, group_rows: int) -> bytes:
    # Dictionaries are for what repeats: states and blobs would be looked up in vain.
    repeated = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        row_group_size=group_rows,
        compression=COMPRESSION,
        compression_level=LEVEL,
        use_dictionary=repeated,
    )
    return bytes(sink.getvalue())


def of_rows(rows: Sequence[Notification]) -> pa.Table:
    """Rows of the log as they stand there: their bytes are not opened."""
    columns = [
        [row.id for row in rows],
        [stream_of(row).bytes for row in rows],
        [row.originator_version for row in rows],
        pa.array([row.topic for row in rows], pa.string()).dictionary_encode(),
        [row.state for row in rows],
    ]
    return pa.table(dict(zip(_ENTRIES.names, columns, strict=True)), schema=_ENTRIES)


def to_rows(table: pa.Table) -> list[Notification]:
    columns = [table[name].to_pylist() for name in _ENTRIES.names]
    return [
        Notification(id=position, originator_id=UUID(bytes=id_), originator_version=version, topic=topic, state=state)
        for position, id_, version, topic, state in zip(*columns, strict=True)
    ]


def of_decisions(decisions: Decisions, policies: Sequence[str]) -> pa.Table:
    """In the order of the sessions, which is how they are read, and compresses best."""
    order = np.argsort(decisions.session, kind="stable")
    columns = {name: column[order] for name, column in decisions._asdict().items()}
    coded = pa.array(columns["policy"].astype(np.int32))
    columns["policy"] = pa.DictionaryArray.from_arrays(coded, pa.array(policies, pa.string()))
    columns["state"] = _binary(columns["state"])
    return pa.table(columns)


def to_decisions(table: pa.Table) -> tuple[Decisions, tuple[str, ...]]:
    """And the policies that ``Decisions.policy`` counts."""
    coded = table["policy"].unify_dictionaries().combine_chunks()
    columns = {name: table[name].to_numpy() for name in Decisions._fields if name not in ("policy", "state")}
    policy = coded.indices.to_numpy().astype(np.uint16)
    return Decisions(policy=policy, state=_matrix(table["state"], np.dtype("<f4")), **columns), tuple(
        coded.dictionary.to_pylist()
    )


def of_columns(columns: Facts | Sessions) -> pa.Table:
    return pa.table(
        {name: column if column.dtype.kind in "iu" else _binary(column) for name, column in columns._asdict().items()}
    )


def to_facts(table: pa.Table) -> Facts:
    return Facts._make(table[name].to_numpy() for name in Facts._fields)


def to_sessions(table: pa.Table) -> Sessions:
    columns = {name: table[name].to_numpy() for name in ("number", "started_us", "stage")}
    blobs = {name: _matrix(table[name], np.dtype("u1")).view(kind)[:, 0] for name, kind in _BLOBS.items()}
    return Sessions(**columns, **blobs)


def plain(column: pa.ChunkedArray) -> Column:
    """Numbers, or as many bytes a row as it has."""
    if pa.types.is_fixed_size_binary(column.type):
        return _matrix(column, np.dtype("u1")).view(f"V{column.type.byte_width}")[:, 0]
    numbers: Column = column.to_numpy()
    return numbers


def _binary(column: Column) -> pa.Array:
    """Each row of the column as so many bytes."""
    rows = np.ascontiguousarray(column)
    width = math.prod(rows.shape[1:], start=rows.itemsize)
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), len(rows), [None, pa.py_buffer(rows)])


def _matrix(column: pa.ChunkedArray, kind: np.dtype[Any]) -> Column:
    """Each row's bytes as numbers, shape (rows, numbers a row); nothing is copied but to join chunks."""
    width = column.type.byte_width
    parts = [
        np.frombuffer(chunk.buffers()[1], kind, len(chunk) * width // kind.itemsize, chunk.offset * width)
        for chunk in column.chunks
        if len(chunk)
    ]
    whole = parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, kind), *parts])
    return whole.reshape(-1, width // kind.itemsize)

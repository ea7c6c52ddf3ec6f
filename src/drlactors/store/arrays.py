"""Arrays as PostgreSQL reads them in binary: thousands of rows as a handful of parameters.

psycopg makes them value by value in Python, which for one row of four columns takes three times as long as the
round trip's own work. The format is array_recv's in PostgreSQL's src/backend/utils/adt/arrayfuncs.c.
"""

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

_HEAD = struct.Struct(">iiIii")  # dimensions, whether it has NULLs, type of an element, elements, first index
_LENGTH = struct.Struct(">i")
_BIGINT = struct.Struct(">iq")


class Array(NamedTuple):
    oid: int  # of the array's type
    content: bytes


def of_uuids(values: Iterable[UUID]) -> Array:
    return _of_bytes(2951, 2950, [value.bytes for value in values])


def of_bigints(values: Sequence[int]) -> Array:
    return Array(1016, b"".join([_head(20, len(values)), *[_BIGINT.pack(8, value) for value in values]]))


def of_texts(values: Iterable[str]) -> Array:
    return _of_bytes(1009, 25, [value.encode() for value in values])


def of_byteas(values: Sequence[bytes]) -> Array:
    return _of_bytes(1001, 17, values)


def _of_bytes(oid: int, element_oid: int, values: Sequence[bytes]) -> Array:
    parts = [_head(element_oid, len(values))]
    for value in values:
        parts += (_LENGTH.pack(len(value)), value)
    return Array(oid, b"".join(parts))


def _head(element_oid: int, elements: int) -> bytes:
    return _HEAD.pack(1, 0, element_oid, elements, 1) if elements else _HEAD.pack(0, 0, element_oid, 0, 0)[:12]

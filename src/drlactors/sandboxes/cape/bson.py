"""Reads BSON (bsonspec.org, version 1.1) as CAPE's monitor writes it, and whatever else may stand there instead.

What a document holds comes from a machine that malware runs on. Text that is no UTF-8 is read with replacement
characters; anything that does not fit into its own length is ``Broken``.
"""

import struct
from collections.abc import Iterator

Value = None | bool | int | float | str | bytes | list["Value"] | dict[str, "Value"]

#: The monitor writes arrays of arrays of strings at most.
MAX_DEPTH = 8

_INT32 = struct.Struct("<i").unpack_from
_INT64 = struct.Struct("<q").unpack_from
_DOUBLE = struct.Struct("<d").unpack_from
#: Types of which only the size matters here: object id, time, timestamp, decimal.
_SKIPPED = {0x07: 12, 0x09: 8, 0x11: 8, 0x13: 16}
_EMPTY = frozenset({0x06, 0x0A, 0x7F, 0xFF})  # undefined, null, the largest and the smallest key


class Broken(Exception):
    """These bytes are no BSON document."""


def document(data: bytes) -> dict[str, Value]:
    """The document that is exactly these bytes. Raises Broken."""
    try:
        return dict(_elements(data, 0, len(data), 0))
    except (struct.error, IndexError, ValueError) as error:  # a value, a type or a name beyond the end
        raise Broken(str(error)) from error


def _elements(data: bytes, at: int, end: int, depth: int) -> Iterator[tuple[str, Value]]:
    if depth > MAX_DEPTH:
        raise Broken("nested too deep")
    if at + _INT32(data, at)[0] != end or data[end - 1] != 0:
        raise Broken("the length is wrong")
    at += 4
    while at < end - 1:
        kind = data[at]
        name_end = data.index(0, at + 1, end)
        name = data[at + 1 : name_end].decode("utf-8", "replace")
        value, at = _value(data, kind, name_end + 1, end, depth)
        yield name, value
    if at != end - 1:
        raise Broken("a value goes beyond the end")


def _value(data: bytes, kind: int, at: int, end: int, depth: int) -> tuple[Value, int]:
    """The value that begins here, and where the next element does."""
    match kind:
        case 0x10:
            return _INT32(data, at)[0], at + 4
        case 0x12:
            return _INT64(data, at)[0], at + 8
        case 0x05:
            begins = at + 5  # behind the length and the subtype
            stop = begins + _length(data, at, begins, end)
            return data[begins:stop], stop
        case 0x02 | 0x0D | 0x0E:  # text, code, symbol: the length counts the zero at the end
            stop = at + 4 + _length(data, at, at + 4, end)
            return data[at + 4 : max(at + 4, stop - 1)].decode("utf-8", "replace"), stop
        case 0x04:
            stop = at + _length(data, at, at, end)
            return [value for _, value in _elements(data, at, stop, depth + 1)], stop
        case 0x03:
            stop = at + _length(data, at, at, end)
            return dict(_elements(data, at, stop, depth + 1)), stop
        case 0x01:
            return _DOUBLE(data, at)[0], at + 8
        case 0x08:
            return data[at] != 0, at + 1
        case _ if kind in _EMPTY:
            return None, at
        case _ if kind in _SKIPPED:
            return None, at + _SKIPPED[kind]
        case _:
            raise Broken(f"unknown type {kind:#04x}")


def _length(data: bytes, at: int, begins: int, end: int) -> int:
    length: int = _INT32(data, at)[0]
    if not 0 <= length <= end - begins:
        raise Broken("a length goes beyond the end")
    return length

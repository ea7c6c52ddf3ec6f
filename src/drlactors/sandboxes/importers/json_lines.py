"""Reads JSON objects, one a line."""

from collections.abc import Iterator
from typing import Any

import msgspec

from drlactors.sandboxes.importers import tolerant
from drlactors.sandboxes.importers.source import Source, Unreadable

_DECODER: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])


def objects(source: Source) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects with the numbers of their lines. Blank lines are passed over. Raises Unreadable with the line."""
    for number, line in source.lines():
        if not line or line.isspace():
            continue
        try:
            yield number, tolerant.decode(_DECODER, line)
        except (msgspec.DecodeError, RecursionError) as error:
            raise Unreadable(f"line {number}", str(error)) from error


class Fields:
    """The fields of one object, each of the kind that it must be. Raises Unreadable with line and field."""

    def __init__(self, number: int, fields: dict[str, Any]) -> None:
        self._number = number
        self._fields = fields

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def text(self, name: str) -> str:
        """Empty where it is missing."""
        found = self._fields.get(name)
        if found is None:
            return ""
        if not isinstance(found, str):
            raise self.fault(name, "text is expected")
        return found

    def number(self, name: str) -> int | None:
        """A whole number that is not negative, also as decimal or hexadecimal text; None where it is missing."""
        found = self._fields.get(name)
        if found is None or found in ("", "-"):
            return None
        if isinstance(found, str):
            try:
                found = int(text := found[:24], 0)
            except ValueError:
                raise self.fault(name, f"a number is expected, and {text!r} is there") from None
        if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found < 1 << 63:
            raise self.fault(name, "a number is expected")
        return found

    def fault(self, name: str, why: str) -> Unreadable:
        return Unreadable(f"line {self._number}, field {name}", why)

"""Walks through JSON of any size: the outer layers step by step, the inner values handed over as bytes, to be decoded.

A parser that makes an event or an object of everything spends its time on what nobody asks for. Here one regular
expression finds where a value ends, and msgspec decodes what is wanted of it: ``bench import`` compares. What is passed
over is held to strings that end and brackets that match; what is decoded, to all of JSON.
"""

import re
from collections.abc import Iterator
from typing import TypeVar

import msgspec

from drlactors.sandboxes.importers.source import Source, Unreadable

CHUNK_BYTES = 256 << 10
#: Brackets inside brackets. Reports have a dozen.
MAX_DEPTH = 200
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_SPACE = re.compile(rb"[ \t\r\n]*+")
#: All that opens and closes nothing.
_PLAIN = re.compile(rb'[^"\[\]{}]*+(?:' + _STRING + rb'[^"\[\]{}]*+)*+', re.DOTALL)
#: How an object begins, with its first key.
_BEGIN = re.compile(rb"\{[ \t\r\n]*+" + _STRING)
_SCALAR = re.compile(rb"(?:" + _STRING + rb'|[^",:\[\]{} \t\r\n]++)(?=.)', re.DOTALL)
_KEY = re.compile(rb"[ \t\r\n]*+(" + _STRING + rb")[ \t\r\n]*+:[ \t\r\n]*+(?=.)", re.DOTALL)
_ENDS = {ord("{"): ord("}"), ord("["): ord("]")}
_TEXT = msgspec.json.Decoder(str)
_T = TypeVar("_T")


class JsonCursor:
    """Stands before a value. Raises ``Unreadable`` with the path to it."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._data = b""
        self._at = 0
        self._over = False  # the source has no more
        self._dealt_with = True  # the value that the cursor was put before was taken or passed over
        self._path: list[str | int] = []
        self._more()
        if self._data.startswith(b"\xef\xbb\xbf"):
            self._at = 3

    def members(self) -> Iterator[str]:
        """The keys of an object, the cursor before each one's value; a value that is not taken is passed over."""
        self._enter(b"{")
        while self._peek() != b"}":
            key = self._key()
            self._path.append(key)
            self._dealt_with = False
            yield key
            if not self._dealt_with:
                self.skip()
            self._path.pop()
            if not self._goes_on(b"}"):
                return
        self._at += 1

    def items(self) -> Iterator[int]:
        """The same for an array: the numbers of its elements."""
        self._enter(b"[")
        number = 0
        while self._peek() != b"]":
            self._path.append(number)
            self._dealt_with = False
            yield number
            if not self._dealt_with:
                self.skip()
            self._path.pop()
            number += 1
            if not self._goes_on(b"]"):
                return
        self._at += 1

    def each(self, decoder: "msgspec.json.Decoder[_T]") -> Iterator[_T]:
        """What the decoder makes of the elements of an array: fast where all begin with the same key.

        Then what stands between two of them is found at the speed of memory, and the decoder itself proves that what
        lies before it is one value and no more; else the end of the element is looked for.
        """
        self._enter(b"[")
        if self._peek() == b"]":
            self._at += 1
            return
        self._path.append(number := 0)
        between, begin = b"", 0
        while True:
            end = self._data.find(between, self._at) if between else -1
            if end < 0 and self._at and len(self._data) - self._at < CHUNK_BYTES and self._more():
                continue
            if end >= 0:
                try:
                    found = decoder.decode(self._data[self._at : end + 1])
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    between = b""
                    continue
                self._at = end + len(between) - begin
                yield found
            else:
                found = self.decoded(decoder)
                behind = self._data
                goes_on = self._goes_on(b"]")
                if goes_on and self._data is behind and (next_one := _BEGIN.match(behind, self._at)):
                    between, begin = b"}" + behind[: self._at] + next_one[0], len(next_one[0])
                yield found
                if not goes_on:
                    break
            number += 1
            self._path[-1] = number
        self._path.pop()

    def value(self) -> bytes:
        """The value, as it stands there."""
        self._peek()
        self._end_of_value(keep=True)
        value, self._data, self._at = self._data[: self._at], self._data[self._at :], 0
        self._dealt_with = True
        return value

    def decoded(self, decoder: "msgspec.json.Decoder[_T]") -> _T:
        return self.decode(decoder, self.value())

    def decode(self, decoder: "msgspec.json.Decoder[_T]", value: bytes) -> _T:
        """What the decoder makes of a value that was taken here."""
        try:
            return decoder.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self.fault(str(error)) from error

    def skip(self) -> None:
        """Pass over the value."""
        self._peek()
        self._end_of_value(keep=False)
        self._dealt_with = True

    def finish(self) -> None:
        """Nothing follows the outermost value."""
        if self._peek(needed=False):
            raise self.fault("something follows the end")

    def fault(self, why: str) -> Unreadable:
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{part[:80]}" for part in self._path).lstrip(".")
        at = self._source.bytes - len(self._data) + self._at
        return Unreadable(f"{path or 'the outermost value'} (byte {at:,})", why)

    def _peek(self, *, needed: bool = True) -> bytes:
        """The next byte that is no space."""
        while True:
            found = _SPACE.match(self._data, self._at)
            assert found is not None, "it matches nothing as well"
            self._at = found.end()
            if self._at < len(self._data):
                return self._data[self._at : self._at + 1]
            if not self._more():
                if needed:
                    raise self.fault("the file ends here: it is cut off")
                return b""

    def _more(self) -> bool:
        """Read on; what lies before the cursor is given up."""
        if self._at:
            self._source.turn()
        rest = self._data[self._at :]
        data = self._source.read(max(CHUNK_BYTES, len(rest)))
        self._data, self._at, self._over = rest + data, 0, not data
        return bool(data)

    def _enter(self, bracket: bytes) -> None:
        if (there := self._peek()) != bracket:
            kind = "an object" if bracket == b"{" else "an array"
            raise self.fault(f"{kind} is expected, and {there.decode('latin-1')!r} is there")
        if len(self._path) >= MAX_DEPTH:
            raise self.fault(f"nested deeper than {MAX_DEPTH}")
        self._at += 1
        self._dealt_with = True

    def _key(self) -> str:
        while not (found := _KEY.match(self._data, self._at)):
            if not self._more():
                raise self.fault("a key is expected")
        self._at = found.end()
        return self.decode(_TEXT, found[1])

    def _goes_on(self, end: bytes) -> bool:
        there = self._peek()
        if there not in (b",", end):
            raise self.fault(f"',' or {end.decode()!r} is expected, and {there.decode('latin-1')!r} is there")
        self._at += 1
        if there == b"," and self._peek() == end:
            raise self.fault("a value is expected after ','")
        return there == b","

    def _end_of_value(self, *, keep: bool) -> None:
        """Put the cursor behind the value; when it is kept, the value is all that lies before the cursor."""
        if keep:
            self._data, self._at = self._data[self._at :], 0
        if self._data[self._at] not in _ENDS:
            while not (found := _SCALAR.match(self._data, self._at)):
                if not self._more():
                    raise self.fault("a value is expected" if self._data else "the file ends here: it is cut off")
            self._at = found.end()
            return
        open_ = bytearray()  # the brackets that are to come
        while True:
            found = _PLAIN.match(self._data, self._at)
            assert found is not None, "it matches nothing as well"
            at = found.end()
            if at == len(self._data) or self._data[at] == ord('"'):
                at = self._read_on(at, keep=keep)
                continue
            byte = self._data[at]
            if byte in _ENDS:
                open_.append(_ENDS[byte])
                if len(open_) + len(self._path) > MAX_DEPTH:
                    raise self.fault(f"nested deeper than {MAX_DEPTH}")
            elif byte != open_.pop():
                raise self.fault(f"{chr(byte)!r} closes what it did not open")
            self._at = at + 1
            if not open_:
                return

    def _read_on(self, at: int, *, keep: bool) -> int:
        self._at = at
        if keep:
            data = self._source.read(max(CHUNK_BYTES, len(self._data)))
            self._data += data
        else:
            data = b"x" if self._more() else b""
        if not data:
            raise self.fault("the file ends here: it is cut off")
        return self._at

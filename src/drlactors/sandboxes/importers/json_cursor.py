"""Walks through JSON of any size: the outer layers step by step, the inner values handed over as bytes, to be decoded.

A parser that makes an event or an object of everything spends its time on what nobody asks for. Here one regular
expression finds where a value ends, and msgspec decodes what is wanted of it: ``bench import`` compares. What is passed
over is held to strings that end and brackets that match; what is decoded, to all of JSON.
"""

import re
from collections.abc import Iterator
from typing import TypeVar

import msgspec

from drlactors.sandboxes.importers import tolerant
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
_RAW = msgspec.json.Decoder(msgspec.Raw)
#: How deep what is passed over is walked; what is deeper is small.
_LAYERS = 4
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
                goes_on, between, begin = self._next()
                yield found
                if not goes_on:
                    break
            number += 1
            self._path[-1] = number
        self._path.pop()

    def _next(self) -> tuple[bool, bytes, int]:
        """Go on behind an element: whether there is another one, what stood between, how much of that is its own."""
        data, behind = self._data, self._at
        goes_on = self._goes_on(b"]")
        if goes_on and self._data is data and (begin := _BEGIN.match(data, self._at)):
            return True, b"}" + data[behind : self._at] + begin[0], len(begin[0])
        return goes_on, b"", 0

    def value(self) -> bytes:
        """The value, as it stands there."""
        self._peek()
        start = self._end_of_value(self._at)
        self._dealt_with = True
        return self._data[start : self._at]

    def decoded(self, decoder: "msgspec.json.Decoder[_T]") -> _T:
        return self.decode(decoder, self.value())

    def decode(self, decoder: "msgspec.json.Decoder[_T]", value: bytes) -> _T:
        """What the decoder makes of a value that was taken here."""
        try:
            return tolerant.decode(decoder, value)
        except (msgspec.DecodeError, RecursionError) as error:
            raise self.fault(str(error)) from error

    def skip(self) -> None:
        """Pass over the value: what is large in a report are arrays of objects, a few layers down."""
        there = self._peek()
        if len(self._path) > _LAYERS or there not in (b"{", b"["):
            self._end_of_value(None)
        elif there == b"{":
            for _ in self.members():
                pass
        else:
            self._skip_array()
        self._dealt_with = True

    def _skip_array(self) -> None:
        """As ``each``, and nothing is made of the elements."""
        self._enter(b"[")
        if self._peek() == b"]":
            self._at += 1
            return
        between, begin = b"", 0
        while True:
            end = self._data.find(between, self._at) if between else -1
            if end >= 0 and _is_value(self._data[self._at : end + 1]):
                self._at = end + len(between) - begin
                continue
            self._end_of_value(None)
            goes_on, between, begin = self._next()
            if not goes_on:
                return

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

    def _end_of_value(self, start: int | None) -> int:
        """Put the cursor behind the value. What is to be kept begins at ``start``; where it begins then is returned."""
        if self._data[self._at] not in _ENDS:
            while not (found := _SCALAR.match(self._data, self._at)):
                start = self._read_on(start)
            self._at = found.end()
            return start or 0
        open_ = bytearray()  # the brackets that are to come
        while True:
            found = _PLAIN.match(self._data, self._at)
            assert found is not None, "it matches nothing as well"
            self._at = at = found.end()
            if at == len(self._data) or self._data[at] == ord('"'):
                start = self._read_on(start)
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
                return start or 0

    def _read_on(self, start: int | None) -> int | None:
        """Read more of a value, of which what lies between ``start`` and the cursor is kept."""
        if start is None:
            more = self._more()
        else:
            data = self._source.read(max(CHUNK_BYTES, len(self._data)))
            self._data, self._at, start = self._data[start:] + data, self._at - start, 0
            more = bool(data)
        if not more:
            cut_off = self._data[self._at : self._at + 1] in (b"", b'"')
            raise self.fault("the file ends here: it is cut off" if cut_off else "a value is expected")
        return start


def _is_value(data: bytes) -> bool:
    try:
        _RAW.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True

"""Follows the behaviour log of one process while CAPE's result server writes it.

``storage/analyses/ID/logs/PID.bson`` is a row of BSON documents. The monitor explains each API before its first call:
``{I: index, name, type: "info", category, args: [name or [name, type], ...]}``. A call is ``{I, C, R, P: addresses,
T: thread, t: ms since the process began, r: repetitions, args: [values]}``, the first two values being ``is_success``
and ``retval``; text is written as binary. ``__process__`` says which process this is. Sources: ``loq`` and
``log_new_process`` in kevoreilly/capemon log.c; ``BsonParser`` in kevoreilly/CAPEv2 lib/cuckoo/common/netlog.py.

The result server opens a log anew when a process with this id connects again, which empties it: a log that is shorter
than it was, or begins otherwise, is read from its beginning.
"""

import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from drlactors.sandboxes.cape.bson import Broken, Value, document

#: The monitor cuts buffers at 2 KiB and texts at 32,767 characters. CAPE takes 20 MiB, in which much could be hidden.
MAX_RECORD_BYTES = 1 << 20
#: What a log is known by: in it stands, to 100 ns, when its process began.
HEAD_BYTES = 512
#: Longer values tell nothing more.
MAX_VALUE_CHARACTERS = 1024
MAX_INDEX = 1 << 16


class Began(NamedTuple):
    """The process says who it is."""

    pid: int
    parent: int
    path: str


class Called(NamedTuple):
    """One call, with its arguments as they stand in CAPE's reports."""

    pid: int
    name: str
    category: str
    at_us: int  # since the process began
    ok: bool
    times: int  # itself, and its repetitions
    arguments: Mapping[str, str]


class Mark(NamedTuple):
    """Where reading stopped, and what the log was known by."""

    offset: int
    head_crc: int
    broken: bool = False


class _Explained(NamedTuple):
    name: str
    category: str
    arguments: tuple[tuple[str, str], ...]  # name and type, "h" and "p" being numbers to be written in hexadecimal


class ProcessLog:
    """Reads what is new. Not for threads."""

    def __init__(self, path: Path) -> None:
        self.pid = int(path.stem)
        self.offset = 0  # up to where it was read
        self.passed_over = 0  # records that made no sense
        self.restarts = 0
        self.broken = ""  # why nothing more can be read
        self._path = path
        self._head = b""
        self._explained: dict[int, _Explained] = {}

    def read(self, most_bytes: int) -> Iterator[Began | Called]:
        """The whole records that are new, of about so many bytes at most. Raises OSError."""
        with self._path.open("rb") as file:
            self._see_whether_it_is_new(file.fileno())
            yield from self._advance(file.fileno(), self.offset + most_bytes)
            if len(self._head) < min(HEAD_BYTES, self.offset):  # it grew meanwhile
                self._head = os.pread(file.fileno(), HEAD_BYTES, 0)

    @property
    def mark(self) -> Mark:
        return Mark(self.offset, zlib.crc32(self._head[: self.offset]), bool(self.broken))

    def resume(self, mark: Mark) -> Iterator[Began | Called]:
        """Go on where it was left, if this is still that log; what stands there up to then. Raises OSError."""
        with self._path.open("rb") as file:
            head = os.pread(file.fileno(), min(HEAD_BYTES, mark.offset), 0)
            if zlib.crc32(head) != mark.head_crc:
                return
            yield from self._advance(file.fileno(), mark.offset)
            if mark.broken and not self.broken:
                self.broken = f"no record at byte {self.offset:,}"

    def _see_whether_it_is_new(self, descriptor: int) -> None:
        head = os.pread(descriptor, HEAD_BYTES, 0)
        if not head.startswith(self._head) or os.fstat(descriptor).st_size < self.offset:
            self.offset = 0
            self.restarts += 1
            self.broken = ""
            self._explained = {}
        self._head = head

    def _advance(self, descriptor: int, until: int) -> Iterator[Began | Called]:
        while self.offset < until and not self.broken:
            data = os.pread(descriptor, MAX_RECORD_BYTES, self.offset)
            at, before = 0, self.offset
            while self.offset < until and (length := self._length(data, at)):
                record = self._understood(data[at : at + length])
                at += length
                self.offset += length
                if record is not None:
                    yield record
            if self.offset == before:
                return

    def _length(self, data: bytes, at: int) -> int:
        """Of the record that begins here; 0 where it is not all there."""
        if at + 4 > len(data):
            return 0
        length = int.from_bytes(data[at : at + 4], "little")
        if not 5 <= length <= MAX_RECORD_BYTES:
            self.broken = f"no record at byte {self.offset:,}"
            return 0
        if at + length > len(data):
            return 0
        if data[at + length - 1]:
            self.broken = f"the record at byte {self.offset:,} does not end where it says"
            return 0
        return length

    def _understood(self, data: bytes) -> Began | Called | None:
        try:
            record = document(data)
            match record.get("type"):
                case "info":
                    self._explain(record)
                case "debug":
                    pass
                case _:
                    return self._call(record)
        except (Broken, KeyError, TypeError, ValueError):
            self.passed_over += 1
        return None

    def _explain(self, record: dict[str, Value]) -> None:
        index, arguments = _whole(record["I"]), record.get("args")
        if not 0 <= index < MAX_INDEX or not isinstance(arguments, list):
            raise ValueError
        named = tuple(
            (_text(one[0]), _text(one[1])) if isinstance(one, list) and len(one) == 2 else (_text(one), "")
            for one in arguments
        )
        self._explained[index] = _Explained(_text(record["name"]), _text(record.get("category", "")), named)

    def _call(self, record: dict[str, Value]) -> Began | Called | None:
        known, values = self._explained[_whole(record["I"])], record.get("args", [])
        if not isinstance(values, list) or len(values) != len(known.arguments):
            raise ValueError
        arguments = {
            name: _hexadecimal(value) if kind in ("h", "p") else _text(value)
            for (name, kind), value in zip(known.arguments, values, strict=True)
        }
        if known.name == "__process__":
            return Began(self.pid, int(arguments["ParentProcessIdentifier"]), arguments["ModulePath"])
        if known.name.startswith("__"):
            return None  # a thread, the environment, an anomaly
        return Called(
            pid=self.pid,
            name=known.name,
            category=known.category,
            at_us=1000 * max(0, _whole(record.get("t", 0))),
            ok=arguments.pop("is_success", "1") not in ("0", ""),
            times=1 + max(0, _whole(record.get("r", 0))),
            arguments=arguments,
        )


def _whole(value: Value) -> int:
    if not isinstance(value, int):
        raise TypeError
    return value


def _text(value: Value) -> str:
    match value:
        case bytes():
            return value[:MAX_VALUE_CHARACTERS].decode("utf-8", "replace")
        case list():
            return " ".join(map(_text, value))[:MAX_VALUE_CHARACTERS]
        case None:
            return ""
        case _:
            return str(value)[:MAX_VALUE_CHARACTERS]


def _hexadecimal(value: Value) -> str:
    """As CAPE's reports have it: of 32 bits where it is negative."""
    if not isinstance(value, int):
        return _text(value)
    return f"0x{value & 0xFFFFFFFF if value < 0 else value:08x}"

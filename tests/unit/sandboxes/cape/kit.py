"""Writes behaviour logs as CAPE's monitor does, for tests that follow them.

The format is that of ``loq``, ``log_new_process`` and ``log_new_thread`` in kevoreilly/capemon log.c (2024), which uses
mongo-c's BSON: text arguments as binary, numbers as int32, pointers of 64 bits as int64; BSON itself is that of
bsonspec.org, version 1.1.
"""

import struct
from collections.abc import Mapping
from pathlib import Path

Argument = int | str | bytes | list[str]

#: Indices below belong to the monitor's own notices.
FIRST_INDEX = 20
_FILETIME_1970 = 116_444_736_000_000_000


def bson(entries: Mapping[str, object]) -> bytes:
    body = b"".join(_element(name, value) for name, value in entries.items())
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def _element(name: str, value: object) -> bytes:
    key = name.encode() + b"\0"
    match value:
        case bool():
            return b"\x08" + key + bytes([value])
        case int() if -(1 << 31) <= value < 1 << 31:
            return b"\x10" + key + struct.pack("<i", value)
        case int():
            return b"\x12" + key + struct.pack("<q", value - (1 << 64) if value >= 1 << 63 else value)
        case str():
            text = value.encode() + b"\0"
            return b"\x02" + key + struct.pack("<i", len(text)) + text
        case bytes():
            return b"\x05" + key + struct.pack("<i", len(value)) + b"\0" + value
        case list():
            return b"\x04" + key + bson({str(number): one for number, one in enumerate(value)})
        case _:
            raise TypeError(value)


class Monitor:
    """The monitor inside one process: each method returns the bytes that it sends."""

    def __init__(self, pid: int, parent: int = 4, path: str = r"C:\Users\u\sample.exe", began_s: float = 1.7e9) -> None:
        self.pid = pid
        self._explained: dict[str, int] = {}
        filetime = int(began_s * 10_000_000) + _FILETIME_1970 + pid
        self._notice = (filetime & 0xFFFFFFFF, filetime >> 32, pid, parent, path)

    def begins(self) -> bytes:
        low, high, pid, parent, path = self._notice
        named = {"TimeLow": low - (1 << 32) if low >= 1 << 31 else low, "TimeHigh": high}
        told = self._say("__process__", "__notification__", 0, 0, {
            **named, "ProcessIdentifier": pid, "ParentProcessIdentifier": parent, "ModulePath": path,
        })  # fmt: skip
        return told + self._say("__thread__", "__notification__", 1, 0, {"ProcessIdentifier": pid})

    def calls(
        self,
        name: str,
        *,
        category: str = "filesystem",
        at_ms: int = 0,
        repeated: int = 0,
        ok: bool = True,
        returned: int = 0,
        **arguments: Argument,
    ) -> bytes:
        index = FIRST_INDEX + len(self._explained)
        return self._say(name, category, index, at_ms, arguments, repeated, (int(ok), returned))

    def _say(
        self,
        name: str,
        category: str,
        index: int,
        at_ms: int,
        arguments: Mapping[str, Argument],
        repeated: int = 0,
        result: tuple[int, int] = (1, 0),
    ) -> bytes:
        said = b""
        if name not in self._explained:
            self._explained[name] = index
            explained: list[object] = ["is_success", "retval"]
            explained += [[one, "h"] if one.endswith("Handle") else one for one in arguments]
            said = bson({"I": index, "name": name, "type": "info", "category": category, "args": explained})
        values = [one.encode() if isinstance(one, str) else one for one in arguments.values()]
        call = {"I": self._explained[name], "C": 0x401000, "R": 0x401000, "P": 0x402000, "T": 2048, "t": at_ms}
        return said + bson(call | {"r": repeated, "args": [*result, *values]})


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)

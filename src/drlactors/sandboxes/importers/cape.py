"""Reads CAPE's reports, 2.2 and 2.4: ``report.json``, as its module jsondump writes it.

Of a call the time, name, success, arguments and ``repeated`` are read: the monitor folds equal calls that follow each
other into one, which hides up to 44 % of them. Times are the guest's, in milliseconds that tick every 15.6.

Left unread is what CAPE concluded when all was over (``signatures``, ``summary``, ``ttps``), and what it found in files
and in memory. ``malscore`` and ``detections`` are the report's verdict: a label for whoever asks for one.
"""

import re
from calendar import timegm
from collections.abc import Iterator
from functools import lru_cache

import msgspec

from drlactors.domain.session import Outcome
from drlactors.sandboxes.importers import monitored, tolerant
from drlactors.sandboxes.importers.json_cursor import JsonCursor
from drlactors.sandboxes.importers.monitored import Dialect, kind_of
from drlactors.sandboxes.importers.report import About, Call, Format, Item
from drlactors.sandboxes.importers.source import Source
from drlactors.sandboxes.importers.windows_api import WindowsApi

_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)", re.ASCII)


class _Argument(msgspec.Struct):
    name: str
    value: object = ""


class _Logged(msgspec.Struct):
    timestamp: str
    api: str
    arguments: msgspec.Raw = msgspec.Raw(b"[]")
    status: bool | int = True
    repeated: int = 0


class _Info(msgspec.Struct):
    version: str = ""
    package: str | None = ""


class _File(msgspec.Struct):
    sha256: str | None = ""
    type: str | None = ""


class _Target(msgspec.Struct):
    file: _File = msgspec.field(default_factory=_File)


_LOGGED = msgspec.json.Decoder(_Logged)
_ARGUMENTS = msgspec.json.Decoder(list[_Argument])
_INFO = msgspec.json.Decoder(_Info)
_TARGET = msgspec.json.Decoder(_Target)
_SCORE = msgspec.json.Decoder(float | None)


def read(source: Source) -> Iterator[Item]:
    cursor = JsonCursor(source)
    info, file, score, families = _Info(), _File(), 0.0, ""
    for key in cursor.members():
        match key:
            case "info":
                info = cursor.decoded(_INFO)
            case "target":
                file = cursor.decoded(_TARGET).file
            case "malscore":
                score = cursor.decoded(_SCORE) or 0.0
            case "detections":
                families = _families(cursor.decoded(monitored.ANY))
            case "behavior":
                for part in cursor.members():
                    if part == "processes":
                        yield from monitored.processes(cursor, _DIALECT, _LOGGED, _call)
    cursor.finish()
    bad = bool(families) or score >= monitored.MALICIOUS_SCORE
    yield About(
        tool=f"CAPE {info.version.removesuffix('-CAPE')}".strip(),
        sha256=monitored.digest_of(file.sha256),
        kind=kind_of(file.type or "", info.package or ""),
        verdict=Outcome.MALICIOUS if bad else None,
        because=families or f"malscore {score:g}",
    )


def _call(logged: _Logged, pid: int, api: WindowsApi) -> Call:
    at_us, ok, times = _moment_us(logged.timestamp), bool(logged.status), 1 + max(0, logged.repeated)
    if not monitored.tells(logged.api):
        return Call(at_us, pid, logged.api, ok, times)
    arguments = {one.name: monitored.plain(one.value) for one in tolerant.decode(_ARGUMENTS, logged.arguments)}
    return api.call(pid, logged.api, at_us, ok, times, arguments)


@lru_cache(4096)
def _moment_us(said: str) -> int:
    """Of one tick of the clock there are many calls. Raises ValueError."""
    milliseconds = said[20:]
    if said[19:20] != "," or len(milliseconds) != 3 or not milliseconds.isdecimal():
        raise ValueError(f"{said[:40]!r} is no time")
    return _second_us(said[:19]) + int(milliseconds) * 1000


@lru_cache(1024)
def _second_us(said: str) -> int:
    if not (found := _TIME.fullmatch(said)):
        raise ValueError(f"{said!r} is no time")
    return timegm((*map(int, found.groups()), 0, 0, 0)) * 1_000_000


def _first_seen_us(said: object) -> int | None:
    try:
        return _moment_us(said) if isinstance(said, str) else None
    except ValueError:
        return None  # then the process is where its calls are


def _families(said: object) -> str:
    """In 2.2 a name, in 2.4 a list of objects with one."""
    if isinstance(said, str):
        return said
    found = [one.get("family") for one in said if isinstance(one, dict)] if isinstance(said, list) else []
    return ", ".join(one for one in found if isinstance(one, str))


_DIALECT = Dialect("process_id", "parent_id", "first_seen", "", _first_seen_us)
_VERSION = re.compile(rb'"version"\s*:\s*"[0-9.]+-CAPE"')
#: What no other sandbox's report begins with. The version may be megabytes behind.
_BEGIN = re.compile(rb'(?:\xef\xbb\xbf)?\s*+\{\s*"(?:statistics|CAPE|curtain|deduplicated_shots|procdump)"\s*:')


def detects(head: bytes, _: str) -> bool:
    return bool(_BEGIN.match(head)) or (
        head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") and bool(_VERSION.search(head))
    )


FORMAT = Format("CAPE", detects, read)

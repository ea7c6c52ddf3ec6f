"""Reads Cuckoo's reports, 2.x: ``report.json``.

Calls stand before the number of their process. Times are the guest's, in seconds since 1970 as the guest has it. The
first process is lsass.exe, watched for everybody and traced for nobody: the target is the first with ``track``.

Left unread is what Cuckoo concluded when all was over (``signatures``, ``summary``, ``apistats``). Its score is the
report's verdict: a label for whoever asks for one.
"""

import math
import re
from collections.abc import Iterator

import msgspec

from drlactors.domain.session import Outcome
from drlactors.sandboxes.importers import monitored, tolerant
from drlactors.sandboxes.importers.json_cursor import JsonCursor
from drlactors.sandboxes.importers.monitored import Dialect, kind_of
from drlactors.sandboxes.importers.report import About, Call, Format, Item
from drlactors.sandboxes.importers.source import Source
from drlactors.sandboxes.importers.windows_api import WindowsApi


class _Logged(msgspec.Struct):
    time: float
    api: str
    arguments: msgspec.Raw = msgspec.Raw(b"{}")
    status: int | bool = 1
    repeated: int = 0


class _Info(msgspec.Struct):
    version: str = ""
    package: str | None = ""
    score: float | None = 0.0


class _File(msgspec.Struct):
    sha256: str | None = ""
    type: str | None = ""


class _Target(msgspec.Struct):
    file: _File = msgspec.field(default_factory=_File)


_LOGGED = msgspec.json.Decoder(_Logged)
_ARGUMENTS = msgspec.json.Decoder(dict[str, object])
_INFO = msgspec.json.Decoder(_Info)
_TARGET = msgspec.json.Decoder(_Target)


def read(source: Source) -> Iterator[Item]:
    cursor = JsonCursor(source)
    info, file = _Info(), _File()
    for key in cursor.members():
        match key:
            case "info":
                info = cursor.decoded(_INFO)
            case "target":
                file = cursor.decoded(_TARGET).file
            case "behavior":
                for part in cursor.members():
                    if part == "processes":
                        yield from monitored.processes(cursor, _DIALECT, _LOGGED, _call)
    cursor.finish()
    score = info.score or 0.0
    yield About(
        tool=f"Cuckoo {info.version}".strip(),
        sha256=monitored.digest_of(file.sha256),
        kind=kind_of(file.type or "", info.package or ""),
        verdict=Outcome.MALICIOUS if score >= monitored.MALICIOUS_SCORE else None,
        because=f"score {score:g}",
    )


def _call(logged: _Logged, pid: int, api: WindowsApi) -> Call:
    at_us, ok, times = _moment_us(logged.time), bool(logged.status), 1 + max(0, logged.repeated)
    if not monitored.tells(logged.api):
        return Call(at_us, pid, logged.api, ok, times)
    arguments = {name: monitored.plain(value) for name, value in tolerant.decode(_ARGUMENTS, logged.arguments).items()}
    return api.call(pid, logged.api, at_us, ok, times, arguments)


def _moment_us(seconds: float) -> int:
    """Raises ValueError."""
    if not (math.isfinite(seconds) and 0 <= seconds < 1e11):
        raise ValueError(f"{seconds:g} is no time")
    return round(seconds * 1_000_000)


def _first_seen_us(said: object) -> int | None:
    try:
        return _moment_us(float(said)) if isinstance(said, int | float) else None
    except (ValueError, OverflowError):
        return None


_DIALECT = Dialect("pid", "ppid", "first_seen", "track", _first_seen_us)
_SECTIONS = re.compile(rb'[\s\xef\xbb\xbf]*\{\s*"(?:info|target|behavior|signatures|network|static|debug)"\s*:\s*[\[{]')
_OWN = re.compile(rb'"(?:added|machine|platform|route|custom|monitor|git|owner|tlp)"\s*:|"version"\s*:\s*"2\.\d')


def detects(head: bytes, _: str) -> bool:
    """By the sections that it begins with. CAPE's, which begins otherwise, is asked for first."""
    return bool(_SECTIONS.match(head)) and bool(_OWN.search(head))


FORMAT = Format("Cuckoo", detects, read)

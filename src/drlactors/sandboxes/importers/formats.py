"""The formats that are known, and which of them a file has."""

from drlactors.sandboxes.importers import cape, cuckoo, drakvuf, strace_log, telemetry_json, vmray, windows_events
from drlactors.sandboxes.importers.report import Format
from drlactors.sandboxes.importers.source import Source

_UNPACK, _CONVERT = "unpack it first", "convert it to UTF-8 first"
#: How files begin that may well hold a report, and what to do about it.
_WRAPPED: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", f"a zip archive: {_UNPACK}"),
    (b"7z\xbc\xaf\x27\x1c", f"a 7z archive: {_UNPACK}"),
    (b"BZh", f"packed by bzip2: {_UNPACK}"),
    (b"\xfd7zXZ\x00", f"packed by xz: {_UNPACK}"),
    (b"\x28\xb5\x2f\xfd", f"packed by zstd: {_UNPACK}"),
    (b"\xff\xfe", f"in UTF-16 or UTF-32: {_CONVERT}"),
    (b"\xfe\xff", f"in UTF-16: {_CONVERT}"),
    (b"\x00\x00\xfe\xff", f"in UTF-32: {_CONVERT}"),
)

#: Asked in this order: a format that another one's test would take for its own stands before it.
FORMATS: tuple[Format, ...] = (
    drakvuf.FORMAT,
    vmray.FORMAT,
    windows_events.FORMAT,
    telemetry_json.FORMAT,
    strace_log.FORMAT,
    cape.FORMAT,
    cuckoo.FORMAT,
)


def detected(source: Source) -> Format | None:
    """The format of this file, by what it begins with."""
    return next((known for known in FORMATS if known.detects(source.head, source.name)), None)


def wrapped(source: Source) -> str:
    """What keeps a file from being read for a report that it may hold; empty of one that holds none."""
    return next((what for begins, what in _WRAPPED if source.head.startswith(begins)), "")

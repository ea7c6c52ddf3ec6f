"""The formats that are known, and which of them a file has."""

from drlactors.sandboxes.importers import cape, cuckoo, drakvuf, strace_log, telemetry_json, vmray, windows_events
from drlactors.sandboxes.importers.report import Format
from drlactors.sandboxes.importers.source import Source

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

"""Reports made up for tests: small ones of each sandbox, and reading them."""

import json
from io import BytesIO
from typing import Any

from drlactors.domain.telemetry import Telemetry
from drlactors.sandboxes.importers.building import WINDOW_MS, Built, build
from drlactors.sandboxes.importers.formats import detected
from drlactors.sandboxes.importers.report import Item
from drlactors.sandboxes.importers.source import Source

SHA256 = "ab" * 32


def cape_call(api: str = "NtClose", at: str = "10:00:00,000", **other: Any) -> dict[str, Any]:
    arguments = [{"name": name, "value": value} for name, value in other.pop("arguments", {}).items()]
    day = other.pop("day", "2023-01-28")
    return {
        "timestamp": f"{day} {at}", "thread_id": "1", "category": "x", "api": api, "status": True,
        "arguments": arguments, "repeated": 0, **other,
    }  # fmt: skip


def cape_process(
    pid: int, *calls: dict[str, Any], parent: int = 1, name: str = "a.exe", **other: Any
) -> dict[str, Any]:
    seen = calls[0]["timestamp"] if calls and isinstance(calls[0].get("timestamp"), str) else "2023-01-28 10:00:00,000"
    return {
        "process_id": pid, "process_name": name, "parent_id": parent, "first_seen": seen, "calls": list(calls), **other,
    }  # fmt: skip


def cape(*processes: dict[str, Any], **other: Any) -> dict[str, Any]:
    return {
        "statistics": {"processing": [{"name": "CAPE", "time": 1.5}]},
        "target": {"category": "file", "file": {"sha256": SHA256, "type": "PE32 executable", "strings": ["{[\\"]}},
        "info": {"version": "2.4-CAPE", "package": "exe"},
        "behavior": {"processes": list(processes), "processtree": [], "summary": {"files": ["secret of the end"]}},
        "signatures": [{"name": "ransomware_files"}],
        "malscore": 1.0,
        **other,
    }  # fmt: skip


def cuckoo_call(api: str = "NtClose", at_s: float = 0.0, **other: Any) -> dict[str, Any]:
    return {
        "category": "x", "status": 1, "stacktrace": [], "api": api, "return_value": 0, "arguments": {},
        "time": 1_700_000_000 + at_s, "tid": 1, "flags": {}, **other,
    }  # fmt: skip


def cuckoo_process(
    pid: int, *calls: dict[str, Any], parent: int = 1, track: bool = True, **other: Any
) -> dict[str, Any]:
    """With its keys in Cuckoo's order: the calls stand before the process's number."""
    seen = calls[0]["time"] if calls else 1_700_000_000
    return {
        "process_path": "C:\\a.exe", "calls": list(calls), "track": track, "pid": pid, "process_name": "a.exe",
        "first_seen": seen, "ppid": parent, "type": "process", **other,
    }  # fmt: skip


def cuckoo(*processes: dict[str, Any], **other: Any) -> dict[str, Any]:
    lsass = cuckoo_process(488, parent=380, track=False, process_name="lsass.exe")
    return {
        "info": {"added": 1700000000.5, "version": "2.0.7", "score": 1.0, "package": ""},
        "target": {"category": "file", "file": {"sha256": SHA256, "type": "PE32 executable (DLL) (GUI)"}},
        "behavior": {"generic": [], "processes": [lsass, *processes], "summary": {}},
        **other,
    }


def lines(*objects: dict[str, Any]) -> bytes:
    """JSON, one object a line."""
    return "".join(json.dumps(one) + "\n" for one in objects).encode()


def items(data: bytes, name: str) -> list[Item]:
    """What the reader that is detected yields."""
    source = Source(BytesIO(data), name)
    found = detected(source)
    assert found is not None, "no format is detected"
    return list(found.read(source))


def read(report: Any, name: str = "report.json", window_ms: int = WINDOW_MS) -> Built:
    """The run in a report, which is JSON or the bytes of a file."""
    data = report if isinstance(report, bytes) else json.dumps(report).encode()
    source = Source(BytesIO(data), name)
    found = detected(source)
    assert found is not None, "no format is detected"
    (built,) = build(found.read(source), window_ms=window_ms)
    return built


def telemetry(report: Any) -> list[Telemetry]:
    return [window.telemetry for window in read(report).windows]

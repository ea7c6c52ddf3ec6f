"""TelemetryData of the specification becomes the windows that it is."""

import json
from typing import Any

import pytest

from drlactors.domain.telemetry import MAX_CHARACTERS, MAX_ENTRIES, Telemetry
from drlactors.sandboxes.importers.building import build
from drlactors.sandboxes.importers.source import Unreadable
from tests.unit.sandboxes.importers.kit import SHA256, items, lines, read


def data(at: Any = 1_700_000_000, **other: Any) -> dict[str, Any]:
    return {"sandbox_id": "box-1", "timestamp": at, "syscall_count": 5, "artifact_hash": SHA256, **other}


WHOLE: dict[str, Any] = {
    "syscall_types": ["read", "write"],
    "file_read_count": 1,
    "file_write_count": 2,
    "file_delete_count": 3,
    "accessed_paths": ["/a", "/b"],
    "network_connections": 4,
    "bytes_sent": 5,
    "bytes_received": 6,
    "contacted_ips": ["192.0.2.1"],
    "child_processes": 7,
    "cpu_usage": 0.5,
    "memory_usage": 1024.0,
    "registry_modification": True,
    "privilege_escalation_attempt": False,
    "code_injection_detected": True,
}


def test_every_field_is_taken_as_it_is():
    found = read(json.dumps(data(**WHOLE, artifact_type="elf")).encode())
    (window,) = found.windows
    seen: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in WHOLE.items()}
    assert window.telemetry == Telemetry(syscall_count=5, **seen)
    assert (found.about.sha256, found.about.kind) == (SHA256, "elf")


def test_what_is_missing_is_missing_and_not_zero():
    (window,) = read(json.dumps(data()).encode()).windows
    assert window.telemetry == Telemetry(syscall_count=5)


@pytest.mark.parametrize(
    "written",
    [
        lines(data(), data(1_700_000_001)),
        json.dumps([data(), data(1_700_000_001)]).encode(),
        json.dumps([data(), data(1_700_000_001)], indent=4).encode(),
        (json.dumps(data(), indent=1) + json.dumps(data(1_700_000_001), indent=1)).encode(),
        b"\xef\xbb\xbf" + lines(data(), data(1_700_000_001)),
    ],
    ids=["lines", "list", "indented list", "one after another", "with a mark of the byte order"],
)
def test_one_object_lists_and_lines_are_read_alike(written):
    assert [window.seq for window in read(written).windows] == [0, 1]


@pytest.mark.parametrize(
    "at",
    [
        1_700_000_000,
        1_700_000_000.0,
        1_700_000_000_000,
        1_700_000_000_000_000,
        1_700_000_000_000_000_000,
        "2023-11-14T22:13:20Z",
        "2023-11-14T22:13:20",
        "2023-11-14 23:13:20+01:00",
    ],
)
def test_times_may_be_written_in_many_ways(at):
    (window,) = read(json.dumps(data(at)).encode()).windows
    assert window.observed_us == 1_700_000_000_000_000


def test_windows_are_put_in_the_order_of_their_times():
    found = read(lines(*(data(1_700_000_000 + at, syscall_count=at) for at in (2, 0, 1))))
    assert [window.telemetry.syscall_count for window in found.windows] == [0, 1, 2]


def test_values_that_cannot_be_are_missing_and_counted():
    absurd = data(syscall_count=-1, bytes_sent="many", cpu_usage=float("nan"), accessed_paths=[7], child_processes=True)
    found = read(json.dumps(absurd).encode())
    assert found.windows[0].telemetry == Telemetry()
    assert dict(found.passed) == {
        f"values that cannot be, of {name}": 1
        for name in ("syscall_count", "bytes_sent", "child_processes", "cpu_usage", "accessed_paths")
    }


@pytest.mark.parametrize("amount", ["1e999", "9" * 400, "-1"])
def test_an_amount_beyond_all_bounds_is_missing_and_counted(amount):
    written = json.dumps(data(cpu_usage=0)).replace('"cpu_usage": 0', f'"cpu_usage": {amount}')
    found = read(written.encode())
    assert found.windows[0].telemetry == Telemetry(syscall_count=5)
    assert dict(found.passed) == {"values that cannot be, of cpu_usage": 1}


def test_halves_of_characters_are_replaced():
    """No encoding takes them, and JSON can spell them."""
    found = read(json.dumps(data(accessed_paths=["/a\ud800"], artifact_type="e\udfff")).encode())
    assert (found.windows[0].telemetry.accessed_paths, found.about.kind) == (("/a?",), "e?")


def test_long_lists_and_long_texts_are_cut():
    many = data(accessed_paths=[f"/{number:05}" * 100 for number in range(200)])
    (window,) = read(json.dumps(many).encode()).windows
    paths = window.telemetry.accessed_paths
    assert (len(paths), {len(path) for path in paths}) == (MAX_ENTRIES, {MAX_CHARACTERS})


def test_each_sandbox_and_artifact_is_a_run_of_its_own():
    other = data(1_700_000_005, sandbox_id="box-2", artifact_hash="cd" * 32)
    runs = list(build(items(lines(data(), other, data(1_700_000_001)), "t.json")))
    assert [(run.part, run.about.sha256, len(run.windows)) for run in runs] == [
        ("", SHA256, 2),
        (f"box-2 {'cd' * 32}", "cd" * 32, 1),
    ]


@pytest.mark.parametrize(
    ("written", "place"),
    [
        (lines(data()) + b'{"sandbox_id": "box', "object 1: it is cut off"),
        (json.dumps([data(), data()]).encode()[:-1], "object 2: the list is cut off"),
        (lines(data()) + b"7\n", "object 1: an object is expected, and '7"),
        (lines(data()) + b"]\n", "object 1: an object is expected"),
        (lines(data(None)), "object 0, timestamp: a time is expected"),
        (lines(data("soon")), "object 0, timestamp: .*soon"),
        (lines(data(True)), "object 0, timestamp"),
        (lines(data(17)), "object 0, timestamp"),
        (lines(data()) + b'\xff{"a": 1}', "object 1: an object is expected"),
        (lines(data()) + b'{"a": ' + b"[" * 200_000, "object 1"),
        (lines(data()) + b'{"a": "' + b"x" * (3 << 20), "object 1: it is cut off, too long"),
        (lines(data()) + b'{"a": ' + b"9" * 10_000 + b"}", "object 1"),
    ],
)
def test_a_broken_object_is_named_with_its_number(written, place):
    with pytest.raises(Unreadable, match=place):
        items(written, "t.json")

"""Seconds of Android apps become windows; what tells when, where and by whom they were recorded does not."""

import gzip
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from drlactors.domain.telemetry import Telemetry
from drlactors.sandboxes.errors import BrokenRecording, RecordingsMissing
from drlactors.sandboxes.importers.android_strace import runs
from drlactors.sandboxes.importers.run import HORIZON_S, Run


def second(t: int, n: int = 600, **other: Any) -> dict[str, Any]:
    return {"t": t, "n": n, "h": {"futex": n - 1, "read": 1}, "lat": 0.5, "wait": 0.1, "errors": 2, **other}


def app(*seconds: dict[str, Any], label: int = 1, name: str = "ab", **other: Any) -> dict[str, Any]:
    return {"artifact_hash": name * 32, "label": label, "artifact_type": "apk", "windows": list(seconds), **other}


def write(file: Path, *apps: dict[str, Any]) -> None:
    file.write_bytes(gzip.compress("".join(json.dumps(one) + "\n" for one in apps).encode()))


def read(folder: Path, *apps: dict[str, Any]) -> list[Run]:
    write(folder / "windows_some.jsonl.gz", *apps)
    return list(runs(folder))


def telemetry(folder: Path, *seconds: dict[str, Any]) -> list[Telemetry]:
    (one,) = read(folder, app(*seconds))
    return [window.telemetry for window in one.windows]


def test_a_second_as_telemetry(tmp_path):
    (seen,) = telemetry(
        tmp_path,
        second(
            0,
            file_read=20,
            file_write=3,
            file_delete=5,
            file_delete_try=6,
            net_connect=2,
            net_tx_bytes=10,
            net_rx_bytes=20,
            ipc_tx_bytes=999,
            ips=["192.0.2.1:80", "192.0.2.1:443", "[2001:db8::1]:80", "198.51.100.7"],
            process_create=1,
            mmap_bytes=5000,
            munmap_bytes=2000,
            root_probe=1,
            wx_map=1,
            paths=[["openat", "/dev/ashmem"], ["openat", "/system"], ["faccessat", "/dev/ashmem"]],
            n_paths=66,
        ),
    )
    assert seen == Telemetry(
        syscall_count=600,
        syscall_types=("futex", "read"),
        file_read_count=20,
        file_write_count=3,
        file_delete_count=5,
        accessed_paths=("/dev/ashmem", "/system"),
        network_connections=2,
        bytes_sent=10,
        bytes_received=20,
        contacted_ips=("192.0.2.1", "2001:db8::1", "198.51.100.7"),
        child_processes=1,
        memory_usage=3000.0,
        privilege_escalation_attempt=True,
        code_injection_detected=True,
    )


def test_keys_that_are_left_out_are_0_and_what_was_not_seen_is_missing(tmp_path):
    (seen,) = telemetry(tmp_path, second(0))
    assert (seen.file_read_count, seen.network_connections, seen.bytes_sent, seen.child_processes) == (0, 0, 0, 0)
    assert (seen.privilege_escalation_attempt, seen.code_injection_detected) == (False, False)
    assert (seen.cpu_usage, seen.registry_modification) == (None, None)


def test_loading_a_library_is_no_injection(tmp_path):
    assert not telemetry(tmp_path, second(0, exec_map=7))[0].code_injection_detected


def test_a_second_that_is_not_in_the_file_was_silent(tmp_path):
    _, silent, also, _ = telemetry(tmp_path, second(0, mmap_bytes=9), second(3))
    assert silent == also
    assert (silent.syscall_count, silent.syscall_types, silent.memory_usage) == (0, (), 9.0)


def test_memory_adds_up_and_is_never_negative(tmp_path):
    seen = telemetry(tmp_path, second(0, munmap_bytes=50), second(1, mmap_bytes=80), second(2, mmap_bytes=5))
    assert [one.memory_usage for one in seen] == [0.0, 30.0, 35.0]


def test_nothing_is_shown_behind_the_horizon(tmp_path):
    seen = telemetry(tmp_path, *(second(t) for t in range(0, 100, 10)))
    assert len(seen) == HORIZON_S - 9  # the last active second before it
    assert len(telemetry(tmp_path, second(0), second(10**12))) == 1


def test_a_run_of_fewer_than_500_calls_is_insufficient_and_has_no_truth(tmp_path):
    failed, fine, empty = read(
        tmp_path,
        app(second(0, 499), label=0),
        app(second(0, 250), second(50, 250), label=0, name="cd"),
        app(label=1, name="ef"),
    )
    assert (failed.malicious, fine.malicious, empty.malicious) == (None, False, None)
    assert empty.windows == ()


def test_neither_clock_nor_order_nor_folder_nor_latency_is_shown(tmp_path):
    one, other = app(second(0)), app(second(0, 700), label=0, name="cd")
    slow = app(second(0, lat=99.0, wait=9.0), start_seconds_of_day=56708.0, raw_bytes=12)
    (tmp_path / "a").mkdir()
    write(tmp_path / "a" / "windows_malicious.jsonl.gz", one, other)
    (tmp_path / "b").mkdir()
    write(tmp_path / "b" / "windows_benign.jsonl.gz", other, slow)
    assert list(runs(tmp_path / "a")) == list(runs(tmp_path / "b"))[::-1]


def test_descriptors_processes_and_users_are_not_shown(tmp_path):
    paths = [["openat", f"/proc/self/fd/{n}"] for n in (46, 47)] + [["openat", "/data/user/0/org.app2/7z/1.log"]]
    assert telemetry(tmp_path, second(0, paths=paths))[0].accessed_paths == (
        "/proc/self/fd/N",
        "/data/user/N/org.app2/7z/1.log",
    )


def test_windows_are_timed_from_the_start_of_the_run(tmp_path):
    (one,) = read(tmp_path, app(second(0), second(1)))
    assert [(w.seq, w.window_ms, w.observed_us) for w in one.windows] == [(0, 1000, 1_000_000), (1, 1000, 2_000_000)]


def test_the_day_of_a_run_comes_from_the_labels_beside_it(tmp_path):
    (tmp_path / "labels.csv").write_text(
        "artifact_hash,label,run_date_utc\n" + f"{'ab' * 32},1,2018-04-18\n" + f"{'cd' * 32},1,\n"
    )
    assert [one.day for one in read(tmp_path, app(second(0)), app(second(0), name="cd"), app(name="ef"))] == [
        date(2018, 4, 18),
        None,
        None,
    ]


@pytest.mark.parametrize("broken", ["artifact_hash,run_date_utc\nx,yesterday\n", "artifact_hash,label\nx,1\n"])
def test_broken_labels_are_named_with_their_line(tmp_path, broken):
    (tmp_path / "labels.csv").write_text(broken)
    with pytest.raises(BrokenRecording, match=r"labels\.csv: line 2"):
        read(tmp_path, app(second(0)))


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        ("{", "truncated"),
        ("[]", "Expected `object`"),
        ("null", "Expected `object`"),
        ("\xff", ""),
        (json.dumps(app()).replace("label", "name"), "label"),
        (json.dumps(app(label=2)), "label"),
        (json.dumps(app(name="XY")), "artifact_hash"),
        (json.dumps(app(second(0, file_read="many"))), r"windows\[0\]\.file_read"),
        (json.dumps(app(second(0, file_read=-1))), r"windows\[0\]\.file_read"),
        (json.dumps(app(second(0, paths=["/"]))), r"windows\[0\]\.paths"),
        (json.dumps(app(second(1), second(1))), "not in order"),
    ],
)
def test_a_broken_line_is_named_with_its_file(tmp_path, broken, fault):
    file = tmp_path / "windows_x.jsonl.gz"
    file.write_bytes(gzip.compress(f"{json.dumps(app(second(0)))}\n".encode() + broken.encode("latin-1") + b"\n"))
    so_far = runs(file)
    assert next(so_far).malicious
    with pytest.raises(BrokenRecording, match=rf"windows_x\.jsonl\.gz: line 2: .*{fault}"):
        next(so_far)


def test_a_file_that_ends_too_early_is_broken_where_it_ends(tmp_path):
    file = tmp_path / "windows_x.jsonl.gz"
    write(file, app(second(0)))
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(BrokenRecording, match=r"windows_x\.jsonl\.gz: line [12]"):
        list(runs(file))


def test_a_file_that_is_not_compressed_is_broken(tmp_path):
    (tmp_path / "windows_x.jsonl.gz").write_text(json.dumps(app()))
    with pytest.raises(BrokenRecording, match=r"line 1.*[Nn]ot a gzipped file"):
        list(runs(tmp_path))


def test_an_empty_file_an_empty_folder_and_none_hold_no_recordings(tmp_path):
    with pytest.raises(RecordingsMissing):
        list(runs(tmp_path))
    with pytest.raises(RecordingsMissing):
        list(runs(tmp_path / "nowhere"))
    with pytest.raises(RecordingsMissing, match=r"windows_some\.jsonl\.gz"):
        read(tmp_path)

"""Whatever a log of another sandbox holds, it is read or refused; nothing else happens."""

import json
from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drlactors.domain.telemetry import MAX_CHARACTERS, MAX_COUNT, MAX_ENTRIES
from drlactors.sandboxes.importers import drakvuf, strace_log, telemetry_json, vmray, windows_events
from drlactors.sandboxes.importers.building import Built, build
from drlactors.sandboxes.importers.report import Format
from drlactors.sandboxes.importers.source import Source, Unreadable

_TIME = {"TimeStamp": "1716999134.5", "@timestamp": "2020-10-22T02:57:56.178Z", "timestamp": 1_700_000_000}
_RECORD = {
    **_TIME,
    "Plugin": "procmon",
    "PID": 7,
    "PPID": 3,
    "Method": "NtCreateUserProcess",
    "NewPid": 9,
    "Status": "0x0",
    "EventID": 1,
    "Channel": "Microsoft-Windows-Sysmon/Operational",
    "Hostname": "W",
    "ParentProcessId": "7",
    "ProcessId": "9",
    "Image": "C:\\a.exe",
    "sandbox_id": "box",
    "syscall_count": 5,
    "accessed_paths": ["/a"],
}
_LINES = b"".join(json.dumps(_RECORD | {"PID": pid, "EventID": pid}).encode() + b"\n" for pid in (1, 3, 8, 13))
_STRACE = b"""\
7 19:30:20.100000 execve("/bin/sh", ["sh"], 0x7ffd) = 0 <0.000144>
7 19:30:20.200000 openat(AT_FDCWD, "/home/ann/a.txt", O_RDWR) = 3 <0.000010>
7 19:30:20.300000 read(3,  <unfinished ...>
8 19:30:20.400000 connect(5, {sa_family=AF_INET, sin_addr=inet_addr("192.0.2.1")}, 16) = 0
7 19:30:20.500000 <... read resumed>..., 10) = 10
"""
_FLOG = b"""\
<?xml version="1.0" encoding="UTF-8"?>
<analysis log_version="2"><monitor_process ts="1" process_id="1" os_pid="0x7" monitor_reason="analysis_target"/>
<fncall ts="5" process_id="1" name="RegSetValueExA"><in><param name="hKey" value="0x80000001"/></in></fncall>
</analysis>
"""
_LOGS: list[tuple[Format, bytes]] = [
    (drakvuf.FORMAT, _LINES),
    (windows_events.FORMAT, _LINES),
    (telemetry_json.FORMAT, _LINES),
    (strace_log.FORMAT, _STRACE),
    (vmray.FORMAT, _FLOG),
]
_PIECES = st.sampled_from([b"", b"\x00", b"\xff\xfe", b"null", b"-1", b"1e999", b'"', b"{", b"[[", b"\n", b"&x;", b"<"])


@st.composite
def _damaged(draw: st.DrawFn) -> tuple[Format, bytes]:
    """A log in which some stretches are cut out, repeated, or something else stands."""
    known, data = draw(st.sampled_from(_LOGS))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 80)))
        data = data[:start] + draw(_PIECES | st.just(data[start:end] * 3) | st.binary(max_size=6)) + data[end:]
    return known, data


@given(_damaged())
def test_a_damaged_log_is_read_or_refused(damaged: tuple[Format, bytes]) -> None:
    known, data = damaged
    known.detects(data, "x")
    runs: list[Built] = []
    with suppress(Unreadable):
        runs.extend(build(known.read(Source(BytesIO(data), "x"))))
    for run in runs:
        for seq, window in enumerate(run.windows):
            seen = window.telemetry
            assert window.seq == seq
            assert max(len(seen.syscall_types), len(seen.accessed_paths), len(seen.contacted_ips)) <= MAX_ENTRIES
            assert all(len(text) <= MAX_CHARACTERS for text in (*seen.syscall_types, *seen.accessed_paths))
            assert all(0 <= (number or 0) <= MAX_COUNT for number in seen if isinstance(number, int | float))


@pytest.mark.parametrize(("known", "data"), _LOGS, ids=[known.name for known, _ in _LOGS])
def test_the_logs_that_are_damaged_are_read_as_they_stand(known: Format, data: bytes) -> None:
    assert known.detects(data, "x")
    (run,) = build(known.read(Source(BytesIO(data), "x")))
    assert run.windows

"""A log may be as long as it likes: what is kept of it does not grow with its length."""

import json
import tracemalloc
from collections.abc import Callable
from io import BytesIO

import pytest

from drlactors.sandboxes.importers import descriptors, drakvuf, strace_log, vmray, windows_api, windows_events
from drlactors.sandboxes.importers.building import build
from drlactors.sandboxes.importers.formats import detected
from drlactors.sandboxes.importers.report import Call, Format
from drlactors.sandboxes.importers.source import Source
from tests.unit.sandboxes.importers.kit import cape, cape_call, cape_process, cuckoo, cuckoo_call, cuckoo_process

#: What is remembered for each process, handle or descriptor; lowered, so that a short log reaches it.
LIMITS = (
    (descriptors, "MOST_OPEN"),
    (descriptors, "MOST_PROCESSES"),
    (drakvuf, "MOST_PROCESSES"),
    (strace_log, "MOST_THREADS"),
    (vmray, "MOST_HANDLES"),
    (windows_api, "_MOST_HANDLES"),
    (windows_events, "MOST_REMEMBERED"),
)


def strace(number: int) -> str:
    at = f"{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}.000000"
    return (
        f'{number % 900 + 1} {at} openat(AT_FDCWD, "/home/ann/{number}", O_RDWR) = {number % 5000}\n'
        f"{number % 900 + 1} {at} read({number % 5000}, ..., 9) = 9\n"
    )


def record(number: int) -> str:
    seen = {"Plugin": "apimon", "Method": "DeleteFileW", "PID": number % 900, "TimeStamp": f"{number % 3000}.5"}
    arguments = [f'Arg0=0x1:"C:\\\\{number}.txt"']
    return json.dumps({**seen, "PPID": 3, "ProcessName": f"{number}.exe", "Arguments": arguments}) + "\n"


def event(number: int) -> str:
    seen = {"EventID": 1, "Channel": "Microsoft-Windows-Sysmon/Operational", "Hostname": f"w{number % 9}"}
    at = f"2020-10-22T02:{number // 60 % 60:02}:{number % 60:02}Z"
    made = {"ProcessId": number % 5000, "Image": f"C:\\{number}.exe", "ParentProcessId": number % 700 + 1}
    return json.dumps({**seen, "@timestamp": at, **made}) + "\n"


def call(number: int) -> str:
    if number == 0:
        return '<analysis log_version="2"><monitor_process ts="1" process_id="1" os_pid="0x7"/>\n'
    return (
        f'<fncall ts="{number % 3000}" process_id="1" name="CreateFileW"><in><param name="lpFileName" value="x">'
        f'<deref type="str" value="C:\\{number}"/></param></in>'
        f'<out><param name="ret_val" value="{number:#x}"/></out></fncall>\n'
    )


def peak_bytes(known: Format, line: Callable[[int], str], end: str, lines: int) -> int:
    source = Source(BytesIO(("".join(line(number) for number in range(lines)) + end).encode()), "x")
    tracemalloc.start()
    try:
        assert sum(isinstance(item, Call) for item in known.read(source)) >= lines - 1
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("known", "line", "end"),
    [
        (strace_log.FORMAT, strace, ""),
        (drakvuf.FORMAT, record, ""),
        (windows_events.FORMAT, event, ""),
        (vmray.FORMAT, call, "</analysis>"),
    ],
    ids=lambda one: one.name if isinstance(one, Format) else None,
)
def test_what_is_kept_of_a_log_does_not_grow_with_its_length(monkeypatch, known, line, end):
    for module, name in LIMITS:
        monkeypatch.setattr(module, name, 64)
    short, long = (peak_bytes(known, line, end, lines) for lines in (1_000, 4_000))
    assert long < 1.5 * short


def long_cape(calls: int) -> object:
    names = {"HandleName": "C:\\x", "Buffer": "y" * 200}
    return cape(cape_process(7, *[cape_call("NtWriteFile", arguments=names) for _ in range(calls)]))


def long_cuckoo(calls: int) -> object:
    names = {"filepath": "C:\\x", "buffer": "y" * 200}
    return cuckoo(cuckoo_process(7, *[cuckoo_call("NtWriteFile", arguments=names) for _ in range(calls)]))


@pytest.mark.parametrize("report", [long_cape, long_cuckoo])
def test_what_is_kept_of_a_report_does_not_grow_with_its_calls(report: Callable[[int], object]) -> None:
    peaks = []
    for calls in (4_000, 16_000):
        source = Source(BytesIO(json.dumps(report(calls)).encode()), "x")
        known = detected(source)
        assert known is not None
        tracemalloc.start()
        try:
            assert [built.calls for built in build(known.read(source))] == [calls]
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]

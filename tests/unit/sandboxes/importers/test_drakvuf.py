"""Records of DRAKVUF's plugins become calls, each once, and the processes that they name."""

import json
from typing import Any

import pytest

from drlactors.sandboxes.importers.report import Call, Deed, Process
from drlactors.sandboxes.importers.source import Unreadable
from tests.unit.sandboxes.importers.kit import items, lines, read


def record(plugin: str, at_s: float = 0.0, **other: Any) -> dict[str, Any]:
    return {
        "Plugin": plugin,
        "TimeStamp": f"{1_716_999_134 + at_s:.6f}",
        "PID": 7,
        "PPID": 3,
        "ProcessName": "\\Device\\HarddiskVolume2\\Users\\ann\\a.exe",
        **other,
    }


def syscall(method: str, at_s: float = 0.0, **other: Any) -> dict[str, Any]:
    return record("syscall", at_s, Method=method, **other)


def calls(*records: dict[str, Any]) -> list[Call]:
    return [item for item in items(lines(*records), "drakmon.log") if isinstance(item, Call)]


def test_a_system_call_counts_once_with_its_end():
    found = read(lines(syscall("NtClose"), record("sysret", 0.1, Method="NtClose", Ret=0)), "drakmon.log")
    assert found.calls == 1
    assert dict(found.passed) == {"ends of system calls": 1}


def test_records_without_a_time_are_passed_over():
    loaded = {"Plugin": "apimon", "Event": "dll_loaded", "DllName": "\\x.dll", "PID": 7}
    found = read(lines(loaded, loaded, syscall("NtClose")), "drakmon.log")
    assert (found.calls, dict(found.passed)) == (1, {"records without a time": 2})


def test_records_that_are_not_in_the_order_of_time_are_put_in_it():
    found = read(
        lines(*(syscall("NtClose", at_s) for at_s in (5, 2, 0, 8)), record("procmon", 1, Method="NtOpenProcess")),
        "drakmon.log",
    )
    assert [window.telemetry.syscall_count for window in found.windows] == [1, 1, 1, 0, 0, 1, 0, 0, 1]


def test_what_procmon_tells_is_not_counted_again():
    seen = record("procmon", Method="NtOpenProcess", ProcessHandle="0x1f4", ClientID=9)
    assert [call.name for call in calls(seen, syscall("NtOpenProcess"), syscall("NtClose"))] == [
        "NtOpenProcess",
        "NtClose",
    ]


@pytest.mark.parametrize(
    ("seen", "deed", "path"),
    [
        (syscall("NtReadFile", FileHandle="\\Users\\ann\\a.txt"), Deed.READ, "\\Users\\ann\\a.txt"),
        (syscall("NtWriteFile", FileHandle="\\Users\\ann\\a.txt"), Deed.WRITE, "\\Users\\ann\\a.txt"),
        (syscall("NtWriteFile", FileHandle="\\Device\\ConDrv"), Deed.NONE, ""),
        (
            syscall("NtOpenFile", ObjectAttributes="\\??\\C:\\a.txt", FileHandle="0x75ce30"),
            Deed.NONE,
            "\\??\\C:\\a.txt",
        ),
        (
            record("regmon", Method="NtSetValueKey", Key="\\REGISTRY\\MACHINE\\Run", ValueName="x"),
            Deed.REGISTRY,
            "\\REGISTRY\\MACHINE\\Run\\x",
        ),
        (record("regmon", Method="NtQueryValueKey", Key="\\REGISTRY\\MACHINE\\Run", ValueName="x"), Deed.NONE, ""),
        (
            record("filetracer", Method="NtWriteFile", FileName="\\Device\\HarddiskVolume2\\a.txt", Status="SUCCESS"),
            Deed.WRITE,
            "\\a.txt",
        ),
        (record("filedelete", Method="NtSetInformationFile", FileName="\\a.txt"), Deed.DELETE, "\\a.txt"),
        (
            record(
                "apimon", Method="DeleteFileW", Event="api_called", Arguments=['Arg0=0x1:"C:\\\\a.txt"', "Arg1=0x0"]
            ),
            Deed.DELETE,
            "C:\\a.txt",
        ),
        (
            record("procmon", Method="NtAdjustPrivilegesToken", ProcessHandle=4, NewState=[{"SE_DEBUG": "on"}]),
            Deed.PRIVILEGE,
            "",
        ),
    ],
)
def test_what_a_call_did_is_what_its_arguments_say(seen, deed, path):
    (call,) = calls(seen)
    assert (call.deed, call.path) == (deed, path)


def test_sockets_are_of_their_owner():
    owner: dict[str, Any] = {"PID": 4, "OwnerPID": 9, "OwnerPPID": 3, "Owner": "b.exe", "RemotePort": 443}
    told = (
        record("socketmon", **owner, Protocol="TCPv4", RemoteIp="192.0.2.1"),
        record("socketmon", **owner, Protocol="UDPv4", RemoteIp="192.0.2.2"),
        record("socketmon", **owner, DnsName="example.org"),
    )
    found = read(lines(*told), "drakmon.log")
    (seen,) = (window.telemetry for window in found.windows)
    assert (seen.network_connections, seen.contacted_ips) == (1, ("192.0.2.1", "192.0.2.2"))
    assert [one.process[:3] for one in found.processes] == [(9, 3, "b.exe")]


def test_the_target_is_what_drakvuf_started_and_its_children_are_in_its_tree():
    found = read(
        lines(
            record("procmon", PID=3, PPID=1, RunningProcess="\\Windows\\explorer.exe"),
            record("inject", Method="CreateProc", Status="Success", ProcessName="C:\\a.exe", InjectedPid=7),
            syscall("NtClose", PID=3, PPID=1),
            record(
                "procmon", 1, Method="NtCreateUserProcess", Status="0x0", NewPid=9, ImagePathName="C:\\b.exe",
                NewProcessHandle="0x708",
            ),
            syscall("NtClose", 2, PID=9, PPID=7, ProcessName="\\Device\\HarddiskVolume2\\b.exe"),
        ),
        "drakmon.log",
    )  # fmt: skip
    tree = {(one.process.pid, one.process.parent, one.process.name, one.process.in_tree) for one in found.processes}
    assert tree == {(3, 1, "explorer.exe", False), (7, 3, "a.exe", True), (9, 7, "b.exe", True)}
    assert found.outside == (1, 0, 0)
    assert found.windows[1].telemetry.child_processes == 1


def test_a_process_that_is_written_into_is_injected():
    found = read(
        lines(
            record("inject", Status="Success", ProcessName="C:\\a.exe", InjectedPid=7),
            record("procmon", Method="NtOpenProcess", ProcessHandle="0x1f4", ClientID=9),
            record("apimon", 1, Method="WriteProcessMemory", Event="api_called", Arguments=["Arg0=0x1f4", "Arg1=0x40"]),
        ),
        "drakmon.log",
    )
    assert [one.process.injected_by for one in found.processes if one.process.pid == 9] == [7]
    assert found.windows[1].telemetry.code_injection_detected


def test_a_start_that_failed_is_no_target():
    failed = record("inject", Status="Error", ProcessName="C:\\a.exe", InjectedPid=7)
    assert not any(item.target for item in items(lines(failed), "drakmon.log") if isinstance(item, Process))


def test_what_other_plugins_say_is_passed_over():
    found = read(lines(record("memdump", DumpReason="x"), syscall("NtClose")), "drakmon.log")
    assert (found.calls, dict(found.passed)) == (1, {"records of other plugins": 1})


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ('{"Plugin": "syscall", "TimeSt', "line 2: .*truncated"),
        ("[]", "line 2: .*object"),
        ('{"Plugin": "syscall", "PID": 7, "TimeStamp": "1.5"}\xff', "line 2"),
        (json.dumps(record("syscall", PID="many")), "line 2, field PID: .*'many'"),
        (json.dumps(record("syscall", PID=-1)), "line 2, field PID"),
        (json.dumps(record("syscall", PID=True)), "line 2, field PID"),
        (json.dumps(record("syscall", Method=["x"])), "line 2, field Method: text is expected"),
        (json.dumps(record("syscall") | {"TimeStamp": "yesterday"}), "line 2, field TimeStamp: .*'yesterday'"),
        (json.dumps({"TimeStamp": "1.5", "PID": 1}), "line 2, field Plugin"),
        ('{"Plugin": "syscall", "x": ' + "[" * 100_000, "line 2"),
    ],
)
def test_a_broken_record_is_named_with_its_line_and_field(line, place):
    log = json.dumps(syscall("NtClose")).encode() + b"\n" + line.encode("latin-1") + b"\n"
    with pytest.raises(Unreadable, match=place):
        items(log, "drakmon.log")

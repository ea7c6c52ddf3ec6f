"""Events of Windows become calls of the processes that they name, and do each thing once."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from drlactors.domain.attack import recognise
from drlactors.sandboxes.importers.building import build
from drlactors.sandboxes.importers.report import Call, Deed
from drlactors.sandboxes.importers.source import Unreadable
from tests.unit.sandboxes.importers.kit import items, lines, read

RUN = "HKU\\S-1-5-21\\Software\\Microsoft\\Windows\\CurrentVersion\\Run\\x"


def event(number: int, at_s: float = 0.0, channel: str = "Microsoft-Windows-Sysmon/Operational", **other: Any) -> Any:
    return {
        "EventID": number,
        "Channel": channel,
        "Hostname": "WORKSTATION5",
        "@timestamp": f"2020-10-22T02:57:{at_s:06.3f}Z",
        **other,
    }


def sysmon(number: int, at_s: float = 0.0, **other: Any) -> Any:
    return event(number, at_s, **{"ProcessId": "7", "Image": "C:\\a.exe", **other})


def security(number: int, at_s: float = 0.0, **other: Any) -> Any:
    return event(number, at_s, "Security", **{"ProcessId": "0x7", "ProcessName": "C:\\a.exe", **other})


def calls(*events: Any) -> list[Call]:
    return [item for item in items(lines(*events), "log.json") if isinstance(item, Call)]


@pytest.mark.parametrize(
    ("seen", "name", "deed", "path"),
    [
        (sysmon(11, TargetFilename="C:\\a.txt"), "FileCreate", Deed.WRITE, "C:\\a.txt"),
        (sysmon(23, TargetFilename="C:\\a.txt"), "FileDelete", Deed.DELETE, "C:\\a.txt"),
        (sysmon(13, EventType="SetValue", TargetObject=RUN), "RegistryValueSet", Deed.REGISTRY, RUN),
        (sysmon(12, EventType="DeleteValue", TargetObject=RUN), "RegistryKey", Deed.REGISTRY, RUN),
        (sysmon(12, EventType="CreateKey", TargetObject=RUN), "RegistryKey", Deed.NONE, RUN),
        (sysmon(7, ImageLoaded="C:\\a.dll"), "ImageLoad", Deed.NONE, "C:\\a.dll"),
        (sysmon(10, SourceProcessId="7", TargetImage="C:\\b.exe"), "ProcessAccess", Deed.NONE, ""),
        (sysmon(255), "Sysmon255", Deed.NONE, ""),
        (security(4703, EnabledPrivilegeList="SeDebugPrivilege"), "AdjustPrivileges", Deed.PRIVILEGE, ""),
        (security(4703, EnabledPrivilegeList="-"), "AdjustPrivileges", Deed.NONE, ""),
        (security(4657, ObjectName="\\R\\x", ObjectValueName="y"), "RegistryValueSet", Deed.REGISTRY, "\\R\\x\\y"),
        (security(4656, ObjectType="File", AccessMask="0x2", ObjectName="C:\\a"), "HandleRequest", Deed.NONE, ""),
        (security(4663, ObjectType="File", AccessMask="0x2", ObjectName="C:\\a"), "ObjectAccess", Deed.WRITE, "C:\\a"),
        (security(4663, ObjectType="File", AccessMask="0x1", ObjectName="C:\\a"), "ObjectAccess", Deed.READ, "C:\\a"),
        (security(4663, ObjectType="Key", AccessMask="0x1", ObjectName="\\R\\a"), "ObjectAccess", Deed.NONE, "\\R\\a"),
        (security(4663, ObjectType="Process", AccessMask="0x10", ObjectName="lsass"), "ObjectAccess", Deed.NONE, ""),
        (
            event(4103, channel="Microsoft-Windows-PowerShell/Operational", ExecutionProcessID=7),
            "PowerShell4103",
            Deed.NONE,
            "",
        ),
    ],
)  # fmt: skip
def test_what_an_event_says_was_done(seen, name, deed, path):
    (call,) = calls(seen)
    assert (call.pid, call.name, call.deed, call.path) == (7, name, deed, path)


MADE_BY_SYSMON = sysmon(1, 0.5, ProcessId="9", Image="C:\\b.exe", ParentProcessId="7", ParentImage="C:\\a.exe")
MADE_BY_SECURITY = security(4688, 0.4, NewProcessId="0x9", NewProcessName="C:\\b.exe", ParentProcessName="C:\\a.exe")


def test_a_process_that_both_channels_tell_of_was_made_once():
    found = read(lines(MADE_BY_SECURITY, MADE_BY_SYSMON), "log.json")
    (seen,) = (window.telemetry for window in found.windows)
    assert (seen.syscall_count, seen.child_processes, seen.accessed_paths) == (2, 1, ("C:\\b.exe",))
    assert {one.process.pid: one.process[1:3] for one in found.processes} == {7: (0, "a.exe"), 9: (7, "b.exe")}


def test_a_process_number_that_is_given_again_later_is_another_process():
    assert [call.deed for call in calls(MADE_BY_SYSMON, MADE_BY_SYSMON | {"@timestamp": "2020-10-22T02:58:30Z"})] == [
        Deed.CREATE,
        Deed.CREATE,
    ]


def test_a_connection_that_both_channels_tell_of_is_one():
    told = (
        sysmon(3, SourceIp="10.0.0.5", SourcePort="50000", DestinationIp="192.0.2.1", DestinationPort="443"),
        security(
            5156, 1, SourceAddress="10.0.0.5", SourcePort="50000", DestAddress="192.0.2.1", DestPort="443",
            ProcessId=None, ProcessID="7",
        ),
    )  # fmt: skip
    (seen, _) = (window.telemetry for window in read(lines(*told), "log.json").windows)
    assert (seen.network_connections, seen.contacted_ips) == (1, ("192.0.2.1",))


def test_what_a_log_of_events_cannot_tell_is_missing():
    (seen,) = (window.telemetry for window in read(lines(sysmon(5)), "log.json").windows)
    assert (seen.bytes_sent, seen.cpu_usage, seen.memory_usage) == (None, None, None)


def test_a_thread_made_in_another_process_is_an_injection():
    told = sysmon(8, SourceProcessId="7", SourceImage="C:\\a.exe", TargetProcessId="9")
    found = read(lines(told), "log.json")
    assert found.windows[0].telemetry.code_injection_detected
    assert [one.process.injected_by for one in found.processes if one.process.pid == 9] == [7]


def test_the_thread_by_which_windows_tells_of_a_pressed_key_is_none():
    told: dict[str, Any] = {"SourceImage": "C:\\Windows\\System32\\csrss.exe", "StartFunction": "CtrlRoutine"}
    (call,) = calls(sysmon(8, SourceProcessId="7", TargetProcessId="9", **told))
    assert (call.deed, call.target_pid) == (Deed.NONE, 0)


@pytest.mark.parametrize(
    ("trace", "access", "path"),
    [
        ("C:\\windows\\ntdll.dll+9c584|UNKNOWN(0000021A)", "0x1010", "C:\\windows\\lsass.exe"),
        ("C:\\windows\\ntdll.dll+9c584|C:\\windows\\dbgcore.DLL+6cf9", "0x1fffff", "C:\\windows\\lsass.exe"),
        ("C:\\windows\\ntdll.dll+9c584|UNKNOWN(0000021A)", "0x1000", ""),
        ("C:\\windows\\ntdll.dll+9c584|C:\\windows\\lsm.dll+e959", "0x1010", ""),
    ],
)
def test_a_process_whose_memory_is_read_by_code_of_no_module_is_named(trace, access, path):
    target = {"TargetImage": "C:\\windows\\lsass.exe", "GrantedAccess": access, "CallTrace": trace}
    (call,) = calls(sysmon(10, SourceProcessId="7", **target))
    assert (call.path, call.deed) == (path, Deed.NONE)


def test_processes_of_two_machines_are_not_taken_for_one():
    other = sysmon(5, Hostname="WORKSTATION6", Image="C:\\c.exe")
    found = read(lines(sysmon(5), other, sysmon(5)), "log.json")
    assert {one.process.pid: (one.process.name, one.calls) for one in found.processes} == {
        7: ("a.exe", 2),
        (1 << 32) + 7: ("c.exe", 1),
    }


def test_that_a_log_was_cleared_before_it_began_is_no_behaviour():
    cleared = security(1102, ProcessId=None)
    found = read(lines(cleared, cleared, security(4689)), "log.json")
    assert (found.calls, dict(found.passed)) == (1, {"notes that a log was cleared before it began": 2})


def test_that_a_log_was_cleared_while_it_was_written_is_behaviour():
    found = read(lines(security(4689), security(1102, 1, ProcessId=None)), "log.json")
    assert found.windows[1].telemetry.syscall_types == ("ClearEventLog",)
    assert recognise(found.windows).techniques == ("T1685.005",)


def test_events_that_name_no_process_or_no_time_are_passed_over():
    found = read(
        lines(security(4624, ProcessId="-"), sysmon(5) | {"@timestamp": None}, event(129, channel="Tasks"), sysmon(5)),
        "log.json",
    )
    assert (found.calls, dict(found.passed)) == (1, {"events of no process": 2, "events without a time": 1})


def test_blank_lines_and_a_mark_of_the_byte_order_are_no_events():
    assert read(b"\xef\xbb\xbf" + lines(sysmon(5)) + b"\n  \n" + lines(sysmon(5)), "log.json").calls == 2


def test_events_that_arrive_late_are_in_the_window_of_their_time():
    found = read(lines(*(sysmon(5, at_s) for at_s in (3, 1, 2, 3.5))), "log.json")
    assert [window.telemetry.syscall_count for window in found.windows] == [1, 1, 2]


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ('{"EventID": 5, "Channel', "line 2: .*truncated"),
        ("7", "line 2: .*object"),
        (json.dumps(sysmon(5, ProcessId="many")), "line 2, field ProcessId: .*'many'"),
        (json.dumps(sysmon(5, ProcessId=1.5)), "line 2, field ProcessId"),
        (json.dumps(sysmon(5, Image={})), "line 2, field Image: text is expected"),
        (json.dumps(sysmon(5) | {"@timestamp": "soon"}), "line 2, field @timestamp"),
        (json.dumps(sysmon(5) | {"EventID": None}), "line 2, field EventID"),
        ('{"Channel": ' + "[" * 100_000, "line 2"),
    ],
)
def test_a_broken_event_is_named_with_its_line_and_field(line, place):
    with pytest.raises(Unreadable, match=place):
        items(lines(sysmon(5)) + line.encode() + b"\n", "log.json")


@pytest.mark.parametrize(
    ("utc", "hour"),
    [
        ("2020-10-22 02:57:00.500", 2),
        ("2020-10-22 06:56:58.100", 6),
        ("2020-10-21 21:12:59.900", 21),
        ("2020-12-24 02:57:00.000", 2),  # no zone is so wide: it is something else
        ("in the morning", 2),
    ],
)
def test_a_log_in_local_time_is_moved_to_utc_by_what_sysmon_says(utc, hour):
    (built,) = build(items(lines(security(4673, 1.0), sysmon(5, 2.0, UtcTime=utc), sysmon(5, 3.0)), "log.json"))
    began = datetime.fromtimestamp(built.started_us / 1e6, UTC)
    assert (began.hour, began.second, len(built.windows)) == (hour, 1, 3)

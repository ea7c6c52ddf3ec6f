"""What CAPE's reports say, and what they must not be taken to say."""

import json

import pytest

from drlactors.domain.session import Outcome
from drlactors.sandboxes.importers.source import Unreadable
from tests.unit.sandboxes.importers.kit import SHA256, cape, cape_call, cape_process, read, telemetry


def did(api: str, *, status: bool = True, repeated: int = 0, **arguments: object):
    (seen,) = telemetry(cape(cape_process(7, cape_call(api, arguments=arguments, status=status, repeated=repeated))))
    return seen


def test_who_the_report_is_about():
    about = read(cape(cape_process(7, cape_call()))).about
    assert (about.tool, about.sha256, about.kind) == ("CAPE 2.4", SHA256, "exe")


def test_repeated_calls_count_as_often_as_they_were_made():
    calls = cape_call("NtClose", repeated=4), cape_call("NtWriteFile", repeated=2, arguments={"HandleName": "C:\\x"})
    (seen,) = telemetry(cape(cape_process(7, *calls)))
    assert seen.syscall_count == 8
    assert seen.file_write_count == 3
    assert seen.syscall_types == ("NtClose", "NtWriteFile")


def test_files():
    assert did("NtReadFile", HandleName="C:\\x", Length="4").file_read_count == 1
    assert did("NtWriteFile", HandleName="C:\\x").accessed_paths == ("C:\\x",)
    assert did("DeleteFileW", FileName="C:\\x").file_delete_count == 1
    assert did("DeleteFileW", FileName="C:\\x", status=False).file_delete_count == 0
    assert did("NtSetInformationFile", HandleName="C:\\x", FileInformationClass="13").file_delete_count == 1
    assert did("NtSetInformationFile", HandleName="C:\\x", FileInformationClass="20").file_delete_count == 0


def test_a_console_or_a_pipe_is_no_file():
    assert did("NtWriteFile", HandleName="\\Device\\ConDrv", Length="9").file_write_count == 0
    assert did("NtReadFile", HandleName="\\Device\\NamedPipe\\wkssvc", Length="9").file_read_count == 0


def test_bytes_are_those_of_length_arguments():
    assert did("SslEncryptPacket", BufferSize="597", repeated=1).bytes_sent == 1194
    assert did("SslDecryptPacket", BufferSize="0x210").bytes_received == 528
    assert did("send", socket="7", buffer="GET", Length="3").bytes_sent == 3
    assert did("recv", socket="7", length=12).bytes_received == 12
    assert did("NtWriteFile", HandleName="\\Device\\Afd\\Endpoint", Length="40").bytes_sent == 40
    assert did("send", socket="7", buffer="GET / HTTP").bytes_sent == 0  # a buffer may be cut off: it tells nothing
    assert did("WSASend", BufferLength="1e9").bytes_sent == 0


def test_connections_and_addresses():
    assert did("ConnectEx", ip="192.0.2.1", port="80", status=False).network_connections == 1
    assert did("connect", ip="2001:db8::1").contacted_ips == ("2001:db8::1",)
    named = did("InternetConnectA", ServerName="example.org")
    assert (named.network_connections, named.contacted_ips) == (1, ())


def test_registry():
    assert did("RegSetValueExW", FullName="HKEY_CURRENT_USER\\Run\\x").registry_modification
    assert did("RegSetValueExW", FullName="HKEY_CURRENT_USER\\Run\\x").accessed_paths == ("HKEY_CURRENT_USER\\Run\\x",)
    assert did("RegCreateKeyExW", FullName="HKEY", Disposition="1").registry_modification
    assert did("RegCreateKeyExW", FullName="HKEY", Disposition="2").registry_modification is False  # it was there
    assert did("RegOpenKeyExW", FullName="HKEY").registry_modification is False
    assert did("RegDeleteValueW", FullName="HKEY", status=False).registry_modification is False


def test_privileges():
    assert did("LookupPrivilegeValueW", PrivilegeName="SeDebugPrivilege").privilege_escalation_attempt
    assert did("LookupPrivilegeValueW", PrivilegeName="SeShutdownPrivilege").privilege_escalation_attempt is False


def test_a_creation_that_is_logged_twice_is_one():
    arguments = {"ProcessHandle": "0x10", "ProcessId": "8", "ImagePathName": "C:\\b.exe"}
    kernel, around = cape_call("NtCreateUserProcess", arguments=arguments), cape_call("CreateProcessInternalW")
    around["arguments"] = kernel["arguments"]
    (seen,) = telemetry(cape(cape_process(7, kernel, around, kernel, around)))  # Windows gives handles out again
    assert seen.child_processes == 2
    (seen,) = telemetry(cape(cape_process(7, around)))
    assert seen.child_processes == 1


def test_of_a_process_number_the_lower_half_counts():
    """Monitors in 64-bit processes log what stands in memory above it, too."""
    made = cape_call("NtCreateUserProcess", arguments={"ProcessHandle": "0x10", "ProcessId": "140707423585340"})
    assert [traced.process.pid for traced in read(cape(cape_process(7, made))).processes] == [7, 1084]


def test_writing_into_another_process_is_injection_and_into_oneself_is_not():
    opened = cape_call("NtOpenProcess", arguments={"ProcessHandle": "0x20", "ProcessIdentifier": "9"})
    wrote = cape_call("WriteProcessMemory", arguments={"ProcessHandle": "0x20"})
    built = read(cape(cape_process(7, opened, wrote), cape_process(9, cape_call(), name="b.exe")))
    assert built.windows[0].telemetry.code_injection_detected
    assert {traced.process.pid: traced.process.injected_by for traced in built.processes} == {7: 0, 9: 7}
    assert did("WriteProcessMemory", ProcessHandle="0xffffffff").code_injection_detected is False
    assert did("NtQueueApcThread", ProcessId="7").code_injection_detected is False
    assert did("NtQueueApcThread", ProcessId="9").code_injection_detected
    assert did("CreateRemoteThread", ProcessHandle="0x99", status=False).code_injection_detected is False


def test_how_windows_hands_parameters_to_a_new_process_is_no_injection():
    made = cape_call("NtCreateUserProcess", arguments={"ProcessHandle": "0x10", "ProcessId": "8"})
    wrote = cape_call("NtWriteVirtualMemory", arguments={"ProcessHandle": "0x10", "BufferLength": "0x11c0"})
    mapped = cape_call("NtMapViewOfSection", arguments={"ProcessHandle": "0x10", "Win32Protect": "0x00000002"})
    assert telemetry(cape(cape_process(7, made, wrote, mapped)))[0].code_injection_detected is False
    mapped["arguments"][1]["value"] = "0x00000040"
    assert telemetry(cape(cape_process(7, made, mapped)))[0].code_injection_detected


def test_what_is_known_at_the_end_is_in_no_window():
    ends = {
        "signatures": [{"name": "worse"}],
        "malscore": 10.0,
        "detections": [{"family": "Bad"}],
        "ttps": {"T1486": ["x"]},
        "mitre_attck": {},
    }
    process = cape_process(7, cape_call("NtWriteFile", arguments={"HandleName": "C:\\x"}))
    mild, grave = cape(process), cape(process, **ends)
    grave["behavior"]["summary"] = {"delete_files": ["C:\\y"] * 99}
    assert read(mild).windows == read(grave).windows


@pytest.mark.parametrize(
    ("end", "verdict", "because"),
    [
        ({"malscore": 10.0}, Outcome.MALICIOUS, "malscore 10"),
        ({"malscore": 2.0, "detections": [{"family": "SunCrypt"}]}, Outcome.MALICIOUS, "SunCrypt"),
        ({"malscore": 2.0, "detections": "Emotet"}, Outcome.MALICIOUS, "Emotet"),
        ({"malscore": 0.0}, None, "malscore 0"),  # a low score is no word of innocence
        ({"malscore": None}, None, "malscore 0"),
    ],
)
def test_the_reports_own_verdict(end, verdict, because):
    about = read(cape(cape_process(7, cape_call()), **end)).about
    assert (about.verdict, about.because) == (verdict, because)


def test_a_report_with_no_process_has_no_window():
    assert read(cape()).windows == ()
    assert read(cape(cape_process(7))).windows == ()


def test_layout_and_order_of_keys_do_not_matter():
    report = cape(cape_process(7, *[cape_call(f"Nt{n}", f"10:00:0{n % 10},000") for n in range(50)]), malscore=9.0)
    turned = json.loads(json.dumps(report))
    turned["behavior"]["processes"][0] = dict(reversed(turned["behavior"]["processes"][0].items()))
    expected = read(report)
    assert read(turned) == expected
    for data in (
        json.dumps(report, indent=4).replace("\n", "\r\n").encode(),
        json.dumps(report, separators=(",", ":")).encode(),
        b"\xef\xbb\xbf" + json.dumps(report).encode(),
    ):
        assert read(data) == expected


@pytest.mark.parametrize(
    ("call", "place"),
    [
        ({"timestamp": 7}, "Expected `str`, got `int`"),
        ({**cape_call(), "timestamp": "yesterday"}, "'yesterday' is no time"),
        ({**cape_call(), "timestamp": "2023-01-28 10:00:00.000"}, "is no time"),
        ({"timestamp": "2023-01-28 10:00:00,000", "api": None}, "Expected `str`, got `null`"),
        ({"api": "NtClose"}, "missing required field `timestamp`"),
        ([], "Expected `object`, got `array`"),
        ({"timestamp": "2023-01-28 10:00:00,000", "api": "NtWriteFile", "arguments": {}}, "Expected `array`"),
    ],
)
def test_a_call_of_the_wrong_shape_is_named_with_its_place(call, place):
    calls = [cape_call(), cape_call(), call]
    with pytest.raises(Unreadable, match=r"behavior\.processes\[0\]\.calls\[2\]") as refused:
        read(cape({**cape_process(7), "calls": calls}))
    assert place in str(refused.value)


@pytest.mark.parametrize("number", ["7", -1, 1 << 40, 7.5, True, None, [7]])
def test_a_process_without_a_number_of_its_own_is_refused(number):
    with pytest.raises(Unreadable, match=r"behavior\.processes\[0\]"):
        read(cape({**cape_process(7, cape_call()), "process_id": number}))

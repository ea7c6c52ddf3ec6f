"""What a Windows API call is held for, in the words of CAPE and of Cuckoo."""

import pytest

from drlactors.sandboxes.importers.report import Call, Deed
from drlactors.sandboxes.importers.windows_api import TABLE, WindowsApi


def said(name: str, *, api: WindowsApi | None = None, ok: bool = True, times: int = 1, **arguments: str) -> Call:
    return (api or WindowsApi()).call(100, name, 5, ok, times, arguments)


def alone(name: str, arguments: dict[str, str]) -> Call:
    return WindowsApi().call(100, name, 5, True, 1, arguments)


@pytest.mark.parametrize(
    ("name", "arguments", "deed", "path"),
    [
        ("NtReadFile", {"HandleName": "C:\\a"}, Deed.READ, "C:\\a"),
        ("NtReadFile", {"file_handle": "0x44", "filepath": "C:\\a"}, Deed.READ, "C:\\a"),
        ("NtReadFile", {"HandleName": r"\Device\NamedPipe\wkssvc"}, Deed.NONE, ""),
        ("NtWriteFile", {"HandleName": "C:\\a"}, Deed.WRITE, "C:\\a"),
        ("NtWriteFile", {"HandleName": r"\Device\ConDrv"}, Deed.NONE, ""),
        ("NtWriteFile", {"HandleName": r"\Device\HarddiskVolume1\a"}, Deed.WRITE, r"\Device\HarddiskVolume1\a"),
        ("CopyFileExW", {"ExistingFileName": "C:\\a", "NewFileName": "C:\\b"}, Deed.READ | Deed.WRITE, "C:\\a"),
        ("MoveFileWithProgressW", {"ExistingFileName": "C:\\a"}, Deed.NONE, "C:\\a"),
        ("DeleteFileW", {"FileName": "C:\\a"}, Deed.DELETE, "C:\\a"),
        ("RemoveDirectoryA", {"DirectoryName": "C:\\a"}, Deed.DELETE, "C:\\a"),
        ("NtSetInformationFile", {"HandleName": "C:\\a", "FileInformationClass": "13"}, Deed.DELETE, "C:\\a"),
        ("NtSetInformationFile", {"HandleName": "C:\\a", "FileInformationClass": "4"}, Deed.NONE, "C:\\a"),
        ("NtOpenFile", {"FileName": "C:\\a"}, Deed.NONE, "C:\\a"),
        ("RegSetValueExW", {"FullName": r"HKEY_CURRENT_USER\Run\a"}, Deed.REGISTRY, r"HKEY_CURRENT_USER\Run\a"),
        ("RegDeleteValueA", {"regkey": r"HKEY\a"}, Deed.REGISTRY, r"HKEY\a"),
        ("RegCreateKeyExW", {"FullName": r"HKEY\a", "Disposition": "1"}, Deed.REGISTRY, r"HKEY\a"),
        ("RegCreateKeyExW", {"FullName": r"HKEY\a", "Disposition": "2"}, Deed.NONE, ""),
        ("RegQueryValueExW", {"FullName": r"HKEY\a"}, Deed.NONE, ""),
        ("CreateProcessInternalW", {"ApplicationName": "C:\\a.exe"}, Deed.CREATE, "C:\\a.exe"),
        ("LookupPrivilegeValueW", {"PrivilegeName": "SeDebugPrivilege"}, Deed.PRIVILEGE, ""),
        ("LookupPrivilegeValueW", {"PrivilegeName": "SeShutdownPrivilege"}, Deed.NONE, ""),
        ("NtDelayExecution", {"Milliseconds": "5"}, Deed.NONE, ""),
    ],
)
def test_a_call_does_what_its_name_and_arguments_say(name: str, arguments: dict[str, str], deed: Deed, path: str):
    call = alone(name, arguments)
    assert (call.deed, call.path) == (deed, path)


@pytest.mark.parametrize(
    ("arguments", "address"),
    [
        ({"ip": "192.0.2.7", "port": "80"}, "192.0.2.7"),
        ({"ip_address": "192.0.2.7"}, "192.0.2.7"),
        ({"ip": "0.0.0.0"}, ""),
        ({"ip": "999.0.2.7"}, ""),
        ({"ServerName": "a.example"}, "a.example"),
        ({"url": "http://a.example:8080/b?c"}, "a.example"),
        ({}, ""),
    ],
)
def test_whom_a_call_connects_to_is_named_without_port_and_path(arguments: dict[str, str], address: str):
    call = alone("InternetOpenUrlA" if "url" in arguments else "connect", arguments)
    assert (call.deed, call.address) == (Deed.CONNECT, address)


def test_bytes_are_what_the_function_says_that_it_moved():
    assert said("send", retval="0x00000010", times=3).bytes_sent == 48
    assert said("send", retval="0xffffffff", ok=False).bytes_sent == 0
    assert said("recv", retval="7").bytes_received == 7
    assert said("WSARecv", NumberOfBytesReceived="9", retval="0").bytes_received == 9


def test_a_program_that_writes_into_itself_injects_nothing():
    for own in ({"ProcessHandle": "0xffffffff"}, {"ProcessHandle": "0xffffffffffffffff"}, {"ProcessId": "100"}):
        for name in ("WriteProcessMemory", "NtMapViewOfSection", "NtCreateThreadEx"):
            assert alone(name, own).deed is Deed.NONE


def test_a_write_into_a_process_that_was_opened_names_it():
    api = WindowsApi()
    said("NtOpenProcess", api=api, ProcessHandle="0x44", ProcessIdentifier="700")
    call = said("NtWriteVirtualMemory", api=api, ProcessHandle="0x44", Buffer="\\x90")
    assert (call.deed, call.target_pid) == (Deed.INJECT, 700)


def test_starting_a_program_is_no_injection_and_hollowing_it_is():
    api = WindowsApi()
    # 64-bit monitors leave rubbish above the 32 bits of a process id.
    created = said("NtCreateUserProcess", api=api, ProcessHandle="0x60", ProcessId=str(0x7FF8 << 32 | 2896))
    assert (created.deed, created.target_pid) == (Deed.CREATE, 2896)
    ordinary = [
        said("NtWriteVirtualMemory", api=api, ProcessHandle="0x60", Buffer="\\x00", BufferLength="0x000011c0"),
        said("NtAllocateVirtualMemory", api=api, ProcessHandle="0x60", Protection="0x00000004"),
        said("NtCreateThreadEx", api=api, ProcessHandle="0x60"),
        said("NtMapViewOfSection", api=api, ProcessHandle="0x60", Win32Protect="0x00000004"),
    ]
    assert [call.deed for call in ordinary] == [Deed.NONE] * 4
    hollowing = [
        said("WriteProcessMemory", api=api, ProcessHandle="0x60", Buffer="MZ\\x90"),
        said("NtAllocateVirtualMemory", api=api, ProcessHandle="0x60", Protection="0x00000040"),
        said("NtMapViewOfSection", api=api, ProcessHandle="0x60", Win32Protect="0x00000040"),
        said("NtSetContextThread", api=api, ProcessId="2896"),
        said("NtQueueApcThread", api=api, ProcessId="2896"),
    ]
    assert [(call.deed, call.target_pid) for call in hollowing] == [(Deed.INJECT, 2896)] * 5


def test_however_many_processes_are_opened_memory_is_bounded():
    api = WindowsApi()
    for number in range(10_000):
        said("NtOpenProcess", api=api, ProcessHandle=hex(number), ProcessIdentifier=str(number + 1000))
    assert said("WriteProcessMemory", api=api, ProcessHandle=hex(9_999)).target_pid == 10_999
    assert len(api._handles) <= 4096


def test_no_row_stands_under_a_name_that_would_not_be_found():
    assert [name for name in TABLE if name.rstrip("AW") != name] == []

"""What a call of the Windows API does, by its name and arguments, as the monitors of CAPE and Cuckoo write them down.

Both name most functions alike and their arguments differently: each of the rows below has both spellings. A function
that is not in the table is a call like any other. Sources: the hooks of kevoreilly/capemon (hook_file.c, hook_reg.c,
hook_process.c, hook_thread.c, hook_socket.c, hook_network.c) and the reports of both.
"""

import ipaddress
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from drlactors.sandboxes.importers.report import Call, Deed

Arguments = Mapping[str, str]


class Row(NamedTuple):
    """What a function does, and the arguments that tell with what; the first one that is there and not empty counts."""

    deed: Deed = Deed.NONE
    path: tuple[str, ...] = ()
    address: tuple[str, ...] = ()
    sent: tuple[str, ...] = ()
    received: tuple[str, ...] = ()
    other: bool = False  # it does so only in another process than its own


_FILE = ("FileName", "HandleName", "filepath")
_TWO_FILES = ("ExistingFileName", "oldfilepath", "FileName", "filepath")
_KEY = ("FullName", "ObjectAttributes", "regkey", "SubKey")
_PEER = ("ip", "ServerName", "ip_address", "hostname", "NodeName", "Url", "URL", "url")
_FOLDER = ("DirectoryName", "dirpath")

_READ = Row(Deed.READ, path=_FILE)
_WRITE = Row(Deed.WRITE, path=_FILE)
_DELETE = Row(Deed.DELETE, path=_FILE)
_NAMES_FILE = Row(path=_FILE)
_CONNECT = Row(Deed.CONNECT, address=_PEER)
_LENGTH = ("Length", "length", "BufferSize", "BufferLength", "buffer_length")
_SEND = Row(address=_PEER, sent=("retval", "sent", *_LENGTH))
_RECEIVE = Row(address=_PEER, received=("retval", "received", *_LENGTH))
_CREATE = Row(Deed.CREATE, path=("ApplicationName", "ImagePathName", "FilePath", "filepath"))
_REGISTRY = Row(Deed.REGISTRY, path=_KEY)
_PRIVILEGE = Row(Deed.PRIVILEGE)
_INJECT = Row(Deed.INJECT, other=True)

#: By the name without the A or W at its end.
TABLE: dict[str, Row] = {
    **dict.fromkeys(("NtReadFile", "ReadFile"), _READ),
    **dict.fromkeys(("NtWriteFile", "WriteFile"), _WRITE),
    **dict.fromkeys(("CopyFile", "CopyFileEx"), Row(Deed.READ | Deed.WRITE, path=_TWO_FILES)),
    **dict.fromkeys(("MoveFile", "MoveFileWithProgress", "MoveFileWithProgressTransacted"), Row(path=_TWO_FILES)),
    **dict.fromkeys(("DeleteFile", "NtDeleteFile"), _DELETE),
    "RemoveDirectory": Row(Deed.DELETE, path=_FOLDER),
    "NtSetInformationFile": _NAMES_FILE,
    **dict.fromkeys(("CreateDirectory", "CreateDirectoryEx"), Row(path=_FOLDER)),
    **dict.fromkeys(("NtCreateFile", "NtOpenFile", "NtQueryAttributesFile", "NtQueryFullAttributesFile"), _NAMES_FILE),
    **dict.fromkeys(("FindFirstFileEx", "NtQueryDirectoryFile", "GetFileAttributes", "SetFileAttributes"), _NAMES_FILE),
    **dict.fromkeys(("connect", "ConnectEx", "WSAConnect", "WSAConnectByName", "WSAConnectByList"), _CONNECT),
    **dict.fromkeys(("InternetConnect", "WinHttpConnect", "InternetOpenUrl"), _CONNECT),
    "URLDownloadToFile": Row(Deed.CONNECT | Deed.WRITE, path=("FileName", "filepath"), address=_PEER),
    **dict.fromkeys(("send", "sendto"), _SEND),
    **dict.fromkeys(("recv", "recvfrom"), _RECEIVE),
    **dict.fromkeys(("WSASend", "WSASendTo"), Row(address=_PEER, sent=("NumberOfBytesSent", *_LENGTH))),
    # What they carry goes through sockets whose functions are logged without a length.
    "SslEncryptPacket": Row(sent=_LENGTH),
    "SslDecryptPacket": Row(received=_LENGTH),
    **dict.fromkeys(("WSARecv", "WSARecvFrom"), Row(address=_PEER, received=("NumberOfBytesReceived",))),
    **dict.fromkeys(("InternetWriteFile",), Row(sent=("BytesWritten", "NumberOfBytesToWrite", "length"))),
    **dict.fromkeys(("InternetReadFile",), Row(received=("BytesRead", "NumberOfBytesRead", "length"))),
    **dict.fromkeys(("CreateProcessInternal", "NtCreateUserProcess", "NtCreateProcess", "NtCreateProcessEx"), _CREATE),
    "ShellExecuteEx": Row(path=("FilePath", "filepath")),  # what it creates is said by the function that it calls
    **dict.fromkeys(("CreateProcessWithLogon", "CreateProcessWithToken"), _CREATE._replace(deed=Deed.PRIVILEGE)),
    **dict.fromkeys(("RegSetValueEx", "NtSetValueKey", "RegDeleteKey", "RegDeleteValue"), _REGISTRY),
    **dict.fromkeys(("NtDeleteKey", "NtDeleteValueKey", "NtRenameKey", "NtReplaceKey", "NtRestoreKey"), _REGISTRY),
    **dict.fromkeys(("RegCreateKeyEx", "NtCreateKey"), Row()),
    **dict.fromkeys(("AdjustTokenPrivileges", "NtAdjustPrivilegesToken", "RtlAdjustPrivilege"), _PRIVILEGE),
    **dict.fromkeys(("NtLoadDriver", "ImpersonateLoggedOnUser", "NtSetInformationToken"), _PRIVILEGE),
    "LookupPrivilegeValue": Row(),
    "NtOpenProcess": Row(),
    **dict.fromkeys(("WriteProcessMemory", "NtWriteVirtualMemory", "NtWow64WriteVirtualMemory64"), _INJECT),
    **dict.fromkeys(("CreateRemoteThread", "CreateRemoteThreadEx", "RtlCreateUserThread", "NtCreateThreadEx"), _INJECT),
    **dict.fromkeys(("NtAllocateVirtualMemory", "NtProtectVirtualMemory"), _INJECT),
    **dict.fromkeys(("NtQueueApcThread", "NtQueueApcThreadEx", "NtSetContextThread", "NtMapViewOfSection"), _INJECT),
}  # fmt: skip

#: Who holds one of these may do what an administrator, or the system, may (learn.microsoft.com, privilege constants).
_MIGHTY = frozenset(
    f"Se{name}Privilege"
    for name in ("Debug", "Tcb", "TakeOwnership", "LoadDriver", "Restore", "Backup", "Impersonate", "CreateToken",
                 "AssignPrimaryToken", "ManageVolume")
)  # fmt: skip
#: FileDispositionInformation and FileDispositionInformationEx: what is set to be deleted is deleted.
_DISPOSITIONS = frozenset({"13", "64", "0x0000000d", "0x00000040"})
_CREATED_NEW = frozenset({"1", "0x00000001"})
_OWN_HANDLES = frozenset({"", "0xffffffff", "0xffffffffffffffff"})
_DEVICE = re.compile(r"\\(?:Device|\?\?)\\(?!Harddisk|[A-Za-z]:)|^\\\\\.\\", re.IGNORECASE)
_SOCKET = re.compile(r"\\Device\\Afd", re.IGNORECASE)
#: Deeds as plain numbers, and back: an operation on flags takes a microsecond.
_CREATES, _CHANGES_REGISTRY, _WRITES = int(Deed.CREATE), int(Deed.REGISTRY), int(Deed.WRITE)
_ON_FILES = int(Deed.READ | Deed.WRITE | Deed.DELETE)
_deed = lru_cache(256)(Deed)
#: A program that opens more processes than this loses the oldest.
_MOST_HANDLES = 4096


class WindowsApi:
    """Understands the calls of one run. It remembers whose handles are whose, so that a write names its victim."""

    def __init__(self) -> None:
        self._handles: dict[tuple[int, str], int] = {}
        self._children: dict[int, int] = {}  # process: the one that created it
        self._announced: set[tuple[int, str]] = set()  # creations that the kernel's function has said

    def call(self, pid: int, name: str, at_us: int, ok: bool, times: int, arguments: Arguments) -> Call:
        """``arguments`` may hold ``retval``, what the function returned."""
        row = TABLE.get(name) or TABLE.get(name.rstrip("AW")) or _NOTHING
        # 64-bit monitors leave rubbish above the number.
        bits, target = int(row.deed), _number(_first(arguments, _PROCESS_IDS)) & 0xFFFFFFFF
        if row.other:
            handle = _first(arguments, _PROCESS_HANDLES)
            target = target or self._handles.get((pid, handle), 0)
            if not self._into_another(name, pid, handle, target, arguments):
                bits, target = 0, 0
        elif bits & _CREATES or name == "NtOpenProcess":
            handle = _first(arguments, _PROCESS_HANDLES)
            self._remember(pid, handle, target, created=bool(bits & _CREATES), ok=ok)
            if not bits:
                target = 0
            elif ok and self._said(name, (pid, handle)):
                bits = 0
        else:
            bits, target = bits | int(_by_arguments(name, arguments)), 0
        path = _first(arguments, row.path or (_KEY if bits & _CHANGES_REGISTRY else ()))
        sent, received = row.sent, row.received
        if path and _DEVICE.search(path):
            if _SOCKET.match(path):
                sent, received = (_LENGTH, ()) if bits & _WRITES else ((), _LENGTH)
            bits, path = bits & ~_ON_FILES, ""
        return Call(
            at_us=at_us,
            pid=pid,
            name=name,
            ok=ok,
            times=times,
            deed=_deed(bits),
            path=path,
            address=_address(_first(arguments, row.address)) if row.address else "",
            bytes_sent=_bytes(arguments, sent, times) if ok and sent else 0,
            bytes_received=_bytes(arguments, received, times) if ok and received else 0,
            target_pid=target,
        )

    def _remember(self, pid: int, handle: str, target: int, *, created: bool, ok: bool) -> None:
        if not ok or not target:
            return
        if len(self._handles) >= _MOST_HANDLES:
            del self._handles[next(iter(self._handles))]
        self._handles[pid, handle] = target
        if created:
            if len(self._children) >= _MOST_HANDLES:
                del self._children[next(iter(self._children))]
            self._children[target] = pid

    def _said(self, name: str, creation: tuple[int, str]) -> bool:
        """Whether this is a creation's second call: the kernel's function is logged first, the one around it after."""
        if name.startswith("Nt"):
            if len(self._announced) < _MOST_HANDLES:
                self._announced.add(creation)
            return False
        if creation in self._announced:
            self._announced.discard(creation)
            return True
        return False

    def _into_another(self, name: str, pid: int, handle: str, target: int, arguments: Arguments) -> bool:
        if target == pid or (not target and handle in _OWN_HANDLES):
            return False
        if "VirtualMemory" in name and "Write" not in name:
            return _first(arguments, _PROTECTIONS) in _WRITABLE_CODE
        if self._children.get(target) != pid:
            return True
        # Every process writes parameters into those that it creates, and starts their first thread.
        match name:
            case "NtCreateThreadEx":
                return False
            case "NtMapViewOfSection":
                return _first(arguments, _PROTECTIONS) in _CODE
            case _:
                return "Write" not in name or _first(arguments, _BUFFERS).startswith("MZ")


_NOTHING = Row()
_PROCESS_IDS = ("ProcessId", "ProcessIdentifier", "process_identifier")
_PROCESS_HANDLES = ("ProcessHandle", "process_handle")


def _by_arguments(name: str, arguments: Arguments) -> Deed:
    """What some functions do with some arguments only."""
    match name.rstrip("AW"):
        case "NtSetInformationFile" if _first(arguments, _CLASSES) in _DISPOSITIONS:
            return Deed.DELETE
        case "RegCreateKeyEx" | "NtCreateKey" if _first(arguments, ("Disposition", "disposition")) in _CREATED_NEW:
            return Deed.REGISTRY
        case "LookupPrivilegeValue" if _first(arguments, ("PrivilegeName", "privilege_name")) in _MIGHTY:
            return Deed.PRIVILEGE
        case _:
            return Deed.NONE


_CLASSES = ("FileInformationClass", "information_class")
_BUFFERS = ("Buffer", "buffer")
_PROTECTIONS = ("NewAccessProtection", "Protection", "protection", "Win32Protect", "win32_protect")
#: PAGE_EXECUTE_READWRITE and PAGE_EXECUTE_WRITECOPY.
_WRITABLE_CODE = frozenset({"0x00000040", "0x00000080", "64", "128"})
_CODE = _WRITABLE_CODE | {"0x00000010", "0x00000020", "16", "32"}


def _first(arguments: Arguments, names: tuple[str, ...]) -> str:
    for name in names:
        if found := arguments.get(name):
            return found
    return ""


def _number(text: str) -> int:
    if not text:
        return 0
    try:
        return max(0, int(text, 16 if text.startswith("0x") else 10))
    except ValueError:
        return 0


def _bytes(arguments: Arguments, names: tuple[str, ...], times: int) -> int:
    return times * min(_number(_first(arguments, names)), 1 << 30)


def _address(text: str) -> str:
    """Without scheme, path and port. An address that the monitor could not read is none."""
    host = text.partition("://")[2] or text
    host = re.split(r"[/?#]", host, maxsplit=1)[0]
    if host.count(":") == 1:
        host = host.partition(":")[0]
    if re.fullmatch(r"[\d.]+", host):
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            return ""
    return "" if host == "0.0.0.0" else host

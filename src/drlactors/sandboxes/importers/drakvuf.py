"""Reads logs of DRAKVUF: JSON lines, each written by one of its plugins.

- What a call did is what its name and arguments say (``windows_api``). Whether it succeeded only some plugins tell;
  else it is taken to have. ``sysret`` tells of the end of a system call, which is counted already.
- ``procmon`` tells some calls again, with more: once it has spoken, the others are not listened to about those. In the
  same way ``filedelete`` gives way to ``filetracer``.
- ``procmon`` names the processes that run already, and ``inject`` the one that DRAKVUF itself started: the target.
- Lines are not in the order of time, but for those of one plugin. Some have no time (what a process loaded, of
  ``apimon``); they say what there is, not what happened, and are passed over.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from drlactors.sandboxes.importers.json_lines import Fields, objects
from drlactors.sandboxes.importers.report import About, Call, Deed, Format, Item, Passed, Process
from drlactors.sandboxes.importers.source import Source
from drlactors.sandboxes.importers.windows_api import WindowsApi

MOST_PROCESSES = 10_000
_BEGINS = re.compile(rb'\s*\{(?=[^\n]*"Plugin"\s*:\s*"\w+")(?=[^\n]*"(?:PID|TimeStamp)"\s*:)')
_UNSEEN = frozenset({"cpu_usage", "memory_usage", "bytes_sent", "bytes_received"})
#: They tell of calls; others of what DRAKVUF found or did.
_TELL = frozenset({"syscall", "apimon", "procmon", "filetracer", "regmon", "filedelete", "socketmon"})
_OF_PROCMON = frozenset({
    *("CreateProcessInternalW", "NtCreateUserProcess", "NtCreateProcessEx", "NtOpenProcess", "NtOpenThread"),
    *("NtTerminateProcess", "NtProtectVirtualMemory", "NtAdjustPrivilegesToken"),
})  # fmt: skip
_STRING = re.compile(r'Arg(\d{1,2})=[^:"]*:"(.*)"', re.DOTALL)
_VALUE = re.compile(r"Arg(\d{1,2})=(0x[0-9a-fA-F]{1,16})")
_VOLUME = re.compile(r"\\Device\\HarddiskVolume\d+(?=\\)")
_TIME = re.compile(r"(\d{1,12})(?:\.(\d{1,9}))?")


def _wide(index: int, argument: str, *names: str) -> dict[str, dict[int, str]]:
    return {name + suffix: {index: argument} for name in names for suffix in ("", "A", "W")}


#: ``apimon`` tells arguments by their place: which of them is which, as ``windows_api`` calls them.
_PLACES: dict[str, dict[int, str]] = {
    "CreateProcessInternalW": {1: "ApplicationName"},
    **_wide(0, "ProcessHandle", "WriteProcessMemory", "NtWriteVirtualMemory", "CreateRemoteThread"),
    **_wide(0, "ProcessHandle", "CreateRemoteThreadEx", "NtAllocateVirtualMemory"),
    **_wide(0, "FileName", "DeleteFile", "GetFileAttributes", "FindFirstFileEx"),
    **_wide(0, "DirectoryName", "RemoveDirectory", "CreateDirectory"),
    **_wide(1, "FileName", "CopyFile", "CopyFileEx", "MoveFileWithProgress", "MoveFileWithProgressTransacted"),
    **_wide(1, "SubKey", "RegSetValueEx", "RegDeleteKey", "RegDeleteValue"),
    **_wide(1, "ServerName", "InternetConnect", "WinHttpConnect", "InternetOpenUrl", "URLDownloadToFile"),
    **_wide(1, "PrivilegeName", "LookupPrivilegeValue"),
    "NtMapViewOfSection": {1: "ProcessHandle", 9: "Win32Protect"},
}


def detects(head: bytes, _name: str) -> bool:
    """Whether the first line is a record of a plugin."""
    return _BEGINS.match(head.removeprefix(b"\xef\xbb\xbf")) is not None


def read(source: Source) -> Iterator[Item]:
    """The processes and calls of a log. Raises Unreadable with line and field."""
    log = _Log()
    yield About(tool="DRAKVUF", ordered=False, unseen=_UNSEEN)
    for number, fields in objects(source):
        yield from log.read(Fields(number, fields), fields)
    for what, count in log.passed.items():
        yield Passed(what, count)


class _Log:
    """The records so far."""

    def __init__(self) -> None:
        self.passed: Counter[str] = Counter()
        self._api = WindowsApi()
        self._named: set[int] = set()
        self._spoke: set[str] = set()

    def read(self, record: Fields, raw: dict[str, Any]) -> Iterator[Item]:
        plugin = record.text("Plugin")
        if not plugin:
            raise record.fault("Plugin", "a record has one")
        at_us = _time(record)
        if plugin == "inject":
            yield from self._started(record, at_us)
            return
        if plugin == "sysret":
            self.passed["ends of system calls"] += 1
            return
        owner = "Owner" if plugin == "socketmon" else ""
        pid = record.number(f"{owner}PID")
        if plugin not in _TELL:
            self.passed["records of other plugins"] += 1
        elif at_us is None or pid is None:
            self.passed["records without a time"] += 1
        else:
            running = record.text("RunningProcess")
            name = running or record.text(owner or "ProcessName")
            self._spoke.add(plugin)
            yield from self._name(pid, record.number(f"{owner}PPID") or 0, _file(name))
            if not running:
                yield from self._called(plugin, record, raw, at_us, pid)

    def _started(self, record: Fields, at_us: int | None) -> Iterator[Process]:
        pid = record.number("InjectedPid")
        if pid is not None and record.text("Status") == "Success":
            yield Process(pid, name=_file(record.text("ProcessName")), first_us=at_us, target=True)

    def _name(self, pid: int, parent: int, name: str) -> Iterator[Process]:
        if pid not in self._named and len(self._named) < MOST_PROCESSES:
            self._named.add(pid)
            yield Process(pid, parent, name)

    def _called(self, plugin: str, record: Fields, raw: dict[str, Any], at_us: int, pid: int) -> Iterator[Call]:
        name = record.text("Method")
        if (plugin in ("syscall", "apimon") and name in _OF_PROCMON and "procmon" in self._spoke) or (
            plugin == "filedelete" and "filetracer" in self._spoke
        ):
            self.passed["calls that another plugin tells of too"] += 1
            return
        ok = record.text("Status") in ("", "0x0", "SUCCESS", "STATUS_SUCCESS", "Success")
        if plugin == "socketmon":
            yield _spoken(record, at_us, pid)
            return
        arguments = _by_place(name, raw) if plugin == "apimon" else _by_name(record, raw)
        call = self._api.call(pid, name or plugin, at_us, ok, 1, arguments)
        if plugin == "filedelete" or (plugin == "filetracer" and "Disposition" in record.text("Operation")):
            call = call._replace(deed=Deed.DELETE)
        if plugin in ("filedelete", "filetracer"):
            call = call._replace(path=arguments.get("FileName", ""))
        yield call


def _by_place(name: str, raw: dict[str, Any]) -> dict[str, str]:
    """Arguments of ``apimon``: ``Arg0=0x1f4``, ``Arg1=0x12bf1a0:"C:\\\\a.txt"``."""
    places, given = _PLACES.get(name, {}), raw.get("Arguments")
    found: dict[str, str] = {}
    for one in given if isinstance(given, list) and places else ():
        if isinstance(one, str) and (match := _STRING.match(one) or _VALUE.match(one)):
            argument = places.get(int(match[1]))
            if argument:
                found[argument] = match[2].replace("\\\\", "\\")
    return found


def _by_name(record: Fields, raw: dict[str, Any]) -> dict[str, str]:
    """Arguments of the other plugins, each a field; those that name a file or a process under one name."""
    found = {name: str(value) for name, value in raw.items() if isinstance(value, str | int)}
    paths = (found.get("FileName"), found.get("FileHandle"), found.get("ObjectAttributes"))
    if path := next((one for one in paths if one and "\\" in one), ""):
        found["FileName"] = _VOLUME.sub("", path)  # some plugins name the volume, and some do not
    if key := record.text("Key"):
        found["FullName"] = "\\".join(filter(None, (key, record.text("ValueName"))))
    found["ProcessHandle"] = found.get("NewProcessHandle") or found.get("ProcessHandle", "")
    found["ProcessId"] = found.get("NewPid") or found.get("ClientID", "")
    return found


def _spoken(record: Fields, at_us: int, pid: int) -> Call:
    """What ``socketmon`` tells: a connection, a datagram, or a question for a name."""
    if record.text("DnsName"):
        return Call(at_us, pid, "DnsQuery")
    if record.text("Protocol").startswith("UDP"):
        return Call(at_us, pid, "UdpSend", address=record.text("RemoteIp"))
    return Call(at_us, pid, "TcpConnect", deed=Deed.CONNECT, address=record.text("RemoteIp"))


def _time(record: Fields) -> int | None:
    """Microseconds since 1970; None where the record has no time."""
    text = record.text("TimeStamp")
    if not text:
        return None
    found = _TIME.fullmatch(text)
    if found is None:
        raise record.fault("TimeStamp", f"seconds are expected, and {text[:40]!r} is there")
    return int(found[1]) * 1_000_000 + int((found[2] or "")[:6].ljust(6, "0"))


def _file(path: str) -> str:
    return path.rpartition("\\")[2]


FORMAT = Format("DRAKVUF", detects, read)

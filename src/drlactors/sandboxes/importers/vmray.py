"""Reads VMRay's function log (flog.xml): what each monitored process called, with arguments before and after.

- ``ts`` is milliseconds since the guest began. A call is at the time when it began; one that never returned is a call.
  ``analysis_date``, which is UTC (a summary says the same with its zone), says on which day that was: there the first
  call is put.
- Processes have numbers of the log's own; ``os_pid`` is the guest's. ``monitor_reason`` says which is the target, and
  which was reached by injection.
- Later calls name files and keys by handle: what each handle stands for is remembered from the call that opened it.
- The log does not name its artifact. A summary that lies beside it (summary_v2.json) does, and has VMRay's verdict; no
  more of it is read, for it was written when all was over.
- Bytes that are no UTF-8 are U+FFFD, unless the log says that it is in another encoding. What XML does not allow in any
  (control characters) is refused.
- A document type is refused where it is declared, and with it every entity that could unfold.
"""

import codecs
import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from datetime import datetime
from xml.parsers import expat

from drlactors.sandboxes.importers import vmray_summary as summary
from drlactors.sandboxes.importers.report import About, Call, Deed, Format, Item, Passed, Process, since_1970_us
from drlactors.sandboxes.importers.source import Source, Unreadable
from drlactors.sandboxes.importers.windows_api import WindowsApi

CHUNK_BYTES = 64 << 10
#: Elements inside elements. Function logs have seven.
MAX_DEPTH = 64
#: Arguments of one call, with the members of what they point to.
MOST_ARGUMENTS = 256
MOST_HANDLES = 4096
_BEGINS = re.compile(rb"\s*(?:<\?xml[^>]*\?>\s*)?(?:<!DOCTYPE.*?>\s*)?<analysis\s[^>]*\blog_version=", re.DOTALL)
#: Another encoding than UTF-8.
_DECLARED = re.compile(rb"(?:\xef\xbb\xbf)?\s*<\?xml[^>]*\bencoding\s*=\s*[\"'](?!utf-?8[\"'])", re.IGNORECASE)
_HIVES = {
    0x80000000: "HKEY_CLASSES_ROOT",
    0x80000001: "HKEY_CURRENT_USER",
    0x80000002: "HKEY_LOCAL_MACHINE",
    0x80000003: "HKEY_USERS",
    0x80000005: "HKEY_CURRENT_CONFIG",
}
#: What ``windows_api`` knows by another name: functions of Win32 that its monitors see one layer below.
_ALIASES = {
    "CreateProcess": "CreateProcessInternal",
    "OpenProcess": "NtOpenProcess",
    "CreateFile": "NtCreateFile",
    "MoveFileEx": "MoveFile",
    "VirtualAllocEx": "NtAllocateVirtualMemory",
    "VirtualProtectEx": "NtProtectVirtualMemory",
    "SetThreadContext": "NtSetContextThread",
    "Wow64SetThreadContext": "NtSetContextThread",
    "QueueUserAPC": "NtQueueApcThread",
}
_NAMES = {
    "lpFileName": "FileName",
    "lpExistingFileName": "ExistingFileName",
    "lpNewFileName": "NewFileName",
    "lpPathName": "DirectoryName",
    "hProcess": "ProcessHandle",
    "dwProcessId": "ProcessId",
    "lpApplicationName": "ApplicationName",
    "lpCommandLine": "CommandLine",
    "lpSubKey": "SubKey",
    "lpszServerName": "ServerName",
    "pswzServerName": "ServerName",
    "lpszUrl": "Url",
    "sin_addr": "ip",
    "lpName": "PrivilegeName",
    "flProtect": "Protection",
    "flNewProtect": "Protection",
    "lpBuffer": "Buffer",
    "ret_val": "retval",
}
_RETURN_TRUE = ("ReadFile", "WriteFile", "DeleteFile", "MoveFile", "CopyFile", "CreateProcess", "WriteProcessMemory")
_FAILED_HANDLES = frozenset({0, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF})


def detects(head: bytes, _name: str) -> bool:
    """Whether the outermost element is a function log's."""
    return _BEGINS.match(head.removeprefix(b"\xef\xbb\xbf")) is not None


def read(source: Source) -> Iterator[Item]:
    """The processes and calls of a log. Raises Unreadable with line and column."""
    yield from summary.beside(source)
    log = _Log(source)
    parser = expat.ParserCreate()
    decode = None if _DECLARED.match(source.head) else codecs.getincrementaldecoder("utf-8")("replace").decode
    parser.buffer_text = True
    parser.StartElementHandler = log.opened
    parser.EndElementHandler = log.closed
    parser.StartDoctypeDeclHandler = log.declared
    log.where = lambda: f"line {parser.CurrentLineNumber}, column {parser.CurrentColumnNumber}"
    while True:
        data = source.read(CHUNK_BYTES)
        try:
            parser.Parse(decode(data, not data).encode() if decode else data, not data)
        except expat.ExpatError as error:
            place = f"line {error.lineno}, column {error.offset}"
            raise Unreadable(place, expat.ErrorString(error.code)) from error
        except (LookupError, ValueError) as error:  # an encoding that is not known, or not to the parser
            raise Unreadable(log.where(), str(error)) from error
        yield from log.items
        log.items.clear()
        if not data:
            break
    for what, number in log.passed.items():
        yield Passed(what, number)


class _Log:
    """The elements so far; ``items`` are what they came to, to be taken out."""

    def __init__(self, source: Source) -> None:
        self.items: list[Item] = []
        self.passed: Counter[str] = Counter()
        self.where: Callable[[], str] = str
        self._source = source
        self._depth = 0
        self._pids: dict[str, int] = {}  # by the log's own number
        self._call: dict[str, str] | None = None  # the attributes of the call that is open
        self._arguments: dict[str, str] = {}
        self._parameter = ""
        self._date_us: int | None = None  # of the analysis, until something has a time
        self._api = WindowsApi()
        self._handles: OrderedDict[tuple[int, str], str] = OrderedDict()

    def declared(self, *_declaration: object) -> None:
        raise Unreadable(self.where(), "a document type is declared, which VMRay's logs do not")

    def opened(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Unreadable(self.where(), f"nested deeper than {MAX_DEPTH}")
        if name == "analysis":
            self.items.append(About(tool=f"VMRay {attributes.get('analyzer_version', '')[:20]}".rstrip()))
            self._date_us = _date_us(attributes.get("analysis_date", ""))
        elif name == "monitor_process":
            self._monitored(attributes)
        elif name == "fncall":
            self._call, self._arguments = attributes, {}
        elif self._call is not None and len(self._arguments) < MOST_ARGUMENTS:
            self._argument(name, attributes)

    def closed(self, name: str) -> None:
        self._depth -= 1
        if name == "fncall" and self._call is not None:
            self._called(self._call)
            self._call = None
        if self._depth == 1:
            self._source.turn()

    def _argument(self, name: str, attributes: dict[str, str]) -> None:
        value = attributes.get("value", "").replace("\\\\", "\\")
        if name == "param":
            self._parameter = attributes.get("name", "")
            self._arguments[self._parameter] = value
        elif name == "deref" and value and self._parameter:
            self._arguments[self._parameter] = value  # what is pointed to, rather than where
        elif name == "member":
            self._arguments[attributes.get("name", "")] = value

    def _monitored(self, attributes: dict[str, str]) -> None:
        at_us, pid = self._time(attributes), self._number(attributes, "os_pid")
        parent = self._pids.get(attributes.get("parent_id", ""), 0)
        if not parent and "os_parent_pid" in attributes:
            parent = self._number(attributes, "os_parent_pid")
        self._pids[attributes.get("process_id", "")] = pid
        reason = attributes.get("monitor_reason", "")
        target = reason == "analysis_target"
        self.items.append(Process(pid, parent, attributes.get("image_name", ""), at_us, target))
        if "inject" in reason and parent:
            self.items.append(Call(at_us, parent, reason, times=0, deed=Deed.INJECT, target_pid=pid))

    def _called(self, call: dict[str, str]) -> None:
        at_us, name = self._time(call), call.get("name", "")
        pid = self._pids.get(call.get("process_id", ""))
        if pid is None:
            self.passed["calls of processes that the log does not name"] += 1
            return
        arguments = {_NAMES.get(known, known): value for known, value in self._arguments.items()}
        ok = _succeeded(name, arguments.get("retval", ""))
        self._follow(pid, name, arguments, ok=ok)
        plain = name.removesuffix("W").removesuffix("A")
        plain = "Nt" + plain[2:] if plain.startswith("Zw") else plain
        if self._date_us is not None:
            self.items.append(About(clock_us=self._date_us - at_us))
            self._date_us = None
        told = self._api.call(pid, _ALIASES.get(plain, plain), at_us, ok, 1, arguments)
        self.items.append(told._replace(name=name))
        if new := arguments.get("NewFileName"):
            self.items.append(Call(at_us, pid, name, ok, times=0, path=new))

    def _follow(self, pid: int, name: str, arguments: dict[str, str], *, ok: bool) -> None:
        """Says in the arguments what their handles stand for, and remembers what this call opened."""
        if protection := arguments.get("Protection"):
            arguments["Protection"] = str(_hexadecimal(protection))
        file, key = arguments.get("hFile", ""), arguments.get("hKey", "")
        if file and "FileName" not in arguments:
            arguments["FileName"] = self._handles.get((pid, file), "")
        if key:
            above = _HIVES.get(_hexadecimal(key) & 0xFFFFFFFF) or self._handles.get((pid, key), "")
            below = arguments.get("SubKey") or arguments.get("lpValueName", "")
            arguments["FullName"] = "\\".join(filter(None, (above, below)))
            if ok and name.startswith(("RegOpenKey", "RegCreateKey")) and (made := arguments.get("phkResult")):
                self._hold(pid, made, arguments["FullName"])
        if ok and name.startswith("CreateFile"):
            self._hold(pid, arguments.get("retval", ""), arguments.get("FileName", ""))
        if name.startswith("OpenProcess"):
            arguments["ProcessHandle"] = arguments.get("retval", "")
        if name in ("CloseHandle", "RegCloseKey"):
            self._handles.pop((pid, arguments.get("hObject", key)), None)

    def _hold(self, pid: int, handle: str, path: str) -> None:
        if len(self._handles) >= MOST_HANDLES:
            self._handles.popitem(last=False)
        self._handles[pid, handle] = path

    def _time(self, attributes: dict[str, str]) -> int:
        return self._number(attributes, "ts") * 1000

    def _number(self, attributes: dict[str, str], name: str) -> int:
        text = attributes.get(name, "")
        try:
            number = int(text[:20], 0)
        except ValueError:
            raise Unreadable(self.where(), f"{name}: a number is expected, and {text[:40]!r} is there") from None
        if not 0 <= number < 1 << 48:
            raise Unreadable(self.where(), f"{name}: {number} is too large")
        return number


def _date_us(said: str) -> int | None:
    """Microseconds since 1970; None where it is not written as ``24.09.2024 18:10:23.406``."""
    try:
        return since_1970_us(datetime.strptime(f"{said}Z", "%d.%m.%Y %H:%M:%S.%f%z").isoformat())
    except ValueError:
        return None


def _hexadecimal(text: str) -> int:
    try:
        return int(text[:20], 0)
    except ValueError:
        return 0


def _succeeded(name: str, returned: str) -> bool:
    """By what it returned; a function whose convention is not known, or that did not return, is taken to have."""
    if not returned:
        return True
    number = _hexadecimal(returned)
    if name.startswith(("Reg", "Nt", "Zw")):
        return number == 0
    if name.startswith(("CreateFile", "FindFirstFile", "OpenProcess", "CreateRemoteThread")):
        return number not in _FAILED_HANDLES
    return number != 0 if name.startswith(_RETURN_TRUE) else True


FORMAT = Format("VMRay", detects, read)

"""Reads event logs of Windows as JSON lines: the channels of Sysmon and Security, as NXLog and others write them.

An event counts as one call. What it says was done becomes a deed:

- a process made (Sysmon 1, Security 4688), a connection (3, 5156), a file made or its time changed (11, 2) or removed
  (23, 26), a key or value of the registry changed (12, 13, 14, 4657), a thread made in another process (8), a privilege
  enabled or used (4703, 4673), a scheduled task written (4698).
- Both channels tell of a process or a connection: what is told the second time within ``AGAIN_US`` is counted, and did
  nothing more.
- Asking for a handle (4656), closing and copying one (4658, 4690), opening a process (10) and loading a library (7) are
  counted; what was accessed through a handle (4663) is what its access mask says.

Clocks: ``@timestamp`` is of the event or of its arrival, and in some logs local time that calls itself UTC; it is the
one time that all events of a log have, and a second or two late at most. Sysmon's ``UtcTime`` is UTC: the first one
says by how many quarters of an hour the log is off. Lines are in the order of arrival.

Several machines in one log have the same numbers for other processes: those of the second machine are counted from
``1 << 32`` on, of the third from ``2 << 32``. A log names no artifact; nothing in it is the target. That a channel was
cleared (1102, 104) is said by its first events: it was cleared before the recording, and only a later one is behaviour.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import NamedTuple

from drlactors.sandboxes.importers.json_lines import Fields, objects
from drlactors.sandboxes.importers.report import About, Call, Deed, Format, Item, Passed, Process, since_1970_us
from drlactors.sandboxes.importers.source import Source

AGAIN_US = 5_000_000
MOST_REMEMBERED = 4096
MOST_MACHINES = 1024
SYSTEM_PID = 4
#: Of time zones: what they are apart, and how far the farthest is from UTC.
QUARTER_US, WIDEST_US = 900_000_000, 50_400_000_000
_BEGINS = re.compile(rb'\s*\{(?=[^\n]*"EventID"\s*:\s*"?\d)(?=[^\n]*"Channel"\s*:)')
_TIMES = ("@timestamp", "TimeCreated", "UtcTime", "EventTime")
_UNSEEN = frozenset({"cpu_usage", "memory_usage", "bytes_sent", "bytes_received"})
_SYSMON = "microsoft-windows-sysmon/operational"
_SECURITY = "security"
#: Bits of an access mask: reading another process's memory; reading, changing and removing a file or key.
_READS_MEMORY = 0x10
_READS_DATA, _WRITES_DATA, _DELETES = 0x1, 0x2 | 0x4, 0x10000


def detects(head: bytes, _name: str) -> bool:
    """Whether the first line is an event of Windows."""
    return _BEGINS.match(head.removeprefix(b"\xef\xbb\xbf")) is not None


def read(source: Source) -> Iterator[Item]:
    """The processes and events of a log. Raises Unreadable with line and field."""
    log = _Log()
    yield About(tool="Windows event log", ordered=False, unseen=_UNSEEN)
    for number, fields in objects(source):
        yield from log.read(Fields(number, fields))
    for what, count in log.passed.items():
        yield Passed(what, count)


class _Log:
    """The events so far."""

    def __init__(self) -> None:
        self.passed: dict[str, int] = {}
        self._machines: dict[str, int] = {}
        self._named: OrderedDict[int, None] = OrderedDict()
        self._told: OrderedDict[tuple[object, ...], int] = OrderedDict()
        self._begun: set[tuple[int, str]] = set()  # channels of machines
        self._placed = False  # it is known by which time zone the log is off

    def read(self, event: Fields) -> Iterator[Item]:
        channel, number = event.text("Channel").lower(), event.number("EventID")
        if number is None:
            raise event.fault("EventID", "an event has one")
        machine = self._machine(event.text("Hostname").lower(), event)
        kind = _kind(channel, number)
        if kind is _CLEARED and (machine, channel) not in self._begun:
            self._pass("notes that a log was cleared before it began")
            return
        if len(self._begun) < MOST_REMEMBERED:
            self._begun.add((machine, channel))
        at_us = _time(event)
        if at_us is not None and channel == _SYSMON and not self._placed:
            yield from self._place(event, at_us)
        pid = next((found for name in kind.pids if (found := event.number(name))), None)
        if kind is _CLEARED:
            pid = pid or SYSTEM_PID  # these events do not say who did it
        if at_us is None:
            self._pass("events without a time")
        elif pid is None:
            self._pass("events of no process")
        else:
            yield from self._happened(kind, event, at_us, machine, machine + pid)

    def _place(self, event: Fields, at_us: int) -> Iterator[About]:
        """By which time zone the log is off."""
        try:
            off_us = since_1970_us(event.text("UtcTime")) - at_us
        except ValueError:
            return  # it has none, or none that can be read; another event may
        self._placed = True
        zone_us = round(off_us / QUARTER_US) * QUARTER_US
        if zone_us and abs(zone_us) <= WIDEST_US:
            yield About(ordered=False, clock_us=zone_us)

    def _machine(self, host: str, event: Fields) -> int:
        """What is added to the numbers of this machine's processes."""
        known = self._machines.get(host)
        if known is None:
            if len(self._machines) >= MOST_MACHINES:
                raise event.fault("Hostname", f"more than {MOST_MACHINES:,} machines")
            known = self._machines[host] = len(self._machines) << 32
        return known

    def _pass(self, what: str) -> None:
        self.passed[what] = self.passed.get(what, 0) + 1

    def _happened(self, kind: "_Kind", event: Fields, at_us: int, machine: int, pid: int) -> Iterator[Item]:
        yield from self._name(pid, _file(next((text for name in kind.images if (text := event.text(name))), "")))
        does = kind.does(event)
        target = machine + does.target if does.target else 0
        if target and Deed.CREATE in does.deed:
            yield Process(target, pid, _file(does.path))  # all events are by one clock: nothing is to be aligned
            self._know(target)
        deed = does.deed
        if does.once and self._again((machine, *does.once), at_us):
            deed = Deed.NONE
        yield Call(at_us, pid, kind.name, True, 1, deed, does.path, does.address, target_pid=target if deed else 0)

    def _name(self, pid: int, name: str) -> Iterator[Process]:
        if name and pid not in self._named:
            self._know(pid)
            yield Process(pid, name=name)

    def _know(self, pid: int) -> None:
        if len(self._named) >= MOST_REMEMBERED:
            self._named.popitem(last=False)
        self._named[pid] = None

    def _again(self, what: tuple[object, ...], at_us: int) -> bool:
        """Whether the other channel has told of this already."""
        before = self._told.get(what)
        if before is not None and abs(at_us - before) <= AGAIN_US:
            return True
        if len(self._told) >= MOST_REMEMBERED:
            self._told.popitem(last=False)
        self._told[what] = at_us
        return False


class _Does(NamedTuple):
    """What one event says was done."""

    deed: Deed = Deed.NONE
    path: str = ""
    address: str = ""
    target: int = 0  # the process that was made or written into
    once: tuple[object, ...] = ()  # what the other channel tells too


class _Kind(NamedTuple):
    """A kind of event: how it is called, where it says who did it, and what that was."""

    name: str
    pids: tuple[str, ...] = ("ProcessId", "ProcessID")
    images: tuple[str, ...] = ("Image", "ProcessName", "Application")
    does: Callable[[Fields], _Does] = lambda _event: _Does()


def _kind(channel: str, number: int) -> _Kind:
    if (channel, number) in ((_SECURITY, 1102), ("system", 104)):
        return _CLEARED
    if channel == _SYSMON:
        return _OF_SYSMON.get(number) or _Kind(f"Sysmon{number}")
    if channel == _SECURITY:
        return _OF_SECURITY.get(number) or _Kind(f"Security{number}")
    if channel.startswith("microsoft-windows-powershell/"):
        return _Kind(f"PowerShell{number}", ("ExecutionProcessID",))
    return _Kind(f"{channel} {number}", ())


def _made(child: str, path: str) -> Callable[[Fields], _Does]:
    def does(event: Fields) -> _Does:
        pid = event.number(child) or 0
        return _Does(Deed.CREATE, event.text(path), target=pid, once=("made", pid))

    return does


def _connected(near: tuple[str, str], far: tuple[str, str]) -> Callable[[Fields], _Does]:
    def does(event: Fields) -> _Does:
        ends = frozenset((event.text(host), event.number(port)) for host, port in (near, far))
        inward = event.text("Initiated").lower() == "false"
        return _Does(Deed.CONNECT, address=event.text((near if inward else far)[0]), once=("to", ends))

    return does


def _threaded(event: Fields) -> _Does:
    # So Windows tells a program of a console that Ctrl+C was pressed, or the console closed.
    told = event.text("StartFunction") == "CtrlRoutine" and event.text("SourceImage").lower().endswith("\\csrss.exe")
    return _Does() if told else _Does(Deed.INJECT, target=event.number("TargetProcessId") or 0)


def _opened(event: Fields) -> _Does:
    """A process opened to read its memory, by code that lies in no module or that writes dumps, names that process."""
    reads = (event.number("GrantedAccess") or 0) & _READS_MEMORY
    trace = event.text("CallTrace").lower()
    by_stealth = "unknown" in trace or "dbgcore.dll" in trace or "dbghelp.dll" in trace
    return _Does(path=event.text("TargetImage")) if reads and by_stealth else _Does()


def _named(field: str, deed: Deed = Deed.NONE) -> Callable[[Fields], _Does]:
    return lambda event: _Does(deed, event.text(field))


def _registry(event: Fields) -> _Does:
    # A key that is only opened, by a function that would have made it, is told as made: that changes nothing.
    changed = event.text("EventType") != "CreateKey"
    return _Does(Deed.REGISTRY if changed else Deed.NONE, event.text("TargetObject"))


def _accessed(event: Fields) -> _Does:
    kind, mask = event.text("ObjectType"), event.number("AccessMask") or 0
    deed = Deed.NONE
    if kind == "File":
        deed |= Deed.READ if mask & _READS_DATA else Deed.NONE
        deed |= Deed.WRITE if mask & _WRITES_DATA else Deed.NONE
        deed |= Deed.DELETE if mask & _DELETES else Deed.NONE
    elif kind == "Key" and mask & (_WRITES_DATA | _DELETES):
        deed = Deed.REGISTRY
    return _Does(deed, event.text("ObjectName") if kind in ("File", "Key") else "")


def _value(event: Fields) -> _Does:
    return _Does(Deed.REGISTRY, f"{event.text('ObjectName')}\\{event.text('ObjectValueName')}")


def _enabled(event: Fields) -> _Does:
    names = {event.text("EnabledPrivilegeList"), event.text("PrivilegeList")} - {"", "-"}
    return _Does(Deed.PRIVILEGE if names else Deed.NONE)


_CLEARED = _Kind("ClearEventLog", ("ClientProcessId",))
_PARENT = ("ParentProcessId",)
_SOURCE = ("SourceProcessId",)
_OF_SYSMON: dict[int, _Kind] = {
    1: _Kind("ProcessCreate", _PARENT, ("ParentImage",), _made("ProcessId", "Image")),
    2: _Kind("FileCreateTime", does=_named("TargetFilename", Deed.WRITE)),
    3: _Kind("NetworkConnect", does=_connected(("SourceIp", "SourcePort"), ("DestinationIp", "DestinationPort"))),
    5: _Kind("ProcessTerminate"),
    6: _Kind("DriverLoad", does=_named("ImageLoaded")),
    7: _Kind("ImageLoad", does=_named("ImageLoaded")),
    8: _Kind("CreateRemoteThread", _SOURCE, ("SourceImage",), _threaded),
    9: _Kind("RawAccessRead", does=_named("Device")),
    10: _Kind("ProcessAccess", _SOURCE, ("SourceImage",), _opened),
    11: _Kind("FileCreate", does=_named("TargetFilename", Deed.WRITE)),
    12: _Kind("RegistryKey", does=_registry),
    13: _Kind("RegistryValueSet", does=_registry),
    14: _Kind("RegistryRename", does=_registry),
    15: _Kind("FileCreateStreamHash", does=_named("TargetFilename", Deed.WRITE)),
    17: _Kind("PipeCreate"),
    18: _Kind("PipeConnect"),
    22: _Kind("DnsQuery"),
    23: _Kind("FileDelete", does=_named("TargetFilename", Deed.DELETE)),
    24: _Kind("ClipboardChange"),
    25: _Kind("ProcessTampering", does=lambda _event: _Does(Deed.INJECT)),
    26: _Kind("FileDelete", does=_named("TargetFilename", Deed.DELETE)),
}
_OF_SECURITY: dict[int, _Kind] = {
    4656: _Kind("HandleRequest"),
    4657: _Kind("RegistryValueSet", does=_value),
    4658: _Kind("HandleClose"),
    4663: _Kind("ObjectAccess", does=_accessed),
    4673: _Kind("PrivilegedService", does=_enabled),
    4688: _Kind("ProcessCreate", ("ProcessId",), ("ParentProcessName",), _made("NewProcessId", "NewProcessName")),
    4689: _Kind("ProcessTerminate"),
    4690: _Kind("HandleCopy", _SOURCE),
    4697: _Kind("CreateService", ("ClientProcessId",), does=_named("ServiceFileName")),
    4698: _Kind("CreateTask", ("ClientProcessId",), does=_named("TaskName", Deed.WRITE)),
    4703: _Kind("AdjustPrivileges", does=_enabled),
    5156: _Kind("NetworkConnect", does=_connected(("SourceAddress", "SourcePort"), ("DestAddress", "DestPort"))),
    5158: _Kind("Bind"),
}


def _time(event: Fields) -> int | None:
    """Microseconds since 1970, as if the log's time were UTC."""
    text, name = next(((text, name) for name in _TIMES if (text := event.text(name))), ("", ""))
    if not text:
        return None
    try:
        return since_1970_us(text)
    except ValueError as error:
        raise event.fault(name, str(error)) from error


def _file(path: str) -> str:
    return path.rpartition("\\")[2]


FORMAT = Format("Windows event log", detects, read)

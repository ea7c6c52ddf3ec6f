"""What rules about attacks look at: a session's windows, folded into totals, names and places."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from drlactors.domain.attack.places import KEPT, PLACES, placed
from drlactors.domain.telemetry import Telemetry, Window

#: More distinct paths of one kind than this change no verdict; a session of hours stays within bounds.
MAX_PATHS = 4096
#: A window that names more files of users than this has listed folders: that a file is named there says little.
MAX_AT_ONCE = 24
#: What starting a program reads of its libraries and settings, about.
READS_TO_START = 8

#: Distinct paths, by place.
ByPlace = dict[str, set[str]]


class Contact(NamedTuple):
    """The network activity of one window that had some."""

    connections: int
    sent_bytes: int
    received_bytes: int


def _nowhere() -> ByPlace:
    return {name: set() for name in PLACES}


@dataclass
class Evidence:
    """A session in sum. A count is 0 where nothing was seen of it, also where the sandbox could not see it."""

    windows: int = 0
    seconds: float = 0.0
    syscalls: int = 0
    writes: int = 0
    deletes: int = 0
    children: int = 0
    cpu_s: float = 0.0  # core-seconds
    injections: int = 0  # windows with the flag
    privileges: int = 0
    unstarted_children: int = 0  # processes made in windows in which no program was started
    names: set[str] = field(default_factory=set)  # of calls, without the endings that only say how strings are passed
    addresses: set[str] = field(default_factory=set)
    contacts: list[Contact] = field(default_factory=list)
    weighed: bool = False  # how much was sent and received was seen, be it nothing
    seen: ByPlace = field(default_factory=_nowhere)
    written: ByPlace = field(default_factory=_nowhere)  # beside a write
    changed: ByPlace = field(default_factory=_nowhere)  # beside a change of the registry
    worked: ByPlace = field(default_factory=_nowhere)  # in no listing
    overwritten: set[str] = field(default_factory=set)  # as many files read and written as named, and no other named
    destroyed: set[str] = field(default_factory=set)  # documents, where as many were removed or emptied, hardly read
    tampered: set[str] = field(default_factory=set)  # logs and histories changed where no other file was named

    @property
    def connections(self) -> int:
        return sum(contact.connections for contact in self.contacts)

    @property
    def sent_bytes(self) -> int:
        return sum(contact.sent_bytes for contact in self.contacts)

    @property
    def received_bytes(self) -> int:
        return sum(contact.received_bytes for contact in self.contacts)

    def renamed(self) -> set[str]:
        """Documents that were also seen with an ending that neither packs nor keeps a copy."""
        return {whole for whole, ending in self._endings() if ending not in KEPT}

    def lost(self) -> set[str]:
        """Documents destroyed of which no packed or other copy beside them was seen."""
        return self.destroyed - {whole for whole, _ in self._endings()}

    def _endings(self) -> Iterator[tuple[str, str]]:
        known = self.seen["document"] | self.seen["source"] | self.seen["user file"]
        documents = self.seen["document"] | self.seen["source"]
        for path in known:
            whole, _, ending = path.rpartition(".")
            while whole:  # sealed again and again: name.doc.x.x.x
                if whole in documents:
                    yield whole, ending
                    break
                whole = whole.rpartition(".")[0]


def gather(windows: Iterable[Window]) -> Evidence:
    """Folds the windows of one session, in their order."""
    evidence = Evidence()
    for window in windows:
        _add(evidence, window)
    return evidence


def _add(evidence: Evidence, window: Window) -> None:
    seen = window.telemetry
    reads, writes, deletes = seen.file_read_count or 0, seen.file_write_count or 0, seen.file_delete_count or 0
    names = {plain_name(name) for name in seen.syscall_types}
    evidence.windows += 1
    evidence.seconds += window.window_ms / 1000
    evidence.syscalls += seen.syscall_count or 0
    evidence.writes += writes
    evidence.deletes += deletes
    evidence.children += seen.child_processes or 0
    evidence.cpu_s += (seen.cpu_usage or 0.0) * window.window_ms / 1000
    evidence.injections += bool(seen.code_injection_detected)
    evidence.privileges += bool(seen.privilege_escalation_attempt)
    if not names & {"execve", "execveat"}:
        evidence.unstarted_children += seen.child_processes or 0
    evidence.names |= names
    evidence.addresses.update(seen.contacted_ips)
    contact = Contact(seen.network_connections or 0, seen.bytes_sent or 0, seen.bytes_received or 0)
    evidence.weighed |= seen.bytes_sent is not None and seen.bytes_received is not None
    if any(contact):
        evidence.contacts.append(contact)
    _add_paths(evidence, seen, names, reads=reads, writes=writes, deletes=deletes)


def _add_paths(evidence: Evidence, seen: Telemetry, names: set[str], *, reads: int, writes: int, deletes: int) -> None:
    here: ByPlace = {}
    for raw in seen.accessed_paths:
        path, places = placed(raw)
        for place in places:
            here.setdefault(place, set()).add(path)
    listed = len(here.get("home", ())) > MAX_AT_ONCE
    for place, paths in here.items():
        _keep(evidence.seen[place], paths)
        if not listed:
            _keep(evidence.worked[place], paths)
        if writes and not listed:
            _keep(evidence.written[place], paths)
        if seen.registry_modification:
            _keep(evidence.changed[place], paths)
    if listed:
        return
    files, documents = here.get("user file", set()), here.get("document", set()) | here.get("source", set())
    logs = here.get("log", set()) | here.get("history", set())
    of_programs = READS_TO_START * (seen.child_processes or 0)
    if logs and files <= logs and (writes or deletes or names & {"truncate", "rename"}):
        _keep(evidence.tampered, logs)
    if documents and files == documents and reads >= len(files) and writes >= len(files) and not deletes:
        _keep(evidence.overwritten, documents)
    once = {path.rpartition("/")[2] for path in documents}  # a copy is named like what it was copied from
    removed = len(once) if "truncate" in names else deletes
    if once and 4 * (reads - of_programs) <= len(once) <= 2 * removed:
        _keep(evidence.destroyed, documents)


def _keep(known: set[str], paths: set[str]) -> None:
    if len(known) < MAX_PATHS:
        known |= paths


#: Names of one thing: the function of Win32, and the one of the kernel that it calls.
_SAME = {
    "SetThreadContext": "NtSetContextThread",
    "Wow64SetThreadContext": "NtSetContextThread",
    "QueueUserAPC": "NtQueueApcThread",
    "UnmapViewOfFile": "NtUnmapViewOfSection",
}
_VARIANT = re.compile(r"(?<=[a-z])(?:Internal)?(?:Ex)?[AW]?$")


@lru_cache(maxsize=1 << 12)
def plain_name(name: str) -> str:
    """``RegSetValueExW`` as ``RegSetValue``, ``ZwWriteFile`` as ``NtWriteFile``; system calls stay as they are."""
    if name.startswith("Zw"):
        name = "Nt" + name[2:]
    plain = _VARIANT.sub("", name) if name[:1].isupper() else name
    return _SAME.get(name, _SAME.get(plain, plain))

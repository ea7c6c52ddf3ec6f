"""Folds the calls that arrived in one window into telemetry.

A window is what arrived on the host while it lasted: the guest's clock is not read. Calls come late, by the monitor's
half second and by what the result server has not written yet, so that some of a window was done in the one before.
"""

from collections import Counter

from drlactors.domain.telemetry import MAX_CHARACTERS, MAX_ENTRIES, Telemetry
from drlactors.sandboxes.cape.log import Called
from drlactors.sandboxes.importers.report import Deed
from drlactors.sandboxes.importers.windows_api import WindowsApi

#: The same process may be created by a function and by the one that it calls; that many are remembered.
_MOST_CREATED = 4096


class Fold:
    """The telemetry of the window that is open, call by call.

    Counts are of calls that succeeded, each with its repetitions; ``syscall_count`` and ``syscall_types`` are of all.
    What a call does is said by ``importers.windows_api``. CPU and memory are not seen.
    """

    def __init__(self) -> None:
        self._api = WindowsApi()
        self._created: dict[int, None] = {}
        self._reset()

    def _reset(self) -> None:
        self._types: Counter[str] = Counter()
        self._done: Counter[Deed] = Counter()
        self._sent = self._received = self._children = 0
        self._paths: dict[str, None] = {}
        self._addresses: dict[str, None] = {}
        self._sought = Deed.NONE

    def add(self, called: Called) -> None:
        """Counts one call in."""
        call = self._api.call(called.pid, called.name, called.at_us, called.ok, called.times, called.arguments)
        self._types[call.name] += call.times
        self._sought |= call.deed
        if call.address and len(self._addresses) < MAX_ENTRIES:
            self._addresses[call.address[:MAX_CHARACTERS]] = None
        if call.deed & Deed.CONNECT:  # answered or not
            self._done[Deed.CONNECT] += call.times
        if not call.ok:
            return
        for deed in (Deed.READ, Deed.WRITE, Deed.DELETE, Deed.REGISTRY):
            if call.deed & deed:
                self._done[deed] += call.times
        if call.deed & Deed.CREATE:
            self._create(call.target_pid)
        if call.path and len(self._paths) < MAX_ENTRIES:
            self._paths[call.path[:MAX_CHARACTERS]] = None
        self._sent += call.bytes_sent
        self._received += call.bytes_received

    def close(self) -> Telemetry:
        """The window that ends here; the next one begins empty."""
        seen = Telemetry(
            syscall_count=self._types.total(),
            syscall_types=tuple(name[:MAX_CHARACTERS] for name, _ in self._types.most_common(MAX_ENTRIES)),
            file_read_count=self._done[Deed.READ],
            file_write_count=self._done[Deed.WRITE],
            file_delete_count=self._done[Deed.DELETE],
            accessed_paths=tuple(self._paths),
            network_connections=self._done[Deed.CONNECT],
            bytes_sent=self._sent,
            bytes_received=self._received,
            contacted_ips=tuple(self._addresses),
            child_processes=self._children,
            registry_modification=self._done[Deed.REGISTRY] > 0,
            privilege_escalation_attempt=Deed.PRIVILEGE in self._sought,
            code_injection_detected=Deed.INJECT in self._sought,
        )
        self._reset()
        return seen

    def _create(self, pid: int) -> None:
        if pid and pid in self._created:
            return
        if len(self._created) >= _MOST_CREATED:
            self._created.clear()
        self._created[pid] = None
        self._children += 1

"""What was done in one window, call by call, and the telemetry that it comes to."""

from functools import lru_cache
from ipaddress import ip_address

from drlactors.domain.telemetry import MAX_CHARACTERS, MAX_COUNT, MAX_ENTRIES, Telemetry
from drlactors.sandboxes.importers.report import Call, Deed

_READ, _WRITE, _DELETE, _CONNECT = int(Deed.READ), int(Deed.WRITE), int(Deed.DELETE), int(Deed.CONNECT)
_CREATE, _REGISTRY, _PRIVILEGE, _INJECT = int(Deed.CREATE), int(Deed.REGISTRY), int(Deed.PRIVILEGE), int(Deed.INJECT)


class Fold:
    """What one process, or several together, did in one window."""

    __slots__ = (
        "addresses", "calls", "children", "connections", "deletes", "injected", "paths",
        "privilege", "reads", "received", "registry", "sent", "types", "writes",
    )  # fmt: skip

    def __init__(self) -> None:
        self.calls = self.reads = self.writes = self.deletes = self.connections = self.children = 0
        self.sent = self.received = 0
        self.types: dict[str, int] = {}
        self.paths: dict[str, None] = {}
        self.addresses: dict[str, None] = {}
        self.registry = self.privilege = False
        self.injected: set[int] = set()  # the processes that it wrote into

    def act(self, call: Call) -> None:
        deed, times = int(call.deed), call.times  # flags cost a microsecond each
        if call.ok:
            if deed & _READ:
                self.reads += times
            if deed & _WRITE:
                self.writes += times
            if deed & _DELETE:
                self.deletes += times
            if deed & _CREATE:
                self.children += times
            if deed & _REGISTRY:
                self.registry = True
            if deed & _INJECT and len(self.injected) < MAX_ENTRIES:
                self.injected.add(call.target_pid)
            self.sent += call.bytes_sent
            self.received += call.bytes_received
            if call.path and len(self.paths) < MAX_ENTRIES:
                self.paths[cleaned(call.path)] = None
        if deed & _CONNECT:  # answered or not
            self.connections += times
        if deed & _PRIVILEGE:
            self.privilege = True
        if call.address and len(self.addresses) < MAX_ENTRIES and _is_address(call.address):
            self.addresses[call.address] = None


def together(folds: list[Fold]) -> Fold:
    if len(folds) == 1:
        return folds[0]
    one = Fold()
    for fold in folds:
        for name in ("calls", "reads", "writes", "deletes", "connections", "children", "sent", "received"):
            setattr(one, name, getattr(one, name) + getattr(fold, name))
        for name, number in fold.types.items():
            one.types[name] = one.types.get(name, 0) + number
        one.paths |= fold.paths
        one.addresses |= fold.addresses
        one.injected |= fold.injected
        one.registry |= fold.registry
        one.privilege |= fold.privilege
    return one


def telemetry_of(fold: Fold, unseen: frozenset[str]) -> Telemetry:
    telemetry = Telemetry(
        syscall_count=_count(fold.calls),
        syscall_types=tuple(sorted(fold.types, key=lambda name: (-fold.types[name], name))[:MAX_ENTRIES]),
        file_read_count=_count(fold.reads),
        file_write_count=_count(fold.writes),
        file_delete_count=_count(fold.deletes),
        accessed_paths=tuple(fold.paths)[:MAX_ENTRIES],
        network_connections=_count(fold.connections),
        bytes_sent=_count(fold.sent),
        bytes_received=_count(fold.received),
        contacted_ips=tuple(fold.addresses)[:MAX_ENTRIES],
        child_processes=_count(fold.children),
        registry_modification=fold.registry,
        privilege_escalation_attempt=fold.privilege,
        code_injection_detected=bool(fold.injected),
    )
    return telemetry._replace(**dict.fromkeys(unseen)) if unseen else telemetry  # type: ignore[arg-type]  # they may be None


def _count(number: int) -> int:
    return min(number, MAX_COUNT)


@lru_cache(4096)
def _is_address(text: str) -> bool:
    """A name that stands for one is none."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def cleaned(text: str) -> str:
    """Cut, and without the halves of characters that no encoding takes."""
    return text[:MAX_CHARACTERS].encode("utf-8", "replace").decode("utf-8")

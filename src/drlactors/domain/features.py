"""The adapter from telemetry to the state vector: one vectorised implementation for serving and for training.

Two steps. ``row`` reads one window, and the session's state after it, into a fixed tuple of raw numbers; missing stays
missing (NaN). ``FeatureSchema.vectors`` turns any number of such rows at once into the configured features in [0, 1].
Every step is elementwise over rows, so that a row gives the same bits alone and among thousands.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import nan

import numpy as np
import numpy.typing as npt

from drlactors.domain.calls import KINDS, varieties
from drlactors.domain.session import State
from drlactors.domain.telemetry import Window

Vectors = npt.NDArray[np.float32]  # shape (windows, features), C order
Row = tuple[float, ...]

#: The raw numbers of a row, in order.
COLUMNS = (
    "seconds",
    "syscalls",
    "syscall_types",
    "notable_syscalls",
    "reads",
    "writes",
    "deletes",
    "paths",
    "sensitive_paths",
    "temporary_paths",
    "connections",
    "sent_bytes",
    "received_bytes",
    "addresses",
    "children",
    "cpu",
    "memory_bytes",
    "registry",
    "privilege",
    "injection",
    "elapsed_s",
    "windows",
    "lost",
    "total_syscalls",
    "total_changes",
    "total_connections",
    "isolation",
    "mean_syscalls",
    "total_reads",
    "total_sent_bytes",
    "total_received_bytes",
    "total_children",
    "total_cpu_s",
    "most_syscalls",
    "most_changes",
    "most_sent_bytes",
    "most_received_bytes",
    "most_children",
    "most_cpu",
    "most_memory_bytes",
    *(f"{kind}_calls" for kind in KINDS),
)

#: System calls that change another process, run code from memory, or ask for more rights.
NOTABLE_SYSCALLS = frozenset({
    *("ptrace", "process_vm_writev", "process_vm_readv", "memfd_create", "execveat", "mprotect", "prctl"),
    *("setuid", "setgid", "setresuid", "setresgid", "capset", "unshare", "setns", "chroot", "mount", "umount2"),
    *("init_module", "finit_module", "kexec_load", "bpf"),
})  # fmt: skip
#: Parts of paths where credentials, persistence or traces live.
SENSITIVE_PARTS = (
    "/.ssh/",
    "/.gnupg/",
    "/.aws/",
    "/etc/shadow",
    "/etc/sudoers",
    "/etc/passwd",
    "cron",
    "/autostart/",
    "/systemd/",
    "/.bashrc",
    "/.profile",
    "/.mozilla/",
    "/Login Data",
    "history",
    ".log",
    "/var/log",
)
TEMPORARY_PARTS = ("/tmp/", "/dev/shm/", "/var/tmp/", "memfd:")


def row(state: State, window: Window) -> Row:
    """The raw numbers of one window, in the order of ``COLUMNS``; ``state`` is the session's after recording it."""
    seen, progress = window.telemetry, state.progress
    past = progress.past
    types, paths = seen.syscall_types, seen.accessed_paths
    places = sum(map(_place, paths))
    return (
        window.window_ms / 1000,
        nan if seen.syscall_count is None else seen.syscall_count,
        len(types),
        len(NOTABLE_SYSCALLS.intersection(types)),
        nan if seen.file_read_count is None else seen.file_read_count,
        nan if seen.file_write_count is None else seen.file_write_count,
        nan if seen.file_delete_count is None else seen.file_delete_count,
        len(paths),
        places % _TEMPORARY,
        places // _TEMPORARY,
        nan if seen.network_connections is None else seen.network_connections,
        nan if seen.bytes_sent is None else seen.bytes_sent,
        nan if seen.bytes_received is None else seen.bytes_received,
        len(seen.contacted_ips),
        nan if seen.child_processes is None else seen.child_processes,
        nan if seen.cpu_usage is None else seen.cpu_usage,
        nan if seen.memory_usage is None else seen.memory_usage,
        nan if seen.registry_modification is None else seen.registry_modification,
        nan if seen.privilege_escalation_attempt is None else seen.privilege_escalation_attempt,
        nan if seen.code_injection_detected is None else seen.code_injection_detected,
        progress.elapsed_ms / 1000,
        progress.windows,
        progress.lost,
        progress.syscalls,
        progress.changes,
        progress.connections,
        state.response.isolation,
        progress.syscalls / max(progress.windows, 1),
        *past[:-1],
        *varieties(past.calls),
    )


#: What a temporary path adds to the sum that counts both kinds at once; above any number of paths in a window.
_TEMPORARY = 1 << 16


# The same few thousand paths come again and again: looking one up costs a tenth of searching it.
@lru_cache(maxsize=1 << 16)
def _place(path: str) -> int:
    sensitive = any(part in path for part in SENSITIVE_PARTS)
    temporary = any(part in path for part in TEMPORARY_PARTS)
    return sensitive + temporary * _TEMPORARY


@dataclass(frozen=True, slots=True)
class Formula:
    """A feature as data: the sum of ``parts`` by the sum of ``whole`` (by 1 without one), so that ``full`` gives 1.

    ``log`` puts ``log1p`` around both, for quantities that span decades. Nothing of nothing is 0.
    """

    parts: tuple[str, ...]
    whole: tuple[str, ...] = ()
    full: float = 1.0
    log: bool = False


def _rate(column: str, full: float) -> Formula:
    """Events per second."""
    return Formula((column,), ("seconds",), full, log=True)


def _mean_rate(column: str, full: float) -> Formula:
    """Events per second since the session's start."""
    return Formula((column,), ("elapsed_s",), full, log=True)


FEATURES: dict[str, Formula] = {
    "syscall_rate": _rate("syscalls", 100_000),
    "syscall_variety": Formula(("syscall_types",), full=64),
    "file_read_rate": _rate("reads", 20_000),
    "file_write_rate": _rate("writes", 20_000),
    "file_delete_rate": _rate("deletes", 5_000),
    "path_variety": Formula(("paths",), full=64),
    "connection_rate": _rate("connections", 1_000),
    "sent_rate": _rate("sent_bytes", 1e8),
    "received_rate": _rate("received_bytes", 1e8),
    "address_variety": Formula(("addresses",), full=64),
    "child_process_rate": _rate("children", 1_000),
    "cpu_usage": Formula(("cpu",), full=2),
    "memory_usage": Formula(("memory_bytes",), full=8e9, log=True),
    "registry_modification": Formula(("registry",)),
    "privilege_escalation_attempt": Formula(("privilege",)),
    "code_injection_detected": Formula(("injection",)),
    "file_io_ratio": Formula(("writes", "deletes"), ("reads", "writes", "deletes")),
    "delete_ratio": Formula(("deletes",), ("writes", "deletes")),
    "file_intensity": Formula(("reads", "writes", "deletes"), ("syscalls",)),
    "network_intensity": Formula(("connections",), ("connections", "reads", "writes")),
    "upload_ratio": Formula(("sent_bytes",), ("sent_bytes", "received_bytes")),
    "process_activity": Formula(("children",), ("syscalls",), full=0.02),
    "sensitive_path_ratio": Formula(("sensitive_paths",), ("paths",)),
    "temporary_path_ratio": Formula(("temporary_paths",), ("paths",)),
    "notable_syscalls": Formula(("notable_syscalls",), full=8),
    "elapsed": Formula(("elapsed_s",), full=600, log=True),
    "change_burden": Formula(("total_changes",), full=100_000, log=True),
    "connection_burden": Formula(("total_connections",), full=10_000, log=True),
    "syscall_trend": Formula(("syscalls",), ("syscalls", "mean_syscalls")),  # 0.5: as always
    "completeness": Formula(("windows",), ("windows", "lost")),
    "isolation": Formula(("isolation",), full=3),
}

#: What the session has come to: the memory of a policy that is shown one vector at a time. The most is of a window.
PAST_FEATURES: dict[str, Formula] = {
    "mean_syscall_rate": _mean_rate("total_syscalls", 100_000),
    "mean_file_read_rate": _mean_rate("total_reads", 20_000),
    "mean_change_rate": _mean_rate("total_changes", 20_000),
    "mean_sent_rate": _mean_rate("total_sent_bytes", 1e8),
    "mean_received_rate": _mean_rate("total_received_bytes", 1e8),
    "mean_child_process_rate": _mean_rate("total_children", 1_000),
    "mean_cpu_usage": Formula(("total_cpu_s",), ("elapsed_s",), full=2),
    "most_syscalls": Formula(("most_syscalls",), full=100_000, log=True),
    "most_changes": Formula(("most_changes",), full=20_000, log=True),
    "most_sent": Formula(("most_sent_bytes",), full=1e8, log=True),
    "most_received": Formula(("most_received_bytes",), full=1e8, log=True),
    "most_child_processes": Formula(("most_children",), full=1_000, log=True),
    "most_cpu_usage": Formula(("most_cpu",), full=2),
    "most_memory": Formula(("most_memory_bytes",), full=8e9, log=True),
} | {f"{kind}_call_variety": Formula((f"{kind}_calls",), full=32) for kind in KINDS}
FEATURES |= PAST_FEATURES

#: What the Linux sandbox can see: all but the registry.
DEFAULT_FEATURES = tuple(name for name in FEATURES if name not in {"registry_modification", *PAST_FEATURES})

#: Raised whenever a formula or a raw column changes its meaning.
REVISION = "f1"

_TERMS = 3  # the longest sum in a formula
_ZERO, _ONE = len(COLUMNS), len(COLUMNS) + 1  # constant columns that fill shorter sums


class _Plan:
    """A schema's formulas as index arrays, so that all features of all rows are a dozen array operations."""

    def __init__(self, formulas: list[Formula]) -> None:
        self.parts = np.array([self._indices(f.parts) for f in formulas]).T
        self.whole = np.array([self._indices(f.whole) if f.whole else [_ONE, _ZERO, _ZERO] for f in formulas]).T
        self.logarithmic = np.array([index for index, f in enumerate(formulas) if f.log], dtype=np.intp)
        self.scale = np.array([1 / (np.log1p(f.full) if f.log else f.full) for f in formulas]).reshape(-1, 1)

    @staticmethod
    def _indices(columns: tuple[str, ...]) -> list[int]:
        return [COLUMNS.index(column) for column in columns] + [_ZERO] * (_TERMS - len(columns))


@dataclass(frozen=True)
class FeatureSchema:
    """Which features make up the state vector, in which order, and what stands for a missing one."""

    names: tuple[str, ...] = DEFAULT_FEATURES
    missing: float = 0.0

    def __post_init__(self) -> None:
        unknown = [name for name in self.names if name not in FEATURES]
        if unknown or not self.names:
            raise ValueError(f"unknown features {unknown}: allowed are {', '.join(FEATURES)}")

    @cached_property
    def id(self) -> str:
        """Changes with every change of meaning: a model is only used with the schema that it was trained on."""
        text = f"{REVISION}|{self.missing!r}|{','.join(self.names)}"
        return f"{REVISION}-{len(self.names)}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    @cached_property
    def _plan(self) -> _Plan:
        return _Plan([FEATURES[name] for name in self.names])

    def vectors(self, rows: Iterable[Row]) -> Vectors:
        """State vectors, float32 in [0, 1], shape (windows, features)."""
        matrix = np.array(list(rows), dtype=np.float64).reshape(-1, len(COLUMNS))
        plan = self._plan
        raw = np.zeros((len(COLUMNS) + 2, matrix.shape[0]))
        raw[: len(COLUMNS)] = matrix.T
        raw[_ONE] = 1.0
        part = raw[plan.parts[0]] + raw[plan.parts[1]] + raw[plan.parts[2]]
        whole = raw[plan.whole[0]] + raw[plan.whole[1]] + raw[plan.whole[2]]
        whole[whole == 0] = 1.0
        value = part / whole
        value[plan.logarithmic] = np.log1p(value[plan.logarithmic])
        value *= plan.scale
        value[np.isnan(value)] = self.missing
        np.clip(value, 0.0, 1.0, out=value)
        return np.ascontiguousarray(value.T, dtype=np.float32)

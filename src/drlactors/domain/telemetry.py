"""What a sandbox saw in one window of a session."""

from typing import NamedTuple

#: More entries than this in one list of a window are cut off when it enters; the counts keep the truth.
MAX_ENTRIES = 64
#: Longer strings are cut off when they enter.
MAX_CHARACTERS = 256
#: Counters above this are a broken sensor, not a busy program (2^40: a terabyte of bytes in one window).
MAX_COUNT = 1 << 40


class Telemetry(NamedTuple):
    """The specification's TelemetryData, less what belongs to the session (sandbox, artifact) and to the window (time).

    ``None`` means "this sandbox does not see that", which is not the same as zero. Counts are per window.
    """

    syscall_count: int | None = None
    syscall_types: tuple[str, ...] = ()  # distinct names, most frequent first
    file_read_count: int | None = None
    file_write_count: int | None = None
    file_delete_count: int | None = None
    accessed_paths: tuple[str, ...] = ()  # distinct, in order of first access
    network_connections: int | None = None
    bytes_sent: int | None = None
    bytes_received: int | None = None
    contacted_ips: tuple[str, ...] = ()  # distinct, without port
    child_processes: int | None = None  # processes created in the window
    cpu_usage: float | None = None  # share of one core, 0 to number of cores
    memory_usage: float | None = None  # resident bytes of the whole process tree at the window's end
    registry_modification: bool | None = None
    privilege_escalation_attempt: bool | None = None
    code_injection_detected: bool | None = None


class Window(NamedTuple):
    """One telemetry window as it stands in a session: the ``seq``-th, ``window_ms`` long, ended at ``observed_us``."""

    seq: int  # 0, 1, 2, ... without gaps unless telemetry was lost
    window_ms: int
    observed_us: int  # microseconds since 1970 by the sandbox's clock; never a feature
    telemetry: Telemetry

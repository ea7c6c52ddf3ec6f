"""Appends as the session actor makes them."""

from pathlib import Path
from uuid import UUID, uuid4

from drlactors.domain.action import Action
from drlactors.domain.session import ActionSelected, TelemetryRecorded
from drlactors.domain.telemetry import Telemetry, Window
from drlactors.ports.log import Append, Category, Event, Stream

SCHEMA_DIR = Path(__file__).parents[3] / "eventstore"
AT_US = 1_790_000_000_000_000
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SEEN = Telemetry(
    syscall_count=1_200,
    syscall_types=("read", "write", "openat", "close", "mmap"),
    file_read_count=30,
    file_write_count=4,
    file_delete_count=0,
    accessed_paths=("/etc/ld.so.cache", "/tmp/sample/out.bin"),
    network_connections=1,
    bytes_sent=512,
    bytes_received=2_048,
    contacted_ips=("127.0.0.1",),
    child_processes=0,
    cpu_usage=0.42,
    memory_usage=12_582_912.0,
    registry_modification=None,
    privilege_escalation_attempt=False,
    code_injection_detected=False,
)


def session(id_: UUID | None = None) -> Stream:
    return Stream(Category.SESSION, id_ or uuid4())


def recorded(seq: int) -> TelemetryRecorded:
    return TelemetryRecorded(Window(seq=seq, window_ms=1_000, observed_us=AT_US + seq * 1_000_000, telemetry=SEEN))


def selected(seq: int, action: Action = Action.CONTINUE) -> ActionSelected:
    return ActionSelected(
        seq=seq,
        action=action,
        values=(0.9, 0.1, -0.5, -0.25, 0.0),
        mask=0b10011,
        state_vector=bytes(range(120)),
        policy="rules-1",
        schema="features-1",
        because=("syscall_rate", "bytes_sent"),
        propensity=1.0,
    )


def windows(count: int, first_seq: int = 0) -> tuple[Event, ...]:
    """What is stored for so many windows: each seen and answered."""
    return tuple(event for seq in range(first_seq, first_seq + count) for event in (recorded(seq), selected(seq)))


def append(stream: Stream, after: int = 0, count: int = 1, causation: str = "message-1") -> Append:
    return Append(stream, after, windows(count, after // 2), AT_US, causation, TRACEPARENT)

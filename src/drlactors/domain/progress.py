"""How far a session has come: what its windows so far amount to."""

from typing import NamedTuple

from drlactors.domain.calls import NONE_MADE, Made, together
from drlactors.domain.telemetry import Window


class Past(NamedTuple):
    """What the windows so far come to: sums, the most that one of them showed, and which system calls were made.

    What was not seen counts for 0.
    """

    reads: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    children: int = 0
    cpu_s: float = 0.0
    most_syscalls: int = 0
    most_changes: int = 0  # files written and deleted
    most_sent_bytes: int = 0
    most_received_bytes: int = 0
    most_children: int = 0
    most_cpu: float = 0.0
    most_memory_bytes: float = 0.0
    calls: Made = NONE_MADE


class Progress(NamedTuple):
    """What every window changes; small, because it is made anew for each."""

    seq: int = -1  # the last window recorded or lost
    decided: int = -1  # the last window that was answered
    windows: int = 0
    lost: int = 0
    elapsed_ms: int = 0
    syscalls: int = 0
    changes: int = 0  # files written and deleted
    connections: int = 0
    past: Past = Past()

    def after(self, window: Window) -> "Progress":
        seen, past = window.telemetry, self.past
        syscalls = seen.syscall_count or 0
        changes = (seen.file_write_count or 0) + (seen.file_delete_count or 0)
        sent, received = seen.bytes_sent or 0, seen.bytes_received or 0
        children, cpu, memory = seen.child_processes or 0, seen.cpu_usage or 0.0, seen.memory_usage or 0.0
        return Progress(
            window.seq,
            self.decided,
            self.windows + 1,
            self.lost,
            self.elapsed_ms + window.window_ms,
            self.syscalls + syscalls,
            self.changes + changes,
            self.connections + (seen.network_connections or 0),
            # Comparing costs a third of what calling max does.
            Past(
                past.reads + (seen.file_read_count or 0),
                past.sent_bytes + sent,
                past.received_bytes + received,
                past.children + children,
                past.cpu_s + cpu * window.window_ms / 1000,
                syscalls if syscalls > past.most_syscalls else past.most_syscalls,
                changes if changes > past.most_changes else past.most_changes,
                sent if sent > past.most_sent_bytes else past.most_sent_bytes,
                received if received > past.most_received_bytes else past.most_received_bytes,
                children if children > past.most_children else past.most_children,
                cpu if cpu > past.most_cpu else past.most_cpu,
                memory if memory > past.most_memory_bytes else past.most_memory_bytes,
                together(past.calls, seen.syscall_types),
            ),
        )

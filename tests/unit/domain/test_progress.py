"""What a session's windows come to, window by window."""

from drlactors.domain.calls import NONE_MADE, together
from drlactors.domain.progress import Past, Progress
from drlactors.domain.telemetry import Telemetry, Window

BUSY = Telemetry(
    syscall_count=9,
    file_read_count=4,
    file_write_count=3,
    file_delete_count=2,
    network_connections=5,
    bytes_sent=100,
    bytes_received=70,
    child_processes=2,
    cpu_usage=0.5,
    memory_usage=1e6,
    syscall_types=("openat",),
)
CALM = Telemetry(bytes_sent=40, child_processes=1, cpu_usage=1.0)


def after(*seen: Telemetry) -> Progress:
    progress = Progress()
    for seq, telemetry in enumerate(seen):
        progress = progress.after(Window(seq, 2_000, 0, telemetry))
    return progress


def test_windows_that_show_nothing_leave_nothing_but_the_time() -> None:
    assert after(Telemetry(), Telemetry()) == Progress(seq=1, windows=2, elapsed_ms=4_000)
    assert Past() == (*[0] * (len(Past()) - 1), NONE_MADE)


def test_sums_are_over_all_windows_and_the_most_is_that_of_one() -> None:
    for order in ((BUSY, CALM), (CALM, BUSY)):
        found = after(*order)
        assert found == Progress(
            seq=1, windows=2, elapsed_ms=4_000, syscalls=9, changes=5, connections=5, past=found.past
        )
        assert found.past == Past(
            reads=4,
            sent_bytes=140,
            received_bytes=70,
            children=3,
            cpu_s=3.0,
            most_syscalls=9,
            most_changes=5,
            most_sent_bytes=100,
            most_received_bytes=70,
            most_children=2,
            most_cpu=1.0,
            most_memory_bytes=1e6,
            calls=together(NONE_MADE, ("openat",)),
        )
    assert after(*[BUSY] * 3).past.most_syscalls == 9

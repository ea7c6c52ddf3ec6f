"""Real programs under strace: what is seen of them, and what the actions do to them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from drlactors.domain.action import Action
from drlactors.domain.telemetry import Window
from drlactors.sandboxes import strace
from drlactors.sandboxes.errors import ProgramNotStarted, StraceMissing, TracingForbidden
from drlactors.sandboxes.linux import Ended, LinuxSandbox
from tests.integration.sandboxes.kit import gone, wait_for, wait_quiet

QUIET = subprocess.DEVNULL


def python(text: str, *arguments: str) -> list[str]:
    return [sys.executable, "-S", "-c", text, *arguments]


def watch(command: list[str], cwd: Path) -> tuple[list[Window], Ended]:
    with LinuxSandbox.start(command, cwd=cwd, output=QUIET) as sandbox:
        windows = list(sandbox.windows())
        assert sandbox.ended is not None
        assert sandbox.parser.rubbish == 0
        return windows, sandbox.ended


def total(windows: list[Window], field: str) -> int:
    return sum(getattr(window.telemetry, field) for window in windows)


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[tuple[LinuxSandbox, Path]]:
    """A program that makes its file longer, for as long as it may."""
    steps = tmp_path / "steps"
    text = "import time\nwhile True:\n open('steps', 'a').write('x'); time.sleep(0.01)"
    with LinuxSandbox.start(python(text), cwd=tmp_path, output=QUIET) as sandbox:
        wait_for(lambda: steps.exists() and steps.stat().st_size > 3, "the program works")
        yield sandbox, steps


def test_files_that_are_written_and_deleted_are_seen(tmp_path: Path) -> None:
    text = (
        "import os\n"
        "for n in range(20):\n"
        " with open(f'f{n}', 'wb', 0) as f: f.write(b'x' * 10)\n"
        "for n in range(15): os.unlink(f'f{n}')\n"
        "os.mkdir('d'); os.rmdir('d')"
    )
    windows, ended = watch(python(text), tmp_path)
    assert (total(windows, "file_write_count"), total(windows, "file_delete_count")) == (20, 16)
    assert total(windows, "file_read_count") > 0
    assert str(tmp_path / "f0") in {path for window in windows for path in window.telemetry.accessed_paths}
    assert "unlink" in {name for window in windows for name in window.telemetry.syscall_types}
    assert ended == Ended(status=0, signal=None, reason="exited")
    assert not any(w.telemetry.code_injection_detected or w.telemetry.privilege_escalation_attempt for w in windows)


def test_a_loopback_connection_is_seen_with_its_bytes_and_address(tmp_path: Path) -> None:
    text = (
        "import socket\n"
        "s = socket.create_server(('127.0.0.1', 0)); c = socket.create_connection(s.getsockname()); a, _ = s.accept()\n"
        "c.sendall(b'x' * 1000); n = 0\n"
        "while n < 1000: n += len(a.recv(4096))"
    )
    windows, _ = watch(python(text), tmp_path)
    assert total(windows, "network_connections") == 2
    assert (total(windows, "bytes_sent"), total(windows, "bytes_received")) == (1000, 1000)
    assert {address for window in windows for address in window.telemetry.contacted_ips} == {"127.0.0.1"}


def test_children_are_counted_and_threads_are_not(tmp_path: Path) -> None:
    text = (
        "import os, threading\n"
        "t = threading.Thread(target=print); t.start(); t.join()\n"
        "for n in range(3):\n"
        " p = os.fork()\n"
        " if not p: os._exit(0)\n"
        " os.waitpid(p, 0)"
    )
    windows, _ = watch(python(text), tmp_path)
    assert total(windows, "child_processes") == 3


@pytest.mark.parametrize(
    "text",
    [
        (
            "import os; f = os.memfd_create('x', 0); os.write(f, open('/bin/true', 'rb').read())\n"
            "os.execv(f'/proc/self/fd/{f}', ['x'])"
        ),
        "import mmap; mmap.mmap(-1, 4096, prot=7)",
        (
            "import ctypes, os; p = os.fork()\n"
            "if p: ctypes.CDLL(None).ptrace(16, p, 0, 0); os.kill(p, 9)\n"
            "else: import time; time.sleep(9)"
        ),
    ],
)
def test_injection_is_detected(tmp_path: Path, text: str) -> None:
    windows, _ = watch(python(text), tmp_path)
    assert any(window.telemetry.code_injection_detected for window in windows)


def test_asking_for_root_is_an_attempt(tmp_path: Path) -> None:
    windows, _ = watch(python("import ctypes; ctypes.CDLL(None).setresuid(0, 0, 0)"), tmp_path)
    assert any(window.telemetry.privilege_escalation_attempt for window in windows)


def test_processor_and_memory_of_the_whole_tree_are_measured(tmp_path: Path) -> None:
    text = (
        "import os, time\n"
        "x = bytearray(80 << 20)\n"
        "p = os.fork()\n"
        "while time.process_time() < 1.5: sum(range(100_000))\n"  # of processor time, however busy the machine is
        "p and os.waitpid(p, 0)"
    )
    windows, _ = watch(python(text), tmp_path)
    used_s = sum((w.telemetry.cpu_usage or 0.0) * w.window_ms / 1000 for w in windows)
    assert 0.5 < used_s < 4.0
    assert max(window.telemetry.memory_usage or 0.0 for window in windows) > 80 << 20
    assert all(0 <= (window.telemetry.cpu_usage or 0.0) <= (os.cpu_count() or 1) for window in windows)


def test_windows_come_on_time_also_when_nothing_happens(tmp_path: Path) -> None:
    windows, _ = watch(["sleep", "1.1"], tmp_path)
    assert [window.seq for window in windows] == list(range(len(windows)))
    assert len(windows) >= 4
    idle = [window.telemetry for window in windows[1:-1] if window.telemetry.syscall_count == 0]
    assert idle
    assert all(seen.accessed_paths == () and seen.file_read_count == 0 for seen in idle)
    assert {window.window_ms for window in windows[:-1]} == {250}
    assert 1 <= windows[-1].window_ms <= 250


def test_windows_are_streamed_while_the_program_runs(counter: tuple[LinuxSandbox, Path]) -> None:
    sandbox, _ = counter
    windows = sandbox.windows()
    for _ in range(3):
        wait_for(lambda: next(windows).telemetry.file_write_count, "a window in which it wrote")
    assert sandbox.ended is None


def test_terminate_kills_a_tree_whose_children_left_it(tmp_path: Path) -> None:
    text = (
        "import os, time\n"
        "if not os.fork():\n"
        " os.setsid()\n"
        " if os.fork(): os._exit(0)\n"
        " open('orphan.new', 'w').write(str(os.getpid())); os.rename('orphan.new', 'orphan')\n"
        " time.sleep(3600)\n"
        "os.wait()\n"
        "open('root.new', 'w').write(str(os.getpid())); os.rename('root.new', 'root')\n"
        "time.sleep(3600)"
    )
    with LinuxSandbox.start(python(text), cwd=tmp_path, output=QUIET) as sandbox:
        wait_for(lambda: (tmp_path / "orphan").exists() and (tmp_path / "root").exists(), "both processes run")
        pids = [int((tmp_path / name).read_text()) for name in ("orphan", "root")]
        assert not any(gone(pid) for pid in pids)
        answer = sandbox.carry_out(Action.TERMINATE)
        assert (answer.success, answer.outcome) == (True, "terminated")
        wait_for(lambda: all(gone(pid) for pid in pids), "both processes are gone")
        assert sandbox.ended == Ended(status=None, signal="SIGKILL", reason="terminated")
        assert sandbox.carry_out(Action.TERMINATE).outcome == "over"
        assert not sandbox.carry_out(Action.REVIEW).success


def test_terminate_ends_a_program_that_keeps_forking(tmp_path: Path) -> None:
    text = "import os\nwhile True:\n if not os.fork(): os._exit(0)\n os.wait()"
    with LinuxSandbox.start(python(text), cwd=tmp_path, output=QUIET) as sandbox:
        windows = sandbox.windows()
        wait_for(lambda: bool(next(windows).telemetry.child_processes), "it forks")
        assert sandbox.carry_out(Action.TERMINATE).success
        assert sandbox.ended is not None


def test_terminate_ends_what_killed_its_tracer(tmp_path: Path) -> None:
    text = (
        "import os, signal, time\n"
        "os.kill(os.getppid(), signal.SIGKILL)\n"
        "while True:\n"
        " open('alive.new', 'w').write(str(os.getpid())); os.rename('alive.new', 'alive'); time.sleep(0.01)"
    )
    with LinuxSandbox.start(python(text), cwd=tmp_path, output=QUIET) as sandbox:
        wait_for(lambda: sandbox.ended is not None, "strace is gone")
    alive = tmp_path / "alive"
    assert not alive.exists() or gone(int(alive.read_text()))


def test_terminate_ends_what_holds_its_tracer(tmp_path: Path) -> None:
    text = "import ctypes, os, time\nctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0)\ntime.sleep(3600)"
    with LinuxSandbox.start(python(text), cwd=tmp_path, output=QUIET) as sandbox:
        windows = sandbox.windows()
        wait_quiet(windows)
        assert sandbox.carry_out(Action.TERMINATE).success
        assert sandbox.ended is not None


def test_review_pauses_and_continue_resumes(counter: tuple[LinuxSandbox, Path]) -> None:
    sandbox, steps = counter
    assert sandbox.carry_out(Action.REVIEW).outcome == "paused"
    windows = sandbox.windows()
    wait_quiet(windows)
    stopped_at = steps.stat().st_size
    assert next(windows).telemetry.syscall_count == 0
    assert steps.stat().st_size == stopped_at
    assert sandbox.carry_out(Action.CONTINUE).outcome == "running"
    wait_for(lambda: steps.stat().st_size > stopped_at, "it goes on")


def test_isolation_takes_priority_away_and_then_pauses(counter: tuple[LinuxSandbox, Path]) -> None:
    sandbox, _ = counter
    assert sandbox.carry_out(Action.ISOLATE).outcome == "slowed"
    assert sandbox.carry_out(Action.ISOLATE).outcome == "paused"
    windows = sandbox.windows()
    wait_quiet(windows)
    assert sandbox.carry_out(Action.TERMINATE).outcome == "terminated"


def test_quarantine_kills_and_says_that_the_file_was_not_moved(counter: tuple[LinuxSandbox, Path]) -> None:
    sandbox, _ = counter
    answer = sandbox.carry_out(Action.QUARANTINE)
    assert (answer.success, answer.outcome) == (False, "not-moved")
    assert sandbox.ended is not None


@pytest.mark.parametrize(
    ("command", "ended"),
    [
        (["sh", "-c", "exit 7"], Ended(status=7, signal=None, reason="exited")),
        (["sh", "-c", "kill -SEGV $$"], Ended(status=None, signal="SIGSEGV", reason="killed")),
    ],
)
def test_the_end_is_told_with_its_reason(tmp_path: Path, command: list[str], ended: Ended) -> None:
    assert watch(command, tmp_path)[1] == ended


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProgramNotStarted, match=r"no-such-program: .*not executable"):
        LinuxSandbox.start(["no-such-program"], cwd=tmp_path)


@pytest.mark.parametrize("text", ["echo no first line\n", "#!/no/such/interpreter\n"])
def test_a_file_that_the_kernel_does_not_run_was_not_started(tmp_path: Path, text: str) -> None:
    program = tmp_path / "program"
    program.write_text(text)
    program.chmod(0o755)
    with pytest.raises(ProgramNotStarted):
        LinuxSandbox.start(["./program"], cwd=tmp_path, output=QUIET)


def test_missing_strace_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StraceMissing, match="apt-get install strace"):
        LinuxSandbox.start(["/bin/true"], cwd=tmp_path)


def test_forbidden_tracing_says_what_to_allow(tmp_path: Path) -> None:
    refusing = tmp_path / "strace"
    refusing.write_text("#!/bin/sh\necho 'strace: ptrace: Operation not permitted' >&2\nexit 1\n")
    refusing.chmod(0o755)
    with pytest.raises(TracingForbidden, match=r"Operation not permitted: .*SYS_PTRACE"):
        strace.check(str(refusing))

"""The local Linux sandbox: runs a program under strace and streams what it does, window by window."""

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from drlactors.domain.action import Action
from drlactors.domain.telemetry import Window
from drlactors.sandboxes.errors import ProgramNotStarted
from drlactors.sandboxes.strace import Call, Exited, Parser, check, command_line, strace
from drlactors.sandboxes.tree import Tree
from drlactors.sandboxes.windows import Fold

WINDOW_MS = 250
#: How long a killed tree may take to be gone; the kernel needs milliseconds, a disk in trouble needs longer.
KILL_DEADLINE_S = 5.0
#: Killed processes that strace still holds after this long wait for a strace that is held itself.
RELEASE_AFTER_S = 1.0
_CHUNK_BYTES = 1 << 16
_POLL_S = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """The sandbox's answer to an action."""

    success: bool
    outcome: str  # one word or two: terminated, paused, slowed, running, over, still-running, not-moved
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How the program ended: its exit status, or the signal that killed it, and whether that was our doing."""

    status: int | None
    signal: str | None
    reason: str  # exited, killed (by itself or a stranger), terminated (by an action)


class LinuxSandbox:
    """One program under strace. It watches and stops; it does not contain: run what is dangerous in a virtual machine.

    Actions: CONTINUE lets a paused program go on; ISOLATE first takes its priority away (nice 19) and, asked again,
    pauses it; REVIEW pauses it until CONTINUE; TERMINATE kills every process it ever started, also those that left it;
    QUARANTINE does the same and says that the file was not moved.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: IO[bytes], cwd: Path, window_ms: int) -> None:
        self.window_ms = window_ms
        self.parser = Parser()
        self._process = process
        self._log = log
        self._fold = Fold(str(cwd))
        self._tree = Tree(process.pid)
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._root_pid: int | None = None
        self._root: Exited | None = None
        self._paused = self._slowed = self._terminated = False
        self._reader = threading.Thread(target=self._read, name="strace-log", daemon=True)
        self._reader.start()

    @classmethod
    def start(
        cls,
        command: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        window_ms: int = WINDOW_MS,
        output: int | None = None,
    ) -> Self:
        """Starts ``command``; ``output`` is a descriptor for what it prints (None: ours).

        Raises StraceMissing, TracingForbidden and ProgramNotStarted.
        """
        check(strace())
        folder = (cwd or Path.cwd()).resolve()
        search_path = (env or os.environ).get("PATH", os.defpath)
        program = _find(command[0], folder, search_path)
        with tempfile.TemporaryDirectory(prefix="strace-") as place:
            fifo = Path(place) / "log"
            os.mkfifo(fifo, 0o600)
            # opened without waiting for a writer, and held open by a writer of ours until strace has it too:
            # otherwise the first read could take "nobody writes yet" for the end
            log = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
            held = os.open(fifo, os.O_WRONLY)
            process = subprocess.Popen(
                command_line([program, *command[1:]], fifo),
                cwd=folder,
                env=None if env is None else dict(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            _wait_for_writer(process, fifo)
            os.close(held)
            os.set_blocking(log, True)
        return cls(process, os.fdopen(log, "rb", buffering=0), folder, window_ms)

    def windows(self) -> Iterator[Window]:
        """One window after another as time passes, also when nothing happens; the last one, shorter, at the end."""
        seq, began_s, used_s = 0, time.monotonic(), 0.0
        due_s = began_s
        while True:
            due_s += self.window_ms / 1000
            over = self._over.wait(max(0.0, due_s - time.monotonic()))
            ended_s = time.monotonic()
            use = self._tree.use()
            cpu_usage = max(0.0, use.cpu_s - used_s) / max(ended_s - began_s, 1e-3)
            with self._lock:
                seen = self._fold.close(
                    cpu_usage=min(cpu_usage, float(os.cpu_count() or 1)), memory_usage=float(use.resident_bytes)
                )
            last_ms = min(self.window_ms, max(1, round((ended_s - began_s) * 1000)))
            yield Window(
                seq=seq,
                window_ms=last_ms if over else self.window_ms,
                observed_us=time.time_ns() // 1000,
                telemetry=seen,
            )
            if over:
                return
            seq, began_s, used_s = seq + 1, ended_s, use.cpu_s

    def carry_out(self, action: Action) -> Execution:
        """Does what is asked, and says what came of it. Safe from any thread."""
        if self._over.is_set():
            done = action in (Action.CONTINUE, Action.TERMINATE)
            return Execution(success=done, outcome="over", message="the program had already ended")
        match action:
            case Action.CONTINUE:
                return self._resume()
            case Action.ISOLATE if self._slowed or self._paused:
                return self._pause()
            case Action.ISOLATE:
                return self._slow()
            case Action.REVIEW:
                return self._pause()
            case Action.TERMINATE:
                return self._terminate()
            case Action.QUARANTINE:
                killed = self._terminate()
                message = f"{killed.message}; this sandbox does not move the artifact: it is where it was"
                return Execution(success=False, outcome="not-moved", message=message)

    @property
    def ended(self) -> Ended | None:
        """None while the program, or anything it started, runs."""
        if not self._over.is_set():
            return None
        reason = "terminated" if self._terminated else "killed" if self._root and self._root.signal else "exited"
        if self._root is None:
            return Ended(status=None, signal=None, reason="terminated" if self._terminated else "lost")
        return Ended(status=self._root.status, signal=self._root.signal, reason=reason)

    def close(self) -> None:
        """Ends what still runs and waits for it."""
        if not self._over.is_set():
            self._terminate()
        self._reader.join(KILL_DEADLINE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _slow(self) -> Execution:
        self._slowed = True
        reached = self._tree.yield_cpu()
        return Execution(success=True, outcome="slowed", message=f"{reached} processes have the lowest priority")

    def _pause(self) -> Execution:
        self._paused = True
        reached = self._tree.send(signal.SIGSTOP)
        return Execution(success=True, outcome="paused", message=f"{reached} processes are stopped")

    def _resume(self) -> Execution:
        reached = self._tree.send(signal.SIGCONT) if self._paused else 0
        self._paused = False
        return Execution(success=True, outcome="running", message=f"{reached} processes go on")

    def _terminate(self) -> Execution:
        self._terminated = True
        began_s, killed = time.monotonic(), 0
        # a process may fork between the search and the signal: only an empty search is an end
        while reached := self._tree.send(signal.SIGKILL):
            killed = max(killed, reached)
            waited_s = time.monotonic() - began_s
            if waited_s > KILL_DEADLINE_S:
                message = f"{reached} processes did not end in {KILL_DEADLINE_S:.0f} s"
                return Execution(success=False, outcome="still-running", message=message)
            if waited_s > RELEASE_AFTER_S:
                # a program that traces its own tracer holds strace, which holds the program: only killing both ends it
                self._process.kill()
            self._over.wait(_POLL_S)
        self._over.wait(max(0.0, began_s + KILL_DEADLINE_S - time.monotonic()))
        return Execution(success=True, outcome="terminated", message=f"{killed} processes were killed")

    def _read(self) -> None:
        unfinished_line = b""
        with self._log:
            while chunk := self._log.read(_CHUNK_BYTES):
                *lines, unfinished_line = (unfinished_line + chunk).split(b"\n")
                with self._lock:
                    for line in lines:
                        self._take(line.decode("ascii", "replace"))
        self._tree.use()  # while strace, gone or not, still holds what its children used
        self._process.wait()
        self._over.set()

    def _take(self, line: str) -> None:
        seen = self.parser.feed(line)
        if seen is None:
            return
        if isinstance(seen, Exited):
            if seen.pid == self._root_pid:
                self._root = seen
            self._tree.lost(seen.pid)
            self._fold.forget(seen.pid)
            return
        if self._root_pid is None:
            self._root_pid = seen.pid
        self._tree.saw(seen.pid)
        if isinstance(seen, Call):
            self._fold.add(seen)


def _find(program: str, folder: Path, search_path: str) -> str:
    candidates = [folder / program] if "/" in program else [Path(part) / program for part in search_path.split(":")]
    for candidate in candidates:
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return str(candidate)
    raise ProgramNotStarted(program)


def _wait_for_writer(process: subprocess.Popen[bytes], fifo: Path) -> None:
    """Until strace has opened the log, or has ended without."""
    while process.poll() is None:
        for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
            try:
                if descriptor.readlink() == fifo:
                    return
            except FileNotFoundError:
                continue
        time.sleep(_POLL_S)

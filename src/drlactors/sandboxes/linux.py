"""The local Linux sandbox: runs a program under strace and streams what it does, window by window."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from drlactors.domain.action import Action
from drlactors.domain.telemetry import Window
from drlactors.sandboxes.errors import NotPutAway, NotStartedInside, ProgramNotStarted, SandboxError
from drlactors.sandboxes.hold import Execution
from drlactors.sandboxes.launch import Confines, Launched, find, launch
from drlactors.sandboxes.strace import Call, Exited, Parser, Seen, check, strace
from drlactors.sandboxes.windows import Fold

WINDOW_MS = 250
#: How long a killed tree may take to be gone; the kernel needs milliseconds, a disk in trouble needs longer.
KILL_DEADLINE_S = 5.0
#: Killed processes that strace still holds after this long wait for a strace that is held itself.
RELEASE_AFTER_S = 1.0
_CHUNK_BYTES = 1 << 16
_POLL_S = 0.005

#: Puts the artifact away once nothing of it runs, and says where to; raises NotPutAway.
PutAway = Callable[[], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How the program ended: its exit status, or the signal that killed it, and whether that was our doing."""

    status: int | None
    signal: str | None
    reason: str  # exited, killed (by itself or a stranger), terminated (by an action)

    def __str__(self) -> str:
        by = f" by {self.signal}" if self.signal else f" with status {self.status}" if self.status is not None else ""
        return self.reason + by


class LinuxSandbox:
    """One program under strace, behind walls or, as ordinary users run programs, without.

    ISOLATE goes one step further: behind walls the network is cut, then processor time and memory are taken away, then
    everything is frozen; without walls the program loses its priority and is then stopped. REVIEW pauses. CONTINUE
    takes the pause back or, where there is none, the last step of isolation. TERMINATE kills every process that the
    program ever started, also those that left it. QUARANTINE does the same and has the artifact put away.

    Walls, limits and what they are not: `drlactors.sandboxes.containment`.
    """

    def __init__(self, launching: Callable[[], Launched], cwd: Path, window_ms: int, put_away: PutAway | None) -> None:
        self.window_ms = window_ms
        self.parser = Parser()
        self._put_away = put_away
        self._fold = Fold(str(cwd))
        self._lock = threading.Lock()
        self._begun = threading.Event()  # the program itself runs, or never will
        self._over = threading.Event()
        self._programs_seen = 0
        self._used_at_first_s = 0.0
        self._root_pid: int | None = None
        self._root: Exited | None = None
        self._terminated = False
        launched: Future[Launched] = Future()
        # what is launched behind walls dies with the thread that launched it: the one that stays to its end
        self._reader = threading.Thread(target=self._run, args=(launching, launched), name="strace-log", daemon=True)
        self._reader.start()
        self._launched = launched.result()
        self._begun.wait()

    @classmethod
    def start(
        cls,
        command: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        window_ms: int = WINDOW_MS,
        output: int | None = None,
        confines: Confines | None = None,
        put_away: PutAway | None = None,
    ) -> Self:
        """Starts ``command``; ``output`` is a descriptor for what it prints.

        With ``confines`` it runs behind walls, writes in ``cwd`` only, prints to nowhere unless told, and gets ``env``
        or next to nothing. Without them it has all that its caller has. Raises StraceMissing, TracingForbidden,
        ProgramNotStarted, NoContainment and NotStartedInside.
        """
        check(strace())
        folder = (cwd or Path.cwd()).resolve()
        program = find(command[0], folder, (env or os.environ).get("PATH", os.defpath))
        sandbox = cls(
            lambda: launch([program, *command[1:]], folder, env, output, confines), folder, window_ms, put_away
        )
        if sandbox._root_pid is None:
            sandbox.close()
            raise ProgramNotStarted(program) if confines is None else NotStartedInside(program)
        return sandbox

    @property
    def containment(self) -> str:
        """What holds it, in words."""
        return self._launched.containment

    def windows(self) -> Iterator[Window]:
        """One window after another as time passes, also when nothing happens; the last one, shorter, at the end."""
        seq, began_s, used_s = 0, time.monotonic(), self._used_at_first_s
        due_s = began_s
        while True:
            due_s += self.window_ms / 1000
            over = self._over.wait(max(0.0, due_s - time.monotonic()))
            ended_s = time.monotonic()
            use = self._launched.tree.use()
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
        if self._over.is_set() and action is not Action.QUARANTINE:
            done = action in (Action.CONTINUE, Action.TERMINATE)
            return Execution(success=done, outcome="over", message="the program had already ended")
        match action:
            case Action.CONTINUE:
                return self.take_back(Action.REVIEW if self.paused else Action.ISOLATE)
            case Action.ISOLATE:
                return self._launched.hold.isolate()
            case Action.REVIEW:
                return self._launched.hold.pause()
            case Action.TERMINATE:
                return self._terminate()
            case Action.QUARANTINE:
                return self._quarantine()

    def take_back(self, action: Action) -> Execution:
        """Undoes the pause of a review, or one step of isolation. Safe from any thread."""
        if self._over.is_set():
            return Execution(success=True, outcome="over", message="the program had already ended")
        if action is Action.REVIEW:
            return self._launched.hold.resume()
        if action is Action.ISOLATE:
            return self._launched.hold.ease()
        return Execution(success=False, outcome="final", message=f"{action.name.lower()} cannot be taken back")

    @property
    def paused(self) -> bool:
        """It waits for a person's answer."""
        return self._launched.hold.paused

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
        """Ends what still runs, waits for it, and takes its network and its control group away."""
        if not self._over.is_set():
            self._terminate()
        self._reader.join(KILL_DEADLINE_S)
        self._launched.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _quarantine(self) -> Execution:
        killed = self._terminate()
        if not killed.success:
            return killed
        if self._put_away is None:
            message = f"{killed.message}; no artifact was named to be put away: it is where it was"
            return Execution(success=False, outcome="not-moved", message=message)
        try:
            return Execution(success=True, outcome="quarantined", message=f"{killed.message}; {self._put_away()}")
        except NotPutAway as refused:
            return Execution(success=False, outcome="not-moved", message=f"{killed.message}; {refused}")

    def _terminate(self) -> Execution:
        self._terminated = True
        began_s, killed = time.monotonic(), 0
        # a process may fork between the search and the signal: only an empty search is an end
        while reached := self._launched.hold.kill():
            killed = max(killed, reached)
            waited_s = time.monotonic() - began_s
            if waited_s > KILL_DEADLINE_S:
                message = f"{reached} processes did not end in {KILL_DEADLINE_S:.0f} s"
                return Execution(success=False, outcome="still-running", message=message)
            if waited_s > RELEASE_AFTER_S:
                # a program that traces its own tracer holds strace, which holds the program: only killing both ends it
                self._launched.process.kill()
            self._over.wait(_POLL_S)
        self._over.wait(max(0.0, began_s + KILL_DEADLINE_S - time.monotonic()))
        return Execution(success=True, outcome="terminated", message=f"{killed} processes were killed")

    def _run(self, launching: Callable[[], Launched], launched: Future[Launched]) -> None:
        try:
            started = launching()
        except (SandboxError, OSError, ValueError) as refused:
            launched.set_exception(refused)
            return
        launched.set_result(started)
        self._read(started)

    def _read(self, started: Launched) -> None:
        unfinished_line = b""
        with started.log as log:
            while chunk := log.read(_CHUNK_BYTES):
                *lines, unfinished_line = (unfinished_line + chunk).split(b"\n")
                with self._lock:
                    for line in lines:
                        seen = self.parser.feed(line.decode("ascii", "replace"))
                        if seen is not None:
                            self._take(started, seen)
        started.tree.use()  # while strace, gone or not, still holds what its children used
        started.process.wait()
        self._over.set()
        self._begun.set()

    def _take(self, started: Launched, seen: Seen) -> None:
        tree = started.tree
        if self._root_pid is None:
            if isinstance(seen, Call) and seen.name == "execve" and seen.result == 0:
                self._programs_seen += 1
            if self._programs_seen <= started.programs_before:
                tree.set_aside(seen.pid)
                return
            self._root_pid = seen.pid
            if started.programs_before:
                tree.begin(seen.pid)
                self._used_at_first_s = tree.use().cpu_s
            self._begun.set()
        if isinstance(seen, Exited):
            if seen.pid == self._root_pid:
                self._root = seen
            tree.lost(seen.pid)
            self._fold.forget(seen.pid)
        elif not tree.is_aside(seen.pid):
            tree.saw(seen.pid)
            if isinstance(seen, Call):
                self._fold.add(seen)

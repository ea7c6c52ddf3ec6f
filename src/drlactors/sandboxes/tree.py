"""The processes of a traced program: who is alive, what they use, and how to reach all of them at once."""

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Stat(NamedTuple):
    """What /proc/PID/stat says of a process (proc(5))."""

    pid: int
    state: str  # one letter: R, S, D, T, t, Z, X
    own_cpu_s: float
    reaped_cpu_s: float  # of children that ended and were waited for
    started_ticks: int  # since boot: with the pid it names a process for good
    resident_bytes: int


@dataclass(frozen=True, slots=True)
class Use:
    """What the tree has used: CPU since it started, memory now."""

    cpu_s: float
    resident_bytes: int


def stat(pid: int) -> Stat | None:
    """None: there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # the name, in brackets, may hold spaces and brackets itself: fields are counted after the last one
    fields = text[text.rindex(")") + 2 :].split()
    return Stat(
        pid=pid,
        state=fields[0],
        own_cpu_s=(int(fields[11]) + int(fields[12])) * _TICK_S,
        reaped_cpu_s=(int(fields[13]) + int(fields[14])) * _TICK_S,
        started_ticks=int(fields[19]),
        resident_bytes=int(fields[21]) * _PAGE_BYTES,
    )


class Tree:
    """The processes below one strace, found two ways.

    The log names every thread as it acts: that follows children that forked twice and left their parent. The kernel
    names the tracer of every process: that finds those which have not acted yet. Should the program kill strace, the
    first way still knows them.
    """

    def __init__(self, tracer_pid: int) -> None:
        self.tracer_pid = tracer_pid
        self._started_ticks: dict[int, int] = {}
        self._threads: set[int] = set()
        self._cpu_s = 0.0
        self._aside: dict[int, int] = {}
        self._launch_cpu_s = 0.0

    def set_aside(self, pid: int) -> None:
        """A process of the launcher: traced as well, but not the program's."""
        if pid not in self._aside and (found := stat(pid)):
            self._aside[pid] = found.started_ticks

    def begin(self, pid: int) -> None:
        """The launcher has become the program, in this process: what was used so far is not the program's."""
        self._aside.pop(pid, None)
        mine = stat(pid)
        self._launch_cpu_s = sum(now.own_cpu_s for now in self._launcher()) + (mine.own_cpu_s if mine else 0.0)
        self.saw(pid)

    def is_aside(self, pid: int) -> bool:
        return pid in self._aside

    def saw(self, pid: int) -> None:
        """A thread acted."""
        if pid in self._started_ticks or pid in self._threads:
            return
        status = _status(pid)
        if status.get("Tgid") == str(pid) and (found := stat(pid)):
            self._started_ticks[pid] = found.started_ticks
        else:
            self._threads.add(pid)

    def lost(self, pid: int) -> None:
        """A thread is gone."""
        self._threads.discard(pid)
        self._started_ticks.pop(pid, None)
        self._aside.pop(pid, None)

    def alive(self) -> tuple[Stat, ...]:
        """The known processes that still run."""
        found = (stat(pid) for pid in tuple(self._started_ticks))
        return tuple(now for now in found if now and now.state not in "ZX" and self._is_ours(now))

    def search(self) -> tuple[Stat, ...]:
        """The same after asking the kernel for processes that the log has not named: exact, but reads all of /proc."""
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal() or int(entry.name) in self._aside:
                continue
            if _status(int(entry.name)).get("TracerPid") == str(self.tracer_pid):
                self.saw(int(entry.name))
        return self.alive()

    def use(self) -> Use:
        """CPU time never goes back: what a process used stays counted in the one that waited for it, strace last."""
        running = self.alive()
        cpu_s = sum(now.own_cpu_s + now.reaped_cpu_s for now in running)
        cpu_s += sum(now.own_cpu_s + now.reaped_cpu_s for now in self._launcher())
        if tracer := stat(self.tracer_pid):
            cpu_s += tracer.reaped_cpu_s
        self._cpu_s = max(self._cpu_s, cpu_s - self._launch_cpu_s)
        return Use(cpu_s=self._cpu_s, resident_bytes=sum(now.resident_bytes for now in running))

    def send(self, which: signal.Signals) -> int:
        """Signals every process; how many there were."""
        reached = self.search()
        for process in reached:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, which)
        return len(reached)

    def kill_launcher(self) -> None:
        """Kills what the program was started by; process 1 of a namespace among them takes all others along."""
        for process in self._launcher():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)

    def be_nice(self, nice: int) -> int:
        """Gives every process this priority, 19 being the lowest; how many there were. Raises PermissionError."""
        reached = self.search()
        for process in reached:
            with contextlib.suppress(ProcessLookupError):
                os.setpriority(os.PRIO_PROCESS, process.pid, nice)
        return len(reached)

    def _launcher(self) -> tuple[Stat, ...]:
        found = ((stat(pid), ticks) for pid, ticks in tuple(self._aside.items()))
        return tuple(now for now, ticks in found if now and now.state not in "ZX" and now.started_ticks == ticks)

    def _is_ours(self, now: Stat) -> bool:
        return self._started_ticks.get(now.pid) == now.started_ticks


def _status(pid: int) -> dict[str, str]:
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return {}
    return {key: value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}

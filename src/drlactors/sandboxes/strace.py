"""Reads strace's log, line by line, as typed calls."""

import functools
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from drlactors.sandboxes.errors import StraceMissing, TracingForbidden

#: Calls that no telemetry field needs and that programs make by the thousand. With a seccomp filter the kernel does not
#: even stop for them (0.4 us instead of 40 us a call), so leaving them out is most of what keeps tracing bearable.
UNTRACED = (
    "arch_prctl,brk,clock_gettime,clock_getres,close,dup,dup2,dup3,epoll_ctl,fadvise64,fcntl,fstat,futex,getegid,geteuid,getgid,"
    "getpgrp,getpid,getppid,getrandom,getrusage,gettid,gettimeofday,getuid,ioctl,lseek,madvise,mremap,munmap,prlimit64,rseq,"
    "rt_sigaction,rt_sigprocmask,rt_sigreturn,sched_getaffinity,sched_yield,set_robust_list,set_tid_address,sigaltstack,"
    "sysinfo,times,umask,uname"
)
#: Lines longer than this are not ours: with strings of length 0 the longest is a path or two.
MAX_LINE_BYTES = 1 << 16
#: Threads that are inside a call at the same time; more than this is a broken log.
MAX_UNFINISHED = 1 << 16

_LINE = re.compile(r"(\d+) +(.*)", re.DOTALL)
_CALL = re.compile(r"(\w+)\((.*)\) += (0x[0-9a-f]+|-?\d+|\?)(.*)", re.DOTALL)
_UNFINISHED = " <unfinished ...>"
_RESUMED = re.compile(r"<\.\.\. (\w+) resumed>(.*)", re.DOTALL)
_SIGNAL = re.compile(r"--- (SIG\w+) ")
_STOPPED = re.compile(r"--- stopped by (SIG\w+) ---")
_EXITED = re.compile(r"\+\+\+ exited with (\d+) \+\+\+")
_KILLED = re.compile(r"\+\+\+ killed by (SIG\w+)")
_SUPERSEDED = re.compile(r"\+\+\+ superseded by execve in pid (\d+) \+\+\+")


class Call(NamedTuple):
    """A system call that has returned."""

    pid: int  # of the thread
    name: str
    arguments: str  # as strace prints them, with decoded descriptors
    result: int | None  # None: it does not return a number ("?": the thread ended inside it)
    rest: str  # after the result: a decoded descriptor, or the name of the error


class Signalled(NamedTuple):
    """A thread received a signal."""

    pid: int
    signal: str


class Exited(NamedTuple):
    """A thread is gone: by its own exit status, or by a signal."""

    pid: int
    status: int | None
    signal: str | None


Seen = Call | Signalled | Exited


class Parser:
    """Puts interrupted calls together again; what it cannot read is counted and left out, never an error."""

    def __init__(self) -> None:
        self.lines = 0
        self.rubbish = 0
        self._unfinished: dict[int, str] = {}

    def feed(self, line: str) -> Seen | None:
        """The call or end of a thread that this line completes; None for half a call and for rubbish."""
        self.lines += 1
        if len(line) > MAX_LINE_BYTES or not (numbered := _LINE.match(line)):
            self.rubbish += 1
            return None
        pid, text = int(numbered[1][:18]), numbered[2].rstrip()
        if text.endswith(_UNFINISHED):
            if len(self._unfinished) < MAX_UNFINISHED:
                self._unfinished[pid] = text.removesuffix(_UNFINISHED)
            return None
        if text.startswith("<... "):
            resumed = _RESUMED.match(text)
            begun = self._unfinished.pop(pid, None)
            if not resumed or begun is None or not begun.startswith(resumed[1] + "("):
                self.rubbish += 1
                return None
            text = begun + resumed[2].lstrip(" ")
        if call := _CALL.match(text):
            number = call[3]
            result = None if number == "?" else int(number[:24], 0) if number.startswith("0x") else int(number[:24])
            return Call(pid, call[1], call[2], result, call[4].lstrip())
        return self._event(pid, text)

    def _event(self, pid: int, text: str) -> Seen | None:
        if ended := _EXITED.match(text):
            self._unfinished.pop(pid, None)
            return Exited(pid, int(ended[1][:9]), None)
        if ended := _KILLED.match(text):
            self._unfinished.pop(pid, None)
            return Exited(pid, None, ended[1])
        if superseded := _SUPERSEDED.match(text):
            # exec in a thread that is not the first takes over the first one's pid; the call goes on under that pid
            if begun := self._unfinished.pop(int(superseded[1][:18]), None):
                self._unfinished[pid] = begun
            return None
        if signal := _SIGNAL.match(text) or _STOPPED.match(text):
            return Signalled(pid, signal[1])
        self.rubbish += 1
        return None


def command_line(command: Sequence[str], log: Path) -> list[str]:
    """The strace call that runs ``command`` and writes each finished call to ``log`` at once.

    No time stamps: a window takes what arrived in it, and the log is read as it is written. ``-s 0`` leaves the
    contents of what is read and written out of the log (paths are always whole); ``-yy`` names files and sockets.
    """
    quiet = ["-q", "-s", "0", "-a", "1"]
    return [strace(), "-f", "--seccomp-bpf", "-yy", *quiet, "-e", f"trace=!{UNTRACED}", "-o", str(log), "--", *command]


def strace() -> str:
    """The path of strace. Raises StraceMissing."""
    if found := shutil.which("strace"):
        return found
    raise StraceMissing


@functools.cache
def check(path: str) -> None:
    """Raises TracingForbidden unless this strace can trace a program here."""
    tried = subprocess.run(
        [path, "-f", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=execve", "true"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=30,
        check=False,
    )
    if tried.returncode != 0:
        raise TracingForbidden(tried.stderr.strip())

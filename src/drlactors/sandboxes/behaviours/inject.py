"""Puts code or data into a child of its own, or into memory that may run it."""

import ctypes
import mmap
import os
import signal
from pathlib import Path

from .kit import Task, begin

_PTRACE_ATTACH, _PTRACE_DETACH = 16, 17
_RETURN_42 = b"\xb8\x2a\x00\x00\x00\xc3"  # x86-64: mov eax, 42; ret


class _Span(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def run(task: Task) -> None:
    """One injection a round, by the way that the parameters name."""
    libc, style = ctypes.CDLL(None, use_errno=True), str(task.options.get("style", "vm"))
    for number in task.rounds():
        if number >= int(task.options.get("times", 6)):
            _linger(task)
        elif style == "vm":
            _write_into_child(libc)
        elif style == "attach":
            _attach_to_child(libc)
        elif style == "memory-file":
            _run_from_memory()
        elif style == "wx":
            page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
            page.write(_RETURN_42)
        else:
            page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE)
            page.write(_RETURN_42)
            start = ctypes.addressof(ctypes.c_char.from_buffer(page))
            libc.mprotect(ctypes.c_void_p(start), ctypes.c_size_t(4096), mmap.PROT_READ | mmap.PROT_EXEC)


def _linger(task: Task) -> None:
    """What it does once it is in: looks around."""
    for path in task.files()[:3]:
        path.read_bytes()


def _child() -> int:
    child = os.fork()
    if child == 0:
        signal.alarm(3)
        signal.pause()
        os._exit(0)
    return child


def _write_into_child(libc: ctypes.CDLL) -> None:
    target = ctypes.create_string_buffer(64)
    child = _child()
    source = ctypes.create_string_buffer(b"x" * 63)
    here = _Span(ctypes.addressof(source), 64)
    there = _Span(ctypes.addressof(target), 64)
    libc.process_vm_writev(child, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)
    _end(child)


def _attach_to_child(libc: ctypes.CDLL) -> None:
    child = _child()
    if libc.ptrace(_PTRACE_ATTACH, child, None, None) == 0:
        os.waitpid(child, 0)
        libc.ptrace(_PTRACE_DETACH, child, None, None)
    _end(child)


def _run_from_memory() -> None:
    held = os.memfd_create("work", 0)
    os.write(held, Path("/bin/true").read_bytes())
    child = os.fork()
    if child == 0:
        os.execv(f"/proc/self/fd/{held}", ["work"])
    os.waitpid(child, 0)
    os.close(held)


def _end(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


if __name__ == "__main__":
    run(begin())

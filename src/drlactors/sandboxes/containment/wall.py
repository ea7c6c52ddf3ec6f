"""The second step of a contained start: process 1 of a process namespace, and the walls around the program.

Runs as a program of its own, under strace, as the root of the user namespace that `enter` made. Where bubblewrap is
there, it builds the walls; where it is not, they are built here in the same way.
"""

import json
import os
import select
import sys
from pathlib import Path
from typing import Any

from drlactors.sandboxes.containment import kernel

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
#: What the kernel lets its root write, capabilities or not.
_CONTROLS = ("sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi")
#: Where the new root is put together: every machine has it, and nothing in it is ever shown.
_ROOT = Path("/sys")


def main() -> None:
    """argv[1], JSON: walls (what `build` needs, or null), uid, gid, command.

    Ends when the last process in the namespace has ended, with the first one's status.
    """
    wanted = json.loads(sys.argv[1])
    kernel.unshare(kernel.NEW_PID | kernel.NEW_MOUNTS | kernel.NEW_CGROUP)
    held, holding = os.pipe()
    if first := os.fork():
        kernel.die_with_parent()
        os.close(held)
        _, status = os.waitpid(first, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    os.close(holding)
    kernel.die_with_parent()
    if select.select([held], [], [], 0)[0]:  # its parent ended before it could be told to die with it
        os._exit(1)
    os.close(held)
    kernel.keep_mounts_private()
    if wanted["walls"] is None:
        show_own_processes(Path("/proc"))  # bubblewrap takes over the /proc that it finds
    else:
        build(wanted["walls"])
    if program := os.fork():
        kernel.give_up_privileges()
        os._exit(_reap(program))
    if wanted["walls"] is not None:
        _become_nobody(wanted)
    os.execv(wanted["command"][0], wanted["command"])


def _reap(program: int) -> int:
    """Waits for every process, also those whose parents left them; the program's status."""
    result = 1
    while True:
        try:
            ended, status = os.wait()
        except ChildProcessError:
            return result
        if ended == program:
            code = os.waitstatus_to_exitcode(status)
            result = code if code >= 0 else 128 - code


def _become_nobody(wanted: dict[str, Any]) -> None:
    kernel.unshare(kernel.NEW_USER)
    kernel.become(wanted["uid"], wanted["gid"], outside_uid=0, outside_gid=0)
    kernel.give_up_privileges()


def build(walls: dict[str, Any]) -> None:
    """A root of its own: what bubblewrap would be told by `walls`, and in the same order.

    ``links``: name and target; ``show``: path and whether it may be written; ``hide``: paths; ``folder``: where to be.
    """
    kernel.mount("tmpfs", _ROOT, kernel.NOSUID | kernel.NODEV, "mode=755")
    for name, target in walls["links"]:
        _inside(name).symlink_to(target)
    _inside("/proc").mkdir()
    show_own_processes(_inside("/proc"))
    _devices()
    _fresh("/tmp", "mode=1777")
    for name, writable in walls["show"]:
        _show(Path(name), _inside(name), kernel.NODEV | kernel.NOSUID | (0 if writable else kernel.READ_ONLY))
    for name in walls["hide"]:
        if _inside(name).is_dir():
            _fresh(name, "mode=000")
        else:
            kernel.bind(Path("/dev/null"), _inside(name))
    kernel.restrict(_ROOT, kernel.READ_ONLY, below=False)
    kernel.change_root(_ROOT)
    os.chdir(walls["folder"])


def _inside(name: str) -> Path:
    return _ROOT / name.lstrip("/")


def _fresh(name: str, options: str) -> None:
    _inside(name).mkdir(parents=True, exist_ok=True)
    kernel.mount("tmpfs", _inside(name), kernel.NOSUID | kernel.NODEV, options)


def _show(source: Path, target: Path, attributes: int) -> None:
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    kernel.bind(source, target)
    if attributes:
        kernel.restrict(target, attributes)


def show_own_processes(proc: Path) -> None:
    """/proc of the new namespace: its own processes, and nothing to steer the kernel with."""
    kernel.mount("proc", proc, kernel.NOSUID | kernel.NODEV | kernel.NOEXEC)
    for name in _CONTROLS:
        if (proc / name).exists():
            kernel.bind(proc / name, proc / name)
            kernel.restrict(proc / name, kernel.READ_ONLY)


def _devices() -> None:
    _fresh("/dev", "mode=755")
    dev = _inside("/dev")
    for name in _DEVICES:
        _show(Path("/dev", name), dev / name, 0)
    (dev / "pts").mkdir()
    kernel.mount("devpts", dev / "pts", kernel.NOSUID | kernel.NOEXEC, "newinstance,ptmxmode=0666,mode=620")
    (dev / "ptmx").symlink_to("pts/ptmx")
    _fresh("/dev/shm", "mode=1777")
    (dev / "fd").symlink_to("/proc/self/fd")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        (dev / name).symlink_to(f"/proc/self/fd/{number}")

"""Asks for more rights than it has, in ways that fail or change nothing."""

import contextlib
import ctypes
import os
import shutil
import subprocess
from pathlib import Path

from .kit import Task, begin

_CLONE_NEWUSER = 0x10000000


def run(task: Task) -> None:
    """One attempt a round, then what it would do between attempts: look around."""
    libc = ctypes.CDLL(None, use_errno=True)
    ways = list(task.options.get("ways", ["root", "shadow", "setuid-file", "mount", "namespace", "sudo"]))
    for number in task.rounds():
        way = ways[number] if number < len(ways) else "look"
        match way:
            case "root":
                libc.setresuid(0, 0, 0)
            case "shadow":
                with contextlib.suppress(OSError):
                    os.close(os.open("/etc/shadow", os.O_RDONLY))
            case "setuid-file":
                copy = task.home / ".cache" / "sh"
                copy.parent.mkdir(exist_ok=True)
                shutil.copy("/bin/true", copy)
                copy.chmod(0o4755)
            case "mount":
                libc.mount(b"none", b"/nonexistent", b"nonesuch", 0, None)
            case "namespace":
                subprocess.run(["unshare", "--user", "true"], stderr=subprocess.DEVNULL, check=False)
            case "sudo":
                subprocess.run(["su", "-c", "true", "nobody-here"], stderr=subprocess.DEVNULL, check=False)
            case _:
                for path in ("/proc/mounts", "/proc/self/status", "/etc/passwd", "/etc/group"):
                    Path(path).read_bytes()


if __name__ == "__main__":
    run(begin())

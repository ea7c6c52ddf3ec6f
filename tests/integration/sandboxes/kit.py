"""What tests of real programs need: patience with a deadline, and eyes in /proc."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from drlactors.domain.telemetry import Window
from drlactors.sandboxes.containment import walls
from drlactors.sandboxes.launch import Confines
from drlactors.sandboxes.linux import LinuxSandbox

DEADLINE_S = 30.0
SOURCES = Path(walls.__file__).parents[3]
#: Makes its file longer, for as long as it may.
COUNTS = "import time\nwhile True:\n open('steps', 'a').write('x'); time.sleep(0.01)"
#: The system's interpreter: like every system folder, it is seen behind walls.
PYTHON = "/usr/bin/python3"


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Until it holds; the deadline is for a broken test only."""
    until_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < until_s, f"waited in vain until {what}"
        time.sleep(0.01)


def wait_quiet(windows: Iterator[Window]) -> None:
    """Until it calls nothing. One window does not say so: on a busy machine what traces it can be late by one."""
    wait_for(lambda: not any(next(windows).telemetry.syscall_count for _ in range(2)), "two windows without calls")


def gone(pid: int) -> bool:
    """Ended; a zombie that nobody waits for is ended as well."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def running_in(folder: Path) -> list[int]:
    """The processes whose current folder it is, whatever namespaces they are in."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and not gone(int(entry.name)):
            try:
                if (entry / "cwd").readlink() == folder:
                    found.append(int(entry.name))
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
    return found


def program(text: str, *arguments: str) -> list[str]:
    return [PYTHON, "-S", "-c", text, *arguments]


def start(command: Sequence[str], folder: Path, builder: str, **confines: Any) -> LinuxSandbox:
    return LinuxSandbox.start(command, cwd=folder, confines=Confines(builder=builder, **confines))


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0

"""What a contained program sees of the machine, and who builds that: bubblewrap, or the launcher itself."""

import functools
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from drlactors.sandboxes.errors import NoContainment

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt")
_PACKAGES = Path(__file__).parents[3]
_STEP = "import sys; sys.path.append(sys.argv.pop(1)); from drlactors.sandboxes.containment.{} import main; main()"
#: Who a program started by root is inside. Any other user stays who it is.
NOBODY = 65534
#: At the same time, launcher and strace included; enough for any ordinary program, too few to choke a machine.
MOST_PROCESSES = 256
_TRIAL_S = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What there is for the program: system folders, what else it may read, and the one folder that it may change."""

    folder: Path
    read: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        """Raises ValueError: with / shown there would be no walls."""
        if Path("/") in (self.folder, *self.read):
            raise ValueError("/ cannot be shown to a contained program")

    def links(self) -> list[tuple[str, str]]:
        """/bin -> usr/bin and the like, as on this machine."""
        return [(name, str(Path(name).readlink())) for name in _SYSTEM if Path(name).is_symlink()]

    def show(self) -> list[tuple[str, bool]]:
        """Path and whether it may be written: outer folders first. What is inside a shown folder need not be named."""
        system = [Path(name) for name in _SYSTEM if Path(name).is_dir() and not Path(name).is_symlink()]
        more = sorted({path for path in self.read if not any(path.is_relative_to(shown) for shown in _SYSTEM)})
        return [(str(path), False) for path in (*system, *more)] + [(str(self.folder), True)]

    def hide(self) -> list[str]:
        """What in /etc only root may read: a program that root starts here has the rights of one who may not."""
        return sorted(_secrets(Path("/etc"))) if os.geteuid() == 0 else []


def _secrets(folder: Path) -> Iterator[str]:
    for entry in folder.iterdir():
        mode = entry.lstat().st_mode
        if stat.S_ISDIR(mode):
            if mode & 0o005 == 0o005:
                yield from _secrets(entry)
            else:
                yield str(entry)
        elif stat.S_ISREG(mode) and not mode & stat.S_IROTH:
            yield str(entry)


@functools.cache
def builders() -> tuple[str, ...]:
    """What can build walls here, best first: bubblewrap, namespaces. Raises NoContainment with the reasons."""
    candidates = ("bubblewrap", "namespaces") if shutil.which("bwrap") else ("namespaces",)
    reasons = {name: _trial(name) for name in candidates}
    if found := tuple(name for name in candidates if not reasons[name]):
        return found
    raise NoContainment("; ".join(f"{name}: {reason}" for name, reason in reasons.items()))


def behind(builder: str, view: View, command: Sequence[str]) -> list[str]:
    """The command that runs ``command``, which begins with an absolute path, behind walls: for `launch`."""
    user, group = (os.geteuid(), os.getegid()) if os.geteuid() else (NOBODY, NOBODY)
    walls: dict[str, object] | None = None
    if builder == "bubblewrap":
        command = [*_bubblewrap(view, user, group), *command]
    else:
        walls = {"links": view.links(), "show": view.show(), "hide": view.hide(), "folder": str(view.folder)}
    return _step("wall", {"walls": walls, "uid": user, "gid": group, "command": list(command)})


def programs_before(builder: str) -> int:
    """How many programs run, one after the other, before the contained one: what a trace shows of the launcher."""
    return 2 if builder == "bubblewrap" else 1


def launch(
    builder: str,
    command: Sequence[str],
    *,
    join: Sequence[str] = (),
    processes: int,
    listen: Sequence[str] = (),
    env: Mapping[str, str],
    cwd: Path,
    output: int | IO[bytes],
) -> tuple[subprocess.Popen[bytes], list[socket.socket]]:
    """Starts ``command``, whose first word is an absolute path, in a network of its own.

    ``join`` names doors of control groups, ``listen`` addresses in that network: their sockets come back. What is
    started dies with the thread that calls this. Raises NoContainment.
    """
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            wanted = {
                "join": list(join), "parent": os.getpid(), "processes": processes, "channel": theirs.fileno(),
                "listen": list(listen), "command": list(command), "namespaces": 2 if builder == "bubblewrap" else 1,
            }  # fmt: skip
            process = subprocess.Popen(
                _step("enter", wanted),
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                pass_fds=[theirs.fileno()],
            )
        answer, descriptors, _, _ = socket.recv_fds(ours, 4096, max(1, len(listen)))
    if answer != b"ready":
        process.wait()
        raise NoContainment(answer.decode("utf-8", "replace") or "the launcher ended without a word")
    return process, [socket.socket(fileno=descriptor) for descriptor in descriptors]


def _step(name: str, wanted: dict[str, object]) -> list[str]:
    """A module of this package as a program of its own, which needs nothing but the interpreter."""
    return [sys.executable, "-I", "-S", "-c", _STEP.format(name), str(_PACKAGES), json.dumps(wanted)]


def _bubblewrap(view: View, user: int, group: int) -> list[str]:
    """The same walls as `wall.build` makes. Processes, network and names have namespaces already."""
    arguments = ["--unshare-user", "--uid", str(user), "--gid", str(group), "--cap-drop", "ALL", "--die-with-parent"]
    for name, target in view.links():
        arguments += ["--symlink", target, name]
    arguments += ["--bind", "/proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
    for name, writable in view.show():
        arguments += ["--bind" if writable else "--ro-bind", name, name]
    for name in view.hide():
        arguments += ["--perms", "0000", "--tmpfs", name] if Path(name).is_dir() else ["--ro-bind", "/dev/null", name]
    return [shutil.which("bwrap") or "bwrap", *arguments, "--remount-ro", "/", "--chdir", str(view.folder), "--"]


def _trial(builder: str) -> str:
    """Why it does not work here; nothing, if it does."""
    with tempfile.TemporaryDirectory() as place, tempfile.TemporaryFile() as said:
        folder = Path(place).resolve()
        command = behind(builder, View(folder=folder), [shutil.which("true") or "/bin/true"])
        try:
            process, _ = launch(builder, command, processes=MOST_PROCESSES, env={}, cwd=folder, output=said)
        except NoContainment as refused:
            return str(refused.args[0])
        if process.wait(_TRIAL_S) == 0:
            return ""
        said.seek(0)
        lines = said.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it failed without a word"

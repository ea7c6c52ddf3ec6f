"""Starts a program under strace: behind walls and in a control group, or as ordinary users run programs."""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple

from drlactors.sandboxes.containment import walls
from drlactors.sandboxes.containment.cgroup import Cgroup
from drlactors.sandboxes.containment.relay import Address, Relay
from drlactors.sandboxes.errors import NoContainment, ProgramNotStarted
from drlactors.sandboxes.hold import Hold, Limits, contained, loose
from drlactors.sandboxes.strace import command_line
from drlactors.sandboxes.tree import Tree

_POLL_S = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Confines:
    """What a contained program may see beside system folders, reach beside itself, and use."""

    read: tuple[Path, ...] = ()
    reach: tuple[Address, ...] = ()
    limits: Limits = field(default_factory=Limits)
    builder: str | None = None  # of the walls; None: the best that there is


class Launched(NamedTuple):
    """strace, running, with the program or about to start it."""

    process: subprocess.Popen[bytes]
    log: IO[bytes]
    tree: Tree
    hold: Hold
    release: Callable[[], None]  # once everything has ended
    programs_before: int  # that the trace shows before the program
    containment: str  # in words


def launch(
    command: Sequence[str], folder: Path, env: Mapping[str, str] | None, output: int | None, confines: Confines | None
) -> Launched:
    """Runs ``command``, which begins with an absolute path, in ``folder``. Raises NoContainment."""
    if confines is None:
        return _loose(command, folder, env, output)
    return _contained(command, folder, env, output, confines)


def _loose(command: Sequence[str], folder: Path, env: Mapping[str, str] | None, output: int | None) -> Launched:
    with _pipe() as (fifo, log):
        process = subprocess.Popen(
            command_line(command, fifo),
            cwd=folder,
            env=None if env is None else dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        _wait_for_writer(process, fifo)
    tree = Tree(process.pid)
    return Launched(process, log, tree, loose(tree), lambda: None, 0, "not contained")


def _contained(
    command: Sequence[str], folder: Path, env: Mapping[str, str] | None, output: int | None, confines: Confines
) -> Launched:
    builder = confines.builder or walls.builders()[0]
    program = Path(command[0])
    view = walls.View(folder=folder, read=(*confines.read, program, program.resolve()))
    given = {"PATH": os.defpath, "HOME": str(folder), "LANG": "C.UTF-8"} if env is None else env
    group = Cgroup.make()
    try:
        group.bound_processes(confines.limits.processes)
        group.bound_memory(confines.limits.memory_bytes)
        with _pipe() as (fifo, log):
            process, listeners = walls.launch(
                builder,
                command_line(walls.behind(builder, view, command), fifo),
                join=group.doors,
                processes=confines.limits.processes,
                listen=[str(address) for address in confines.reach],
                env=given,
                cwd=folder,
                output=subprocess.DEVNULL if output is None else output,
            )
            _wait_for_writer(process, fifo)
    except (NoContainment, OSError, ValueError):
        group.remove()
        raise
    tree, relay = Tree(process.pid), Relay(listeners, confines.reach)

    def release() -> None:
        relay.close()
        group.remove()

    hold = contained(tree, group, relay, confines.limits)
    says = f"walls by {builder}; control group: {', '.join(sorted(group.abilities)) or 'none'}"
    return Launched(process, log, tree, hold, release, walls.programs_before(builder), says)


def find(program: str, folder: Path, search_path: str) -> str:
    """Its absolute path. Raises ProgramNotStarted."""
    candidates = [folder / program] if "/" in program else [Path(part) / program for part in search_path.split(":")]
    for candidate in candidates:
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return os.path.abspath(candidate)  # noqa: PTH100  (no "..", and links as they are)
    raise ProgramNotStarted(program)


@contextmanager
def _pipe() -> Iterator[tuple[Path, IO[bytes]]]:
    """A named pipe and its reading end, for the log; named until the block ends.

    It is opened without waiting for a writer, and held open by a writer of ours until strace has it too: otherwise the
    first read could take "nobody writes yet" for the end.
    """
    with tempfile.TemporaryDirectory(prefix="strace-") as place:
        fifo = Path(place) / "log"
        os.mkfifo(fifo, 0o600)
        log = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        held = os.open(fifo, os.O_WRONLY)
        try:
            yield fifo, os.fdopen(log, "rb", buffering=0)
        finally:
            os.close(held)
        os.set_blocking(log, True)


def _wait_for_writer(process: subprocess.Popen[bytes], fifo: Path) -> None:
    """Until strace has opened the log, or has ended without."""
    while process.poll() is None:
        try:
            if any(descriptor.readlink() == fifo for descriptor in Path(f"/proc/{process.pid}/fd").iterdir()):
                return
        except (FileNotFoundError, PermissionError):  # gone meanwhile; or just becoming strace
            pass
        time.sleep(_POLL_S)

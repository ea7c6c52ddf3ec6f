"""A control group for each sandbox, in whatever versions of control groups the machine has."""

import contextlib
import itertools
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from drlactors.sandboxes.tree import stat

CONTROLLERS = ("cpu", "memory", "pids", "freezer")
_PREFIX = "drlactors"
_PERIOD_US = 100_000
_EMPTY_DEADLINE_S = 5.0
_POLL_S = 0.005
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One mounted tree of control groups, and where this process is in it."""

    mount: Path
    here: Path
    controllers: frozenset[str]  # of version 1; none for the unified tree, whose groups name their own

    @property
    def unified(self) -> bool:
        return not self.controllers


class Cgroup:
    """The folders, one in each tree, that stand for one group of processes.

    Version 2 gives freezing and killing at once, and limits where its controllers are handed down; version 1 gives one
    tree for each controller; many machines have both. Where a folder cannot be made, what it would have done is
    missing from ``abilities``: the caller says so, and does with less.
    """

    def __init__(self, unified: Path | None, by_controller: dict[str, Path]) -> None:
        self._unified = unified
        self._folders = by_controller  # for the unified tree's controllers, too

    @classmethod
    def make(cls) -> Self:
        """As much of a group as this process may make; possibly nothing of one."""
        name = f"{_PREFIX}-{_owner()}-{next(_numbers)}"
        unified: Path | None = None
        folders: dict[str, Path] = {}
        for tree in hierarchies():
            if tree.unified:
                unified = _make_unified(tree, name)
                if unified is not None:
                    folders |= dict.fromkeys(_words(unified / "cgroup.controllers") & set(CONTROLLERS), unified)
                continue
            folder = tree.here / name
            with contextlib.suppress(OSError):
                folder.mkdir()
                folders |= dict.fromkeys(tree.controllers, folder)
        return cls(unified, folders)

    @property
    def abilities(self) -> frozenset[str]:
        """Of cpu, memory, pids, freeze and kill: what this group can do."""
        found: set[str] = self._folders.keys() & {"cpu", "memory", "pids"}
        if self._has("cgroup.freeze") or "freezer" in self._folders:
            found.add("freeze")
        if self._has("cgroup.kill"):
            found.add("kill")
        return frozenset(found)

    @property
    def doors(self) -> list[str]:
        """The files into which a process writes 0 to come in."""
        return [str(folder / "cgroup.procs") for folder in self._all()]

    def processes(self) -> set[int]:
        return {int(pid) for folder in self._all() for pid in _words(folder / "cgroup.procs")}

    def bound_processes(self, most: int) -> None:
        if "pids" in self._folders:
            (self._folders["pids"] / "pids.max").write_text(str(most), encoding="ascii")

    def bound_memory(self, most_bytes: int) -> None:
        """Raises OSError(EBUSY) on version 1 where more is in use and cannot be taken back."""
        if folder := self._folders.get("memory"):
            name = "memory.max" if folder == self._unified else "memory.limit_in_bytes"
            (folder / name).write_text(str(most_bytes), encoding="ascii")

    def memory_bytes(self) -> int:
        """What the group uses now; 0 where nobody counts."""
        if folder := self._folders.get("memory"):
            name = "memory.current" if folder == self._unified else "memory.usage_in_bytes"
            return int((folder / name).read_text(encoding="ascii"))
        return 0

    def bound_cpu(self, most: float) -> None:
        """``most`` processors' worth of time."""
        quota_us = max(1000, round(most * _PERIOD_US))
        if folder := self._folders.get("cpu"):
            if folder == self._unified:
                (folder / "cpu.max").write_text(f"{quota_us} {_PERIOD_US}", encoding="ascii")
            else:
                (folder / "cpu.cfs_period_us").write_text(str(_PERIOD_US), encoding="ascii")
                (folder / "cpu.cfs_quota_us").write_text(str(quota_us), encoding="ascii")

    def freeze(self, *, frozen: bool) -> None:
        """Stops every process where it is, or lets all go on; version 1 keeps a frozen process even from dying."""
        if self._unified is not None and self._has("cgroup.freeze"):
            (self._unified / "cgroup.freeze").write_text("1" if frozen else "0", encoding="ascii")
        elif folder := self._folders.get("freezer"):
            (folder / "freezer.state").write_text("FROZEN" if frozen else "THAWED", encoding="ascii")

    def kill(self) -> None:
        """Every process at once; where the kernel cannot, one by one while they cannot fork."""
        if self._unified is not None and self._has("cgroup.kill"):
            (self._unified / "cgroup.kill").write_text("1", encoding="ascii")
            return
        self.freeze(frozen=True)
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.freeze(frozen=False)

    def remove(self) -> bool:
        """Kills what is left and takes the folders away; False where that did not come to an end."""
        until_s = time.monotonic() + _EMPTY_DEADLINE_S
        while self.processes():
            with contextlib.suppress(OSError):  # somebody else who sweeps has put it away meanwhile
                self.kill()
            if time.monotonic() > until_s:
                return False
            time.sleep(_POLL_S)
        for folder in self._all():
            while True:
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    break
                except OSError:  # EBUSY while the kernel puts the last of them away
                    if time.monotonic() > until_s:
                        return False
                    time.sleep(_POLL_S)
                else:
                    break
        return True

    def _all(self) -> list[Path]:
        return list(dict.fromkeys(([self._unified] if self._unified else []) + list(self._folders.values())))

    def _has(self, name: str) -> bool:
        return self._unified is not None and (self._unified / name).exists()


def sweep() -> int:
    """Kills and removes the groups of sandboxes that are no more; how many there were.

    The name of a group says which process made it. Only groups made in this process namespace are looked at: whether
    a process of another one lives cannot be seen from here. What another user left is for that user, or root.
    """
    found: dict[str, list[tuple[Hierarchy, Path]]] = {}
    for tree in hierarchies():
        for place, names, _ in os.walk(tree.mount):  # unlike rglob, it bears that groups of others go meanwhile
            for name in names:
                if _orphaned(name) and os.access(folder := Path(place, name), os.W_OK):
                    found.setdefault(name, []).append((tree, folder))
    for parts in found.values():
        unified = next((folder for tree, folder in parts if tree.unified), None)
        folders = {controller: folder for tree, folder in parts for controller in tree.controllers}
        Cgroup(unified, folders).remove()
    return len(found)


def hierarchies() -> list[Hierarchy]:
    """The trees that are mounted and that matter here."""
    places = dict(_places())
    found = []
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = (*after.split(" ", 2), "", "")[:3]
        _, _, _, root, mount, *_ = before.split(" ")
        wanted = frozenset(options.split(",")) & set(CONTROLLERS)
        if kind == "cgroup2" or (kind == "cgroup" and wanted):
            path = places.get(min(wanted) if wanted else "", "/")
            inside = os.path.relpath(path, root) if path.startswith(root) else "."
            found.append(Hierarchy(Path(mount), Path(mount, inside), wanted))
    return found


def _places() -> Iterator[tuple[str, str]]:
    """The path of this process by controller; "" for the unified tree (cgroups(7), /proc/PID/cgroup)."""
    for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            yield controller, path


def _make_unified(tree: Hierarchy, name: str) -> Path | None:
    """The nearest place, from here up, where a group can be made that has limits; else one without.

    A group that holds processes hands no controllers down, so it is seldom the one that this process is in. What is
    handed down is left as it is: that is for whoever runs the machine to say.
    """
    wanted = {"cpu", "memory", "pids"}
    above = [parent for parent in (tree.here, *tree.here.parents) if parent.is_relative_to(tree.mount)]
    for parent in above:
        if wanted <= _words(parent / "cgroup.subtree_control"):
            with contextlib.suppress(OSError):
                (parent / name).mkdir()
                return parent / name
    for parent in above:
        with contextlib.suppress(OSError):
            (parent / name).mkdir()
            return parent / name
    return None


def _words(path: Path) -> set[str]:
    try:
        return set(path.read_text(encoding="ascii").split())
    except OSError:
        return set()


def _owner() -> str:
    """This process, for good: its namespace, its number there and when it started."""
    me = stat(os.getpid())
    return f"{Path('/proc/self/ns/pid').stat().st_ino}-{os.getpid()}-{me.started_ticks if me else 0}"


def _orphaned(name: str) -> bool:
    parts = name.split("-")
    if len(parts) != 5 or parts[0] != _PREFIX or not all(part.isdecimal() for part in parts[1:]):
        return False
    namespace, pid, ticks, _ = (int(part) for part in parts[1:])
    if namespace != Path("/proc/self/ns/pid").stat().st_ino:
        return False
    owner = stat(pid)
    return owner is None or owner.started_ticks != ticks

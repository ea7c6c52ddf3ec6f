"""Control groups as this machine has them: of both versions, of one, or of none; and what nobody owns any more."""

import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from drlactors.sandboxes.containment import cgroup, walls
from drlactors.sandboxes.containment.cgroup import Cgroup
from tests.integration.sandboxes.kit import PYTHON, gone, wait_for

SOURCES = Path(cgroup.__file__).parents[3]
#: Comes in by the doors that it is told, then works.
MEMBER = (
    "import sys, time\n"
    "for door in sys.argv[2:]: open(door, 'w').write('0')\n"
    "while True:\n open(sys.argv[1], 'a').write('x'); time.sleep(0.01)"
)
_numbers = itertools.count()


def first_version_only() -> Cgroup:
    """A group as on a machine without version 2; of nothing, where there is no version 1."""
    folders: dict[str, Path] = {}
    for tree in cgroup.hierarchies():
        folder = tree.here / f"drlactors-test-{os.getpid()}-{next(_numbers)}"
        if not tree.unified and os.access(tree.here, os.W_OK):
            folder.mkdir()
            folders |= dict.fromkeys(tree.controllers, folder)
    return Cgroup(None, folders)


@pytest.fixture(params=["as made", "version 1", "none"])
def group(request: pytest.FixtureRequest) -> Iterator[Cgroup]:
    made = {"as made": Cgroup.make, "version 1": first_version_only, "none": lambda: Cgroup(None, {})}[request.param]()
    yield made
    assert made.remove()
    assert not any(Path(door).exists() for door in made.doors)


@pytest.fixture
def member(group: Cgroup, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    steps = tmp_path / "steps"
    with subprocess.Popen([sys.executable, "-S", "-c", MEMBER, str(steps), *group.doors]) as process:
        wait_for(lambda: steps.exists() and steps.stat().st_size > 3, "it works")
        yield process, steps
        process.kill()


def test_a_group_holds_who_came_in_and_kills_them(group: Cgroup, member: tuple[subprocess.Popen[bytes], Path]) -> None:
    process, _ = member
    assert group.processes() == ({process.pid} if group.doors else set())
    group.freeze(frozen=True)
    if "freeze" in group.abilities:
        wait_for(lambda: any(frozen(Path(door).parent) for door in group.doors), "it is frozen")
    group.freeze(frozen=False)
    group.kill()
    assert (process.wait(30) if group.doors else process.poll()) == (-signal.SIGKILL if group.doors else None)


def frozen(folder: Path) -> bool:
    """Whether the kernel says that it holds the group in this folder."""
    files = (("cgroup.events", "frozen 1"), ("freezer.state", "FROZEN"))
    return any(word in (folder / name).read_text() for name, word in files if (folder / name).exists())


def test_limits_are_what_was_set(group: Cgroup) -> None:
    group.bound_processes(33)
    group.bound_memory(64 << 20)
    group.bound_cpu(0.25)
    folders = {Path(door).parent for door in group.doors}
    wanted = {
        "pids": {"pids.max": "33"},
        "memory": {"memory.max": str(64 << 20), "memory.limit_in_bytes": str(64 << 20)},
        "cpu": {"cpu.max": "25000 100000", "cpu.cfs_quota_us": "25000"},
    }
    for controller in group.abilities & wanted.keys():
        set_to = [
            (folder / name).read_text().strip() == value
            for folder in folders
            for name, value in wanted[controller].items()
            if (folder / name).exists()
        ]
        assert set_to == [True]


LEAVER = """
import subprocess, sys; sys.path.append(sys.argv[1])
from drlactors.sandboxes.containment.cgroup import Cgroup
group = Cgroup.make()
command = [sys.executable, "-S", "-c", sys.argv[2], sys.argv[3], *group.doors]
process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
print(process.pid, *group.doors, flush=True)
sys.stdin.read()
"""


def test_what_is_left_of_a_dead_owner_s_group_is_killed_and_swept_away(tmp_path: Path) -> None:
    steps = tmp_path / "steps"
    command = [sys.executable, "-c", LEAVER, str(SOURCES), MEMBER, str(steps)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pid, *doors = owner.stdout.readline().split()
        wait_for(lambda: steps.exists() and steps.stat().st_size > 3, "it works")
    cgroup.sweep()  # or whoever starts a sandbox on this machine just now has done it
    if doors:
        wait_for(lambda: gone(int(pid)), "it is gone")
    else:  # no group, nothing to find it by: that is why what is contained dies with its sandbox
        os.kill(int(pid), signal.SIGKILL)
    assert not any(Path(door).exists() for door in doors)


def test_a_group_may_be_removed_by_two_at_once(group: Cgroup, member: tuple[subprocess.Popen[bytes], Path]) -> None:
    class Overtaken(Cgroup):
        def processes(self) -> set[int]:
            found = super().processes()
            assert group.remove()
            return found

    late = Overtaken(group._unified, group._folders)
    assert late.remove()
    assert member[0].wait(30) == -signal.SIGKILL if group.doors else member[0].poll() is None


def test_a_group_of_somebody_who_lives_is_not_swept_away() -> None:
    group = Cgroup.make()
    cgroup.sweep()
    assert all(Path(door).exists() for door in group.doors)
    assert group.remove()
    assert not any(Path(door).exists() for door in group.doors)


def test_groups_of_others_may_come_and_go_while_it_is_swept(tmp_path: Path) -> None:
    places = [tree.here for tree in cgroup.hierarchies() if os.access(tree.here, os.W_OK)]
    place = (places or [tmp_path])[0]  # where no group can be made, none comes and goes
    stop = threading.Event()

    def come_and_go() -> None:
        while not stop.is_set():
            outer = place / f"other-{os.getpid()}"
            (outer / "inner").mkdir(parents=True)
            (outer / "inner").rmdir()
            outer.rmdir()

    others = threading.Thread(target=come_and_go)
    others.start()
    try:
        for _ in range(200):
            cgroup.sweep()
    finally:
        stop.set()
        others.join()


SWEEPER = """
import sys; sys.path.append(sys.argv[1])
from drlactors.sandboxes.containment.cgroup import sweep
print(sweep())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root leaves what others cannot remove")
def test_what_another_user_left_is_not_waited_for() -> None:
    code = LEAVER.partition("group =")[0] + "print(*Cgroup.make().doors)"
    left = subprocess.run([sys.executable, "-c", code, str(SOURCES)], stdout=subprocess.PIPE, text=True, check=True)
    nobody = subprocess.run(
        [PYTHON, "-c", SWEEPER, str(SOURCES)],
        user=walls.NOBODY, group=walls.NOBODY, extra_groups=[], cwd="/", stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    cgroup.sweep()
    assert nobody.stdout.strip() == "0"
    assert not any(Path(door).exists() for door in left.stdout.split())

"""Real programs behind walls: what they can see and reach, how each step of isolation holds them, and how they end."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from drlactors.domain.action import Action
from drlactors.sandboxes.containment import cgroup, walls
from drlactors.sandboxes.containment.cgroup import Cgroup
from drlactors.sandboxes.containment.relay import Address
from drlactors.sandboxes.errors import NotStartedInside
from drlactors.sandboxes.hold import Limits
from drlactors.sandboxes.launch import Confines
from drlactors.sandboxes.linux import LinuxSandbox
from tests.integration.sandboxes.kit import PYTHON, program, running_in, wait_for

SOURCES = Path(walls.__file__).parents[3]
COUNTS = "import time\nwhile True:\n open('steps', 'a').write('x'); time.sleep(0.01)"


@pytest.fixture(params=walls.builders())
def builder(request: pytest.FixtureRequest) -> str:
    """Every way of building walls that this machine has."""
    return str(request.param)


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="contained-") as place:
        yield Path(place).resolve()


def start(command: Sequence[str], folder: Path, builder: str, **confines: Any) -> LinuxSandbox:
    return LinuxSandbox.start(command, cwd=folder, confines=Confines(builder=builder, **confines))


def tried(folder: Path, builder: str, attempts: dict[str, str], **confines: Any) -> dict[str, Any]:
    """What each expression came to inside: its value, or the name of the error."""
    text = (
        "import ctypes, json, os, socket, sys\n"
        "libc, came = ctypes.CDLL(None, use_errno=True), {}\n"
        "for name, text in json.loads(sys.argv[1]).items():\n"
        " try: came[name] = eval(text)\n"
        " except OSError as error: came[name] = type(error).__name__\n"
        "open('came', 'w').write(json.dumps(came))"
    )
    with start(program(text, json.dumps(attempts)), folder, builder, **confines) as sandbox:
        list(sandbox.windows())
        assert sandbox.ended is not None
        assert sandbox.ended.status == 0
    came: dict[str, Any] = json.loads((folder / "came").read_text())
    return came


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def test_a_program_sees_no_process_file_or_name_but_its_own(folder: Path, builder: str) -> None:
    secret = folder.with_name(f"{folder.name}-secret")
    secret.write_text("not for you")
    came = tried(
        folder,
        builder,
        {
            "processes": "sorted(int(n) for n in os.listdir('/proc') if n.isdecimal())[0:9]",
            "of the sandbox": f"os.kill({os.getpid()}, 0)",
            "beside": f"open({str(secret)!r}).read()",
            "root": "sorted(set(os.listdir('/')) & {'home', 'root', 'var', 'run', 'sys', 'boot', 'mnt'})",
            "temporary": "os.listdir('/tmp')",
            "name": "socket.gethostname()",
            "process 1": "os.listdir('/proc/1/root')",
            "descriptors": "sorted(os.listdir('/proc/self/fd'))[:3]",
        },
    )
    secret.unlink()
    assert came.pop("processes")[0] == 1
    assert came == {
        "of the sandbox": "ProcessLookupError",
        "beside": "FileNotFoundError",
        "root": [],
        "temporary": [folder.name],
        "name": "sandbox",
        "process 1": "PermissionError",
        "descriptors": ["0", "1", "2"],
    }


def test_a_program_changes_nothing_but_its_folder(folder: Path, builder: str) -> None:
    came = tried(
        folder,
        builder,
        {
            "system": "open('/usr/bin/new', 'w')",
            "accounts": "open('/etc/passwd', 'a')",
            "root": "open('/new', 'w')",
            "kernel": "open('/proc/sys/kernel/hostname', 'r+')",
            "mount": "libc.mount(b'none', b'/tmp', b'tmpfs', 0, None)",
            "name": "socket.sethostname('other')",
            "user namespace": "libc.unshare(0x10000000)",
            "root's password": "len(open('/etc/shadow').read())",
            "became root": "os.setresuid(0, 0, 0)",
            "own folder": "open('own', 'w').write('mine')",
            "memory": "open('/dev/shm/x', 'w').write('mine')",
            "capabilities": "[line.split()[1] for line in open('/proc/self/status') if line.startswith('Cap')]",
            "no new privileges": "[line.split()[1] for line in open('/proc/self/status') if 'NoNewPrivs' in line]",
        },
    )
    assert came.pop("root's password") in (0, "PermissionError")
    assert {came.pop(name) for name in ("system", "root", "kernel")} == {"OSError"}  # read-only
    assert came.pop("accounts") in ("OSError", "PermissionError")
    assert came == {
        "mount": -1,
        "name": "PermissionError",
        "user namespace": -1,
        "became root": "PermissionError" if os.geteuid() else "OSError",
        "own folder": 4,
        "memory": 4,
        "capabilities": ["0" * 16] * 5,
        "no new privileges": ["1"],
    }
    assert (folder / "own").read_text() == "mine"


def test_a_program_reaches_only_what_it_is_given(folder: Path, builder: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as given, socket.create_server(("127.0.0.1", 0)) as other:
        ports = [listening.getsockname()[1] for listening in (given, other)]
        came = tried(
            folder,
            builder,
            {str(port): f"socket.create_connection(('127.0.0.1', {port})).close()" for port in ports}
            | {"outside": "socket.create_connection(('192.0.2.1', 80))"},
            reach=(Address("127.0.0.1", ports[0]),),
        )
    assert came == {str(ports[0]): None, str(ports[1]): "ConnectionRefusedError", "outside": "OSError"}


def test_an_address_that_is_not_loopback_is_reached_under_its_own_name(folder: Path, builder: str) -> None:
    # inside, the address is there; outside, nobody answers at it (RFC 5737): the connection is taken and then ends
    sandbox = start(
        program("import socket; socket.create_connection(('192.0.2.7', 80), 5); open('taken', 'w').close()"),
        folder,
        builder,
        reach=(Address("192.0.2.7", 80),),
    )
    with sandbox:
        wait_for((folder / "taken").exists, "it is connected")


def test_what_it_does_behind_walls_is_seen_as_without_them(folder: Path, builder: str) -> None:
    text = (
        "import os, socket\n"
        "for n in range(20):\n"
        " with open(f'f{n}', 'wb', 0) as f: f.write(b'x' * 10)\n"
        "for n in range(15): os.unlink(f'f{n}')\n"
        "s = socket.create_server(('127.0.0.1', 0)); c = socket.create_connection(s.getsockname()); a, _ = s.accept()\n"
        "c.sendall(b'x' * 1000); n = 0\n"
        "while n < 1000: n += len(a.recv(4096))\n"
        "for n in range(3):\n"
        " if not os.fork(): os._exit(0)\n"
        " os.wait()\n"
        "os._exit(7)"
    )
    with start(program(text), folder, builder) as sandbox:
        seen = [window.telemetry for window in sandbox.windows()]
        assert sandbox.ended is not None
        assert (sandbox.ended.status, sandbox.ended.reason) == (7, "exited")
    fields = ("file_write_count", "file_delete_count", "network_connections", "bytes_sent", "child_processes")
    assert [sum(getattr(one, field) or 0 for one in seen) for field in fields] == [20, 15, 2, 1000, 3]
    assert str(folder / "f0") in {path for one in seen for path in one.accessed_paths or ()}
    assert not any(one.privilege_escalation_attempt or one.code_injection_detected for one in seen)


def test_isolation_goes_step_by_step_and_back(folder: Path, builder: str) -> None:
    with start(program(COUNTS), folder, builder) as sandbox:
        steps = folder / "steps"
        wait_for(lambda: size(steps) > 3, "the program works")
        assert [sandbox.carry_out(Action.ISOLATE).outcome for _ in range(4)] == ["cut", "limited", "frozen", "frozen"]
        windows = sandbox.windows()
        wait_for(lambda: next(windows).telemetry.syscall_count == 0, "a window without calls")
        before = size(steps)
        assert next(windows).telemetry.syscall_count == 0
        assert size(steps) == before
        assert [sandbox.carry_out(Action.CONTINUE).outcome for _ in range(4)] == ["running"] * 4
        wait_for(lambda: size(steps) > before, "it goes on")


def test_a_pause_is_apart_from_isolation(folder: Path, builder: str) -> None:
    with start(program(COUNTS), folder, builder) as sandbox:
        steps = folder / "steps"
        wait_for(lambda: size(steps) > 3, "the program works")
        assert sandbox.carry_out(Action.ISOLATE).outcome == "cut"
        assert sandbox.carry_out(Action.REVIEW).outcome == "paused"
        windows = sandbox.windows()
        wait_for(lambda: next(windows).telemetry.syscall_count == 0, "a window without calls")
        before = size(steps)
        assert sandbox.take_back(Action.ISOLATE).outcome == "paused"
        assert next(windows).telemetry.syscall_count == 0
        assert sandbox.take_back(Action.REVIEW).outcome == "running"
        wait_for(lambda: size(steps) > before, "it goes on")


def test_the_second_step_takes_memory_and_processors_away(folder: Path, builder: str) -> None:
    text = (
        "import os, time\n"
        "while not os.path.exists('more'): time.sleep(0.01)\n"
        "try: kept = bytearray(200 << 20)\n"
        "except MemoryError: os._exit(12)\n"
        "open('had', 'w').close()"
    )
    limits = Limits(squeezed_memory_bytes=100 << 20)
    with start(program(text), folder, builder, limits=limits) as sandbox:
        assert [sandbox.carry_out(Action.ISOLATE).success for _ in range(2)] == [True, True]
        (folder / "more").touch()
        list(sandbox.windows())
        ended = sandbox.ended
    assert not (folder / "had").exists()
    # by the control group it is killed, without one the allocation fails
    assert ended is not None
    assert (ended.signal, ended.status) in (("SIGKILL", None), (None, 12))


def test_terminate_kills_what_was_frozen(folder: Path, builder: str) -> None:
    with start(program(COUNTS), folder, builder) as sandbox:
        for _ in range(3):
            sandbox.carry_out(Action.ISOLATE)
        assert sandbox.carry_out(Action.TERMINATE).outcome == "terminated"
        assert sandbox.ended is not None
    assert running_in(folder) == []


def test_daemons_live_on_when_the_program_ends_and_die_with_terminate(folder: Path, builder: str) -> None:
    text = (
        "import os, time\n"
        "for n in range(3):\n"
        " if not os.fork():\n"
        "  os.setsid()\n"
        "  if os.fork(): os._exit(0)\n"
        "  open(f'daemon{n}', 'w').close(); time.sleep(3600)\n"
        " os.wait()"
    )
    with start(program(text), folder, builder) as sandbox:
        wait_for(lambda: len(list(folder.glob("daemon*"))) == 3, "the daemons run")
        windows = sandbox.windows()
        wait_for(lambda: next(windows).telemetry.syscall_count == 0, "nothing else runs")
        still_none = sandbox.ended
        assert still_none is None
        answer = sandbox.carry_out(Action.TERMINATE)
        assert (answer.success, answer.message) == (True, "3 processes were killed")
        assert sandbox.ended is not None
    assert running_in(folder) == []


def test_a_storm_of_forks_is_bounded_and_dies_whole(folder: Path, builder: str) -> None:
    # bounded in itself as well: two generations of at most 40, each for at most a minute
    text = (
        "import os, time\n"
        "def brood():\n"
        " for n in range(40):\n"
        "  try:\n"
        "   if not os.fork(): return True\n"
        "  except OSError: open('refused', 'a').write('x'); return False\n"
        "brood() and brood()\n"
        "time.sleep(60)"
    )
    # root's own processes are not counted by the limit of a user: there the control group has to
    most = 60
    with start(program(text), folder, builder, limits=Limits(processes=most)) as sandbox:
        wait_for(lambda: size(folder / "refused") > 0, "no more forks")
        assert 10 < len(running_in(folder)) <= most
        assert sandbox.carry_out(Action.TERMINATE).success
        assert sandbox.ended is not None
    assert running_in(folder) == []


SUPERVISOR = """
import sys; sys.path.append(sys.argv[1])
from pathlib import Path
from drlactors.domain.action import Action
from drlactors.sandboxes.launch import Confines
from drlactors.sandboxes.linux import LinuxSandbox
folder, builder, steps = Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
sandbox = LinuxSandbox.start([sys.argv[5], "-S", "-c", sys.argv[6]], cwd=folder, confines=Confines(builder=builder))
said = [sandbox.carry_out(Action.ISOLATE) for _ in range(steps)]
print(sandbox.containment, *said, sep="; ", flush=True)
for window in sandbox.windows(): pass
"""


@pytest.mark.parametrize("steps", [0, 3])
def test_kill_9_of_the_sandbox_leaves_nothing_running_and_no_group_at_the_next_start(
    folder: Path, builder: str, steps: int
) -> None:
    arguments = [str(SOURCES), str(folder), builder, str(steps), PYTHON, COUNTS]
    supervisor = subprocess.Popen([sys.executable, "-c", SUPERVISOR, *arguments], stdout=subprocess.PIPE)
    with supervisor:
        assert supervisor.stdout is not None
        supervisor.stdout.readline()
        wait_for(lambda: running_in(folder), "the program runs")
        supervisor.send_signal(signal.SIGKILL)
    wait_for(lambda: not running_in(folder), "everything is gone")
    cgroup.sweep()
    left = [path for tree in cgroup.hierarchies() for path in tree.mount.rglob(f"drlactors-*-{supervisor.pid}-*")]
    assert left == []


def test_a_program_may_be_named_by_any_of_its_paths(folder: Path, builder: str) -> None:
    named = folder / "copy"
    named.symlink_to("/usr/bin/true")
    for path in ("/bin/true", "/usr/bin/true", str(named)):
        with start([path], folder, builder) as sandbox:
            list(sandbox.windows())
            assert sandbox.ended is not None
            assert sandbox.ended.status == 0


def test_a_group_of_somebody_who_lives_is_not_swept_away() -> None:
    group = Cgroup.make()
    try:
        cgroup.sweep()
        assert all(Path(door).exists() for door in group.doors)
    finally:
        assert group.remove()
    assert not any(Path(door).exists() for door in group.doors)


def test_a_program_that_lacks_something_behind_the_walls_is_not_started(folder: Path, builder: str) -> None:
    with tempfile.TemporaryDirectory(prefix="hidden-") as hidden:
        interpreter = Path(hidden, "interpreter")
        interpreter.symlink_to("/bin/sh")
        script = folder / "script"
        script.write_text(f"#!{interpreter}\n:\n")
        script.chmod(0o755)
        with pytest.raises(NotStartedInside, match="--read"):
            start([str(script)], folder, builder)


def test_where_nothing_can_be_contained_it_is_said_and_refused(folder: Path, builder: str) -> None:
    # behind walls there is no further user namespace: a machine that has none
    text = (
        f"import sys; sys.path.append({str(SOURCES)!r})\n"
        "from drlactors.sandboxes.containment import walls\n"
        "from drlactors.sandboxes.errors import NoContainment\n"
        "try: walls.builders()\n"
        "except NoContainment as refused: open('refused', 'w').write(str(refused))"
    )
    with start(program(text), folder, builder, read=(SOURCES,)) as sandbox:
        list(sandbox.windows())
    assert "--uncontained" in (folder / "refused").read_text()

"""Real programs behind walls: how each step of isolation holds them, how it is taken back, and how they end."""

import json
import os
import signal
import socketserver
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from drlactors.domain.action import Action
from drlactors.sandboxes.containment import cgroup, walls
from drlactors.sandboxes.containment.relay import Address
from drlactors.sandboxes.hold import Limits
from drlactors.sandboxes.launch import Confines
from drlactors.sandboxes.linux import LinuxSandbox
from drlactors.sandboxes.plan import Artifact
from drlactors.sandboxes.recorder import install
from tests.integration.sandboxes.kit import (
    COUNTS,
    PYTHON,
    SOURCES,
    program,
    running_in,
    size,
    start,
    wait_for,
    wait_quiet,
)


def test_isolation_goes_step_by_step_and_back(folder: Path, builder: str) -> None:
    with start(program(COUNTS), folder, builder) as sandbox:
        steps = folder / "steps"
        wait_for(lambda: size(steps) > 3, "the program works")
        assert [sandbox.carry_out(Action.ISOLATE).outcome for _ in range(4)] == ["cut", "limited", "frozen", "frozen"]
        windows = sandbox.windows()
        wait_quiet(windows)
        before = size(steps)
        assert next(windows).telemetry.syscall_count == 0
        assert size(steps) == before
        assert [sandbox.carry_out(Action.CONTINUE).outcome for _ in range(4)] == ["running"] * 4
        wait_for(lambda: size(steps) > before, "it goes on")


class Heard(socketserver.ThreadingTCPServer):
    """A service that counts the reports it is sent, and answers as a web server does."""

    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Reports)
        self.reports = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> Address:
        return Address("127.0.0.1", int(self.server_address[1]))


class Reports(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Heard)
        self.request.recv(4096)
        self.server.reports += 1
        self.request.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")


def test_a_beacon_loses_its_network_and_gets_it_back(folder: Path, builder: str) -> None:
    # the emulation itself ends when a report fails, so a shell begins it again
    options = json.dumps({"style": "tcp", "pause_s": 0.02, "seconds": 15, "size": 20})
    beacon = Artifact(family="beacon", variant="test", malicious=True, source="beacon", options={})
    install(beacon, folder)
    again = 'while :; do python3 -m app.main "$0" 2>/dev/null || echo x >> failed; sleep 0.05; done'
    with Heard() as service:
        env = {"PATH": os.defpath, "HOME": str(folder), "SCRATCH": str(folder), "PORT": str(service.address.port)}
        confines = Confines(builder=builder, reach=(service.address,))
        command = ["/bin/sh", "-c", again, options]
        with LinuxSandbox.start(command, cwd=folder, env=env, confines=confines) as sandbox:
            wait_for(lambda: service.reports > 2, "it reports")
            assert sandbox.carry_out(Action.ISOLATE).outcome == "cut"
            wait_for(lambda: size(folder / "failed") > 0, "it tries in vain")
            heard, failed = service.reports, size(folder / "failed")
            wait_for(lambda: size(folder / "failed") > failed + 2, "it tries again and again")
            assert service.reports == heard
            windows = sandbox.windows()
            wait_for(lambda: next(windows).telemetry.network_connections, "its attempts are still seen")
            assert sandbox.take_back(Action.ISOLATE).outcome == "running"
            wait_for(lambda: service.reports > heard, "it reports again")
        service.shutdown()


def test_a_pause_is_apart_from_isolation(folder: Path, builder: str) -> None:
    with start(program(COUNTS), folder, builder) as sandbox:
        steps = folder / "steps"
        wait_for(lambda: size(steps) > 3, "the program works")
        assert sandbox.carry_out(Action.ISOLATE).outcome == "cut"
        assert sandbox.carry_out(Action.REVIEW).outcome == "paused"
        windows = sandbox.windows()
        wait_quiet(windows)
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
        wait_quiet(windows)
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
from drlactors.sandboxes.plan import Artifact
from drlactors.sandboxes.recorder import install
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


ORDINARY = """
import json, subprocess, sys; sys.path.append(sys.argv[1])
from pathlib import Path
from drlactors.domain.action import Action
from drlactors.sandboxes.hold import Limits
from drlactors.sandboxes.launch import Confines
from drlactors.sandboxes.linux import LinuxSandbox
folder = Path(sys.argv[2])
def size(name): return (folder / name).stat().st_size if (folder / name).exists() else 0
confines = Confines(builder=sys.argv[3], limits=Limits(processes=40))
quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
others = [subprocess.Popen(["sleep", "30"], **quiet) for _ in range(50)]  # of the same user, outside
with LinuxSandbox.start(["/usr/bin/python3", "-S", "-c", sys.argv[4]], cwd=folder, confines=confines) as sandbox:
    windows = sandbox.windows()
    while not size("refused"): next(windows)
    came = [[said.outcome, said.message] for said in (sandbox.carry_out(Action.ISOLATE) for _ in range(3))]
    while next(windows).telemetry.syscall_count: pass
    before = size("steps")
    next(windows)
    came.append([size("steps") - before, sandbox.containment])
    came.append([sandbox.carry_out(Action.TERMINATE).outcome, str(sandbox.ended)])
for other in others: other.kill()
print(json.dumps(came))
"""


def test_an_ordinary_user_without_control_groups_gets_walls_limits_and_the_end(folder: Path, builder: str) -> None:
    # bounded in itself as well: at most 80 processes, each for at most a minute
    storm = (
        "import os, time\n"
        "for n in range(80):\n"
        " try:\n"
        "  if not os.fork(): time.sleep(60); os._exit(0)\n"
        " except OSError: open('refused', 'w').write('x'); break\n"
        "while True:\n open('steps', 'a').write('x'); time.sleep(0.01)"
    )
    root = os.geteuid() == 0
    if root:
        os.chown(folder, walls.NOBODY, walls.NOBODY)
    done = subprocess.run(
        [PYTHON if root else sys.executable, "-c", ORDINARY, str(SOURCES), str(folder), builder, storm],
        user=walls.NOBODY if root else None,
        group=walls.NOBODY if root else None,
        extra_groups=[] if root else None,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    cut, limited, frozen, still, end = json.loads(done.stdout)
    assert [cut[0], limited[0], frozen[0], still[0], end[0]] == ["cut", "limited", "frozen", 0, "terminated"]
    # what the machine could not do is said
    if "control group: none" in still[1]:
        assert "no control group for processors" in limited[1]
        assert "no control group that freezes" in frozen[1]
    assert running_in(folder) == []

"""Real programs behind walls: what they can see, change and reach."""

import json
import os
import socket
import tempfile
from pathlib import Path
from typing import Any

import pytest

from drlactors.sandboxes.containment.relay import Address
from drlactors.sandboxes.errors import NotStartedInside
from tests.integration.sandboxes.kit import SOURCES, program, start, wait_for


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


def test_a_program_may_be_named_by_any_of_its_paths(folder: Path, builder: str) -> None:
    named = folder / "copy"
    named.symlink_to("/usr/bin/true")
    for path in ("/bin/true", "/usr/bin/true", str(named)):
        with start([path], folder, builder) as sandbox:
            list(sandbox.windows())
            assert sandbox.ended is not None
            assert sandbox.ended.status == 0


def test_a_program_that_lacks_something_behind_the_walls_is_not_started(folder: Path, builder: str) -> None:
    with tempfile.TemporaryDirectory(prefix="hidden-") as hidden:
        interpreter = Path(hidden, "interpreter")
        interpreter.symlink_to("/bin/sh")
        script = folder / "script"
        script.write_text(f"#!{interpreter}\n:\n")
        script.chmod(0o755)
        with pytest.raises(NotStartedInside, match="--read"):
            start([str(script)], folder, builder)


def test_the_whole_machine_cannot_be_shown(folder: Path, builder: str) -> None:
    with pytest.raises(ValueError, match="cannot be shown"):
        start(["/bin/true"], Path("/"), builder)
    with pytest.raises(ValueError, match="cannot be shown"):
        start(["/bin/true"], folder, builder, read=(Path("/"),))


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

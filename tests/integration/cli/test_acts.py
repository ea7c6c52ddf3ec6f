"""The acts of the demo where the machine lacks what one needs: it is said, and the demo goes on."""

import io
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from rich.console import Console

from drlactors.cli.acts import live
from drlactors.cli.acts.scene import Scene
from drlactors.cli.board import Board
from drlactors.config.load import load
from drlactors.sandboxes.containment import walls
from drlactors.sandboxes.errors import NoContainment
from drlactors.sandboxes.sdk import Sandbox
from drlactors.testing.memory_bus import MemoryBus
from drlactors.wiring import System


def shown(folder: Path) -> str:
    """What the live act says."""
    said = io.StringIO()
    with closing(MemoryBus()) as bus, Sandbox(bus.link(), "demo") as host:
        console = Console(file=said, width=200)
        system = System(load())  # not started: it does not come to that
        live.show(Scene(console=console, system=system, config=folder, host=host, board=Board()))
    return said.getvalue()


def test_where_nothing_can_be_traced_the_live_act_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "Left out: this machine cannot run it. strace was not found" in shown(tmp_path)


def test_where_nothing_can_be_contained_the_live_act_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> tuple[str, ...]:
        raise NoContainment("namespaces: Operation not permitted [1]")

    monkeypatch.setattr(walls, "builders", refuse)
    assert "Left out: this machine cannot run it. namespaces: Operation not permitted [1]" in shown(tmp_path)


def test_a_learner_ends_with_whoever_started_it() -> None:
    """Killed, so that nothing of its own could end what it started."""
    child = (
        "import threading; from drlactors.cli.acts.loop import end_with_input; end_with_input(); "
        "print('on', flush=True); threading.Event().wait()"
    )
    parent = (
        "import subprocess, sys; subprocess.Popen([sys.executable, '-c', sys.argv[1]], stdin=subprocess.PIPE).wait()"
    )
    with subprocess.Popen([sys.executable, "-c", parent, child], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == "on\n"
        starter.kill()
        assert starter.stdout.read() == ""  # until the child, which has the other end, is gone as well

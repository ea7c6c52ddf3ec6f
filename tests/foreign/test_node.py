"""Sandboxes in another language, as real processes against a real system: Node with gRPC, and Node with NATS."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from drlactors.config.share import share
from drlactors.domain.action import Action
from drlactors.domain.ids import SessionId
from drlactors.domain.session import ActionSelected, Ended, Event, FeedbackReceived, OutcomeReported, TelemetryRecorded
from drlactors.ports.log import Category, Stream
from drlactors.store.log import PostgresEventLog
from drlactors.testing.servers import EmbeddedNats
from tests.acceptance.harness import SystemProcess, wait_for

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
WINDOWS = 40
MISSING = (
    "Node and npm are needed to test clients in another language, and were not found. Get Node 18 or newer from the "
    "packages of your system (apt-get install nodejs npm) or from nodejs.org, and give the same command again."
)


@pytest.fixture(scope="session")
def node() -> Path:
    """Where the packages of tests/foreign are; they are fetched the first time, and when the lock changes."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.fail(MISSING)
    locked = hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()[:16]
    home = ROOT / ".venv" / "node" / locked
    if not (home / "complete").exists():
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(FOLDER / name, home)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.fail(f"npm could not fetch the packages of tests/foreign:\n{done.stderr[-2000:]}")
        (home / "complete").touch()
    return home / "node_modules"


@pytest.fixture
def system(tmp_path: Path, own_nats: EmbeddedNats, database: str) -> Iterator[SystemProcess]:
    """Without a model: the rules decide, and what they see here they stop."""
    options = {"gateway__address": "127.0.0.1:0", "model__path": str(tmp_path / "none.onnx")}
    with SystemProcess(tmp_path / "system", own_nats.url, database, **options) as process:
        yield process.start()


@pytest.mark.parametrize("transport", ["grpc", "nats"])
def test_a_sandbox_in_javascript_goes_through_a_whole_episode(
    transport: str, node: Path, system: SystemProcess, own_nats: EmbeddedNats, database: str
) -> None:
    session = SessionId(uuid4())
    gateway = json.loads((system.folder / "run.json").read_text())["gateway"]
    address = gateway if transport == "grpc" else own_nats.url
    script = FOLDER / f"{transport}_sandbox.js"
    done = subprocess.run(
        ["node", script, ROOT / "proto", address, str(session), str(WINDOWS)],
        env={"NODE_PATH": str(node), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    log = PostgresEventLog(database, schema_dir=share("eventstore"))

    def events() -> list[Event]:
        return [event for entry in log.stream(Stream(Category.SESSION, session)) for event in entry.of_session]

    wait_for(lambda: any(isinstance(event, Ended) for event in events()), 60, "the session has ended")
    recorded = events()
    log.close()
    assert [event.window.seq for event in recorded if isinstance(event, TelemetryRecorded)] == list(range(WINDOWS))
    actions = [event for event in recorded if isinstance(event, ActionSelected) and event.action is not Action.CONTINUE]
    carried_out = [one for one in told if "carried_out" in one]
    assert sorted(event.seq for event in actions) == sorted(one["seq"] for one in carried_out)
    assert actions, "the policy did something about it"
    answered = {event.seq for event in recorded if isinstance(event, FeedbackReceived)}
    assert answered == {event.seq for event in actions}
    assert [event.detail for event in recorded if isinstance(event, OutcomeReported)] == ["said by node"]
    assert told[-1]["answered"] == WINDOWS
    if transport == "grpc":
        assert told[0] == {"refused": 3, "details": 1}  # INVALID_ARGUMENT, with google.rpc.Status
        assert told[-1]["stored"] == told[-1]["said"]

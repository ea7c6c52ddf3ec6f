"""A learner beside a running system: a better model comes in charge by evidence, whatever is killed on the way."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drlactors.actors.learner import NAME
from drlactors.actors.registrar import Registrar
from drlactors.config import load
from drlactors.config.share import share
from drlactors.domain.action import Action
from drlactors.domain.instance import PolicyActivated
from drlactors.domain.session import ActionSelected
from drlactors.domain.telemetry import Telemetry, Window
from drlactors.learner.transitions import Sample
from drlactors.ports.clock import SystemClock
from drlactors.ports.log import Category
from drlactors.signing import make_key
from drlactors.store.log import PostgresEventLog
from drlactors.testing.servers import EmbeddedNats
from drlactors.wiring.learning import task_of
from tests.acceptance.harness import SystemProcess, wait_for
from tests.unit.learner.logs import write

SESSIONS = 120
RULES = "rules-1"
DRLACTORS = [sys.executable, "-m", "drlactors"]


def sample(number: int) -> Sample:
    """No rule looks at memory, and that is where these differ."""
    malicious, dice = number % 2 == 1, np.random.default_rng(number)
    windows = tuple(
        Window(
            seq=seq,
            window_ms=250,
            observed_us=0,
            telemetry=Telemetry(syscall_count=int(dice.integers(100, 5000)), memory_usage=4e9 if malicious else 1e7),
        )
        for seq in range(6)
    )
    return Sample(windows, malicious, sha256(b"%d" % number).hexdigest())


@pytest.fixture
def log(database: str) -> Iterator[PostgresEventLog]:
    """Nothing was done about any of its sessions, and all are known by now."""
    with closing(PostgresEventLog(database, schema_dir=share("eventstore"))) as log:
        task = task_of(load("prod", environ={}).settings)
        write(log, [sample(number) for number in range(SESSIONS)], task, lambda _: Action.CONTINUE)
        yield log


@pytest.fixture
def system(tmp_path: Path, own_nats: EmbeddedNats, database: str, log: PostgresEventLog) -> Iterator[SystemProcess]:
    """At first it has no model: the rules decide. What the gate asks for, so few sessions can give."""
    key = tmp_path / "models.key"
    settings: dict[str, Any] = {
        "model__path": str(tmp_path / "none.onnx"),
        "model__deadline_ms": 60_000,
        "models__trusted_keys": [make_key(key)],
        "learner__key": str(key),
        "learner__sessions": 100,
        "learner__updates": 200,
        "learner__step_updates": 20,
        "gate__false_positive_rate": 0.5,
        "gate__least_sessions": 5,
        "gate__least_effective": 5,
    }
    with SystemProcess(tmp_path / "system", own_nats.url, database, **settings) as process:
        yield process.start()


def learn(system: SystemProcess, *, crash_at: str = "", time: int = 1) -> "subprocess.CompletedProcess[str]":
    program = DRLACTORS
    if crash_at:
        program = [sys.executable, str(Path(__file__).with_name("crashing_learner.py")), crash_at, str(time)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DRLACTORS_")}
    return subprocess.run(
        [*program, "learn", "--rounds", "1", "--config", str(system.config)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def recorded(log: PostgresEventLog) -> Counter[str]:
    entries = [entry for entry in log.read(0, 10_000) if entry.stream.category in (Category.MODEL, Category.REGISTRY)]
    return Counter(type(event).__name__ for entry in entries for event in entry.events)


def activated(log: PostgresEventLog) -> list[str]:
    entries = [entry for entry in log.read(0, 10_000) if entry.stream.category is Category.INSTANCE]
    return [event.policy for entry in entries for event in entry.events if isinstance(event, PolicyActivated)]


ONCE = {"Trained": 1, "ModelEntered": 1, "Evaluated": 1, "ChargePassed": 1, "Promoted": 1}


def test_what_the_log_teaches_comes_in_charge_by_evidence_and_decides(
    system: SystemProcess, log: PostgresEventLog, tmp_path: Path
) -> None:
    done = learn(system)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "version 1" in done.stdout
    assert "the gate says: promote; it is in charge" in done.stdout
    assert recorded(log) == ONCE
    in_charge = Registrar(log, SystemClock()).charge().in_charge
    wait_for(lambda: activated(log)[-1] == in_charge, 60, "the running system takes it in")
    play(system, tmp_path)
    decided = [
        event
        for entry in log.read(0, 100_000)
        if entry.stream.category is Category.SESSION
        for event in entry.events
        if isinstance(event, ActionSelected)
    ]
    assert decided[-1].policy == in_charge
    assert {event.policy for event in decided} == {"environment", in_charge}
    back = [*DRLACTORS, "models", "rollback", "--reason", "a test", "--config", str(system.config)]
    told = subprocess.run(back, check=True, timeout=600, capture_output=True, text=True).stdout
    assert told.startswith("the rules are in charge again: ")
    wait_for(lambda: activated(log)[-1] == RULES, 60, "the rules decide again: there is no model to go back to")


@pytest.mark.parametrize(
    ("point", "time"),
    [
        ("training", 4),
        ("export", 3),
        ("after an append", 2),
        ("after an append", 4),
    ],
    ids=["training", "export", "a candidate", "promotion"],
)
def test_kill_9_while_learning_leaves_the_last_good_model_serving_and_doubles_nothing(
    point: str, time: int, system: SystemProcess, log: PostgresEventLog
) -> None:
    killed = learn(system, crash_at=point, time=time)
    assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr
    registrar = Registrar(log, SystemClock())
    promised = registrar.charge().in_charge
    assert system.alive()
    system.kill()  # and the plane itself is killed: the next one begins with what was decided
    system.start()
    wait_for(lambda: activated(log)[-1] == (promised or RULES), 60, "it begins with what was decided")
    done = learn(system)
    assert done.returncode == 0, done.stdout + done.stderr
    assert recorded(log) == ONCE
    in_charge = registrar.charge().in_charge
    wait_for(lambda: activated(log)[-1] == in_charge, 60, "what was decided is followed")
    assert log.position(NAME) > 0
    folder = system.folder / "models"
    assert {path.stem for path in folder.glob("*.onnx")} == {in_charge}


def play(system: SystemProcess, folder: Path) -> None:
    played = subprocess.run(
        [*DRLACTORS, "sandbox", "play", "scanner", "--speed", "40", "--data-dir", str(system.folder)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert played.returncode == 0, played.stdout + played.stderr

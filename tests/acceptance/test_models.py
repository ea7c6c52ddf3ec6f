"""The life of models on a running system: promoted while it answers, and the last good one whatever is killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from drlactors.actors.registrar import Registrar
from drlactors.bus.nats_link import NatsSandboxLink
from drlactors.config.share import share
from drlactors.domain.instance import PolicyActivated, PolicyRefused
from drlactors.domain.model import Authority, Shadowed, Standing
from drlactors.domain.session import ActionSelected
from drlactors.inference import packaged_model
from drlactors.ports.log import Category, Event
from drlactors.sandboxes.sdk import Sandbox
from drlactors.store.log import PostgresEventLog
from drlactors.testing.servers import EmbeddedNats
from drlactors.wiring import SystemClock
from tests.acceptance.harness import Crowd, SystemProcess, audit, resident_mb, sandbox_on, wait_for
from tests.acceptance.test_replay import model_id
from tests.unit.inference.models import KEY, signed, sound, trusted

SESSIONS = 6
RELOADS, WARM_UP = 100, 30
#: A small model that is loaded takes 0.2 MB: a hundred that stayed would be 20. Measured is 0.4.
MOST_GROWN_MB = 5
OLD = model_id(packaged_model())


@pytest.fixture
def host(own_nats: EmbeddedNats) -> Iterator[Sandbox]:
    yield from sandbox_on(NatsSandboxLink(own_nats.url))


@pytest.fixture
def system(tmp_path: Path, own_nats: EmbeddedNats, database: str) -> Iterator[SystemProcess]:
    settings: dict[str, Any] = {
        "models__trusted_keys": trusted(),
        "models__shadow_interval_s": 0.3,
        "model__deadline_ms": 60_000,  # of a machine that does other things too: no answer is late, none is the rules'
    }
    with SystemProcess(tmp_path / "system", own_nats.url, database, **settings) as process:
        yield process.start()


@pytest.fixture
def log(system: SystemProcess, database: str) -> Iterator[PostgresEventLog]:
    log = PostgresEventLog(database, schema_dir=share("eventstore"))
    yield log
    log.close()


def models(system: SystemProcess, *arguments: str, crash_at: str = "") -> "subprocess.CompletedProcess[str]":
    program = [sys.executable, "-m", "drlactors"]
    if crash_at:
        program = [sys.executable, str(Path(__file__).with_name("crashing_models.py")), crash_at]
    return ended([*program, "models", *arguments, "--config", str(system.config)])


def ended(command: list[str]) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DRLACTORS_")}
    return subprocess.run(
        command,
        env=environment | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def done(system: SystemProcess, *arguments: str) -> str:
    found = models(system, *arguments)
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


def events(log: PostgresEventLog, category: Category) -> list[Event]:
    found: list[Event] = []
    after = 0
    while entries := log.read(after, 1000):
        found += [event for entry in entries if entry.stream.category is category for event in entry.events]
        after = entries[-1].position
    return found


def activated(log: PostgresEventLog) -> list[str]:
    return [event.policy for event in events(log, Category.INSTANCE) if isinstance(event, PolicyActivated)]


def policies(log: PostgresEventLog) -> list[str]:
    return [event.policy for event in events(log, Category.SESSION) if isinstance(event, ActionSelected)]


class Load:
    """A crowd that plays on, round by round, all of them answered."""

    def __init__(self, host: Sandbox) -> None:
        self.crowd = Crowd(host, SESSIONS, 400)
        self.round = 0

    def play(self, rounds: int = 5) -> None:
        for _ in range(rounds):
            self.crowd.play(self.round, self.round + 1)
            self.round += 1
            wait_for(lambda: self.crowd.unanswered() == 0, 60, f"round {self.round} is answered")

    def finish(self, system: SystemProcess, database: str) -> None:
        self.crowd.windows = self.round
        assert self.crowd.finish() == 0
        assert system.stop() == 0
        assert audit(database, self.crowd) == []


def test_a_model_lives_from_candidate_to_roll_back_while_windows_are_answered(
    system: SystemProcess, host: Sandbox, log: PostgresEventLog, database: str, tmp_path: Path
) -> None:
    second = signed(tmp_path, seed=2)
    sha256 = model_id(second)
    load = Load(host)
    load.play()
    assert "candidate" in done(system, "add", str(second), "--data", "nothing")

    def shadowed() -> list[Shadowed]:
        load.play(1)
        return [event for event in events(log, Category.MODEL) if isinstance(event, Shadowed)]

    wait_for(shadowed, 60, "the candidate ranks beside the model in charge")
    tally = shadowed()[0]
    assert tally.beside == OLD
    assert sum(pairing.windows for pairing in tally.pairings) > 0

    refused = models(system, "promote", "1")
    assert (refused.returncode, "The gate has not seen this model" in refused.stderr) == (1, True)
    assert set(policies(log)) == {OLD}, "a shadow acts on nothing"

    done(system, "promote", sha256[:12], "--reason", "a test", "--author", "ann")
    wait_for(lambda: activated(log)[-1] == sha256, 60, "the running system takes it in")
    load.play()
    assert policies(log)[-1] == sha256
    listed = json.loads(done(system, "list", "--json"))
    assert (listed["model"], listed["standing"]) == (sha256, "promoted")
    assert "in charge" in done(system, "show", "1")
    assert "promoted" in done(system, "compare", sha256, "1")
    assert "in charge: put another" in models(system, "reject", "1", "--reason", "no").stderr

    done(system, "rollback", "--reason", "enough of the test")
    wait_for(lambda: activated(log)[-1] == OLD, 60, "the running system goes back")
    load.play()
    assert policies(log)[-1] == OLD
    done(system, "reject", "1", "--reason", "it is random")
    assert "it is random" in done(system, "show", "1")
    load.finish(system, database)
    assert set(policies(log)) == {OLD, sha256}, "the rules answered in between"

    found = replayed(system)
    assert {one["session"] for one in found} == {str(one.id) for one in load.crowd.sessions}
    assert {one["truth"] for one in found} == {"benign"}, "as the crowd reported"


def replayed(system: SystemProcess) -> list[dict[str, str]]:
    """Every decision is reached again; then what version 1 would have changed, session by session."""
    replay = [sys.executable, "-m", "drlactors", "replay", "--config", str(system.config)]
    verified = ended([*replay, "--verify"])
    assert verified.returncode == 0, verified.stdout + verified.stderr
    against = ended([*replay, "--against", "1", "--json"])
    assert against.returncode == 0, against.stderr
    return [json.loads(line) for line in against.stdout.splitlines()]


def test_trees_and_a_boundary_in_time_are_trained_shadow_serve_and_are_replayed_as_networks_are(
    system: SystemProcess, host: Sandbox, log: PostgresEventLog, database: str, tmp_path: Path
) -> None:
    """What `drlactors train --method stopping` makes goes the whole way of a model."""
    key, out = tmp_path / "tests.key", tmp_path / "trained"
    key.touch(mode=0o600)
    key.write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    train = [sys.executable, "-m", "drlactors", "train", "--method", "stopping", "--out", str(out), "--key", str(key)]
    trained = ended(train)
    assert trained.returncode == 0, trained.stderr
    sha256 = model_id(out / "model.onnx")
    load = Load(host)
    load.play()
    done(system, "add", str(out / "model.onnx"), "--data", "262 sessions of recordings")

    def shadowed() -> list[Shadowed]:
        load.play(1)
        return [event for event in events(log, Category.MODEL) if isinstance(event, Shadowed)]

    wait_for(shadowed, 60, "the candidate ranks beside the model in charge")
    done(system, "promote", sha256[:12], "--reason", "a test", "--author", "ann")
    wait_for(lambda: activated(log)[-1] == sha256, 60, "the running system takes it in")
    load.play()
    assert policies(log)[-1] == sha256
    assert "promoted" in done(system, "compare", sha256, "1")
    assert "in charge" in done(system, "show", "1")
    load.finish(system, database)
    assert set(policies(log)) == {OLD, sha256}, "the rules answered in between"
    assert len(replayed(system)) == SESSIONS


@pytest.mark.parametrize(
    ("point", "decided"),
    [("before registry", False), ("after registry", True), ("before model", True), ("after model", True)],
)
def test_a_promotion_that_is_killed_leaves_a_good_model_serving(
    point: str,
    decided: bool,
    system: SystemProcess,
    host: Sandbox,
    log: PostgresEventLog,
    database: str,
    tmp_path: Path,
) -> None:
    second = signed(tmp_path, seed=2)
    sha256 = model_id(second)
    load = Load(host)
    done(system, "add", str(second), "--data", "nothing")
    load.play()
    promote = ("promote", "1", "--reason", "a test")
    assert models(system, *promote, crash_at=point).returncode == -signal.SIGKILL
    load.play()
    registrar = Registrar(log, SystemClock())
    assert registrar.charge().in_charge == (sha256 if decided else "")
    if decided:
        wait_for(lambda: activated(log)[-1] == sha256, 60, "what was decided is followed")
    system.kill()  # and the plane itself is killed: the next one begins with what was decided
    system.start()
    assert activated(log)[-1] == (sha256 if decided else OLD)
    assert registrar.life(sha256).standing is (Standing.PROMOTED if decided else Standing.CANDIDATE)
    if not decided:
        done(system, *promote)
        wait_for(lambda: activated(log)[-1] == sha256, 60, "the second attempt")
    load.play()
    load.finish(system, database)
    assert set(policies(log)) <= {OLD, sha256}, "the rules answered in between"
    assert policies(log)[-1] == sha256


@pytest.mark.parametrize("point", ["after copying .json", "after copying .sig", "before copying .onnx", "before model"])
def test_a_model_that_was_taken_in_halfway_is_no_model(
    point: str, system: SystemProcess, log: PostgresEventLog, tmp_path: Path
) -> None:
    second = signed(tmp_path, seed=2)
    add = ("add", str(second), "--data", "nothing")
    assert models(system, *add, crash_at=point).returncode == -signal.SIGKILL
    assert done(system, "list", "--json") == ""
    done(system, *add)
    done(system, "promote", "1", "--reason", "a test")
    wait_for(lambda: activated(log)[-1] == model_id(second), 60, "the second attempt is whole")


def test_a_promoted_model_that_cannot_be_verified_leaves_the_one_before(
    system: SystemProcess, host: Sandbox, log: PostgresEventLog, database: str, tmp_path: Path
) -> None:
    second, third = signed(tmp_path, seed=2), signed(tmp_path, seed=3)
    folder = system.folder / "models"
    for file in (second, third):
        done(system, "add", str(file), "--data", "nothing")
        done(system, "promote", model_id(file), "--reason", "a test")
        wait_for(lambda file=file: activated(log)[-1] == model_id(file), 60, "it serves")  # type: ignore[misc]
    damaged = folder / f"{model_id(third)}.onnx"
    damaged.write_bytes(damaged.read_bytes() + b"\0")
    assert "other bytes" in models(system, "promote", model_id(third), "--reason", "again").stderr
    load = Load(host)
    load.play()
    assert set(policies(log)) == {model_id(third)}, "what was loaded before goes on"
    system.kill()
    system.start()
    load.play()
    assert policies(log)[-1] == model_id(second)
    refused = [event for event in events(log, Category.INSTANCE) if isinstance(event, PolicyRefused)]
    assert [(Path(event.path).stem, "other bytes" in event.reason) for event in refused] == [(model_id(third), True)]
    load.finish(system, database)


def test_a_roll_back_to_a_model_that_is_gone_says_so_and_what_acts_instead(
    system: SystemProcess, log: PostgresEventLog, tmp_path: Path
) -> None:
    second, third = signed(tmp_path, seed=2), signed(tmp_path, seed=3)
    for file in (second, third):
        done(system, "add", str(file), "--data", "nothing")
        done(system, "promote", model_id(file), "--reason", "a test")
        wait_for(lambda file=file: activated(log)[-1] == model_id(file), 10, "it serves")  # type: ignore[misc]
    (system.folder / "models" / f"{model_id(second)}.onnx").unlink()
    back = models(system, "rollback", "--reason", "it stops backups")
    assert (back.returncode, back.stdout) == (1, "")
    first, why = back.stderr.splitlines()
    assert first.startswith(f"{model_id(second)} is in charge again, but cannot be used")
    assert "the model that the configuration names will act" in first
    assert model_id(second) in why
    wait_for(lambda: activated(log)[-1] == OLD, 10, "what was rolled back goes, and the one before it acts")


def test_an_unsigned_model_is_not_taken_in(system: SystemProcess, tmp_path: Path) -> None:
    refused = models(system, "add", str(sound(tmp_path, seed=2)), "--data", "nothing")
    assert (refused.returncode, "it is not signed" in refused.stderr) == (1, True)
    assert done(system, "list", "--json") == ""


def test_memory_does_not_grow_over_a_hundred_reloads(
    system: SystemProcess, host: Sandbox, log: PostgresEventLog, database: str, tmp_path: Path
) -> None:
    """Of the process that serves, which swaps between two models while it answers."""
    registrar, load, sizes = Registrar(log, SystemClock()), Load(host), []
    both = [signed(tmp_path, seed=seed) for seed in (2, 3)]
    for file in both:
        done(system, "add", str(file), "--data", "nothing")
    for turn in range(RELOADS + WARM_UP):
        sha256 = model_id(both[turn % 2])
        after = log.head()
        registrar.promote(
            sha256, configured=OLD, authority=Authority.PERSON, author="ann", reason="to see what it costs"
        )
        wait_for(lambda after=after, sha256=sha256: took_over(log, after, sha256), 60, "it serves")  # type: ignore[misc]
        load.play(1)
        sizes.append(resident_mb(system.pid))
    load.finish(system, database)
    assert set(policies(log)[-6 * RELOADS :]) == {model_id(file) for file in both}
    grown = median(sizes[-10:]) - median(sizes[WARM_UP - 10 : WARM_UP])
    assert grown < MOST_GROWN_MB, f"{grown:.1f} MB: {[round(size, 1) for size in sizes]}"


def took_over(log: PostgresEventLog, after: int, sha256: str) -> bool:
    said = (event for entry in log.read(after, 1000) for event in entry.events if isinstance(event, PolicyActivated))
    return any(event.policy == sha256 for event in said)

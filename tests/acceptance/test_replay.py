"""The log is the truth: decisions are reached again from it, sessions go on from it, and models change above it."""

import hashlib
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import msgspec
import psycopg
import pytest

from drlactors.bus.nats_link import NatsSandboxLink
from drlactors.config.share import share
from drlactors.domain.action import Action
from drlactors.domain.instance import ConfigurationReloaded, PolicyActivated, PolicyRefused
from drlactors.domain.session import DECIDER, INITIAL, ActionSelected, State, TelemetryLost
from drlactors.inference import packaged_model
from drlactors.ports.log import Category, Entry, Event, Stream
from drlactors.sandboxes.sdk import Sandbox
from drlactors.store.log import PostgresEventLog
from drlactors.testing.servers import EmbeddedNats
from tests.acceptance.harness import Crowd, SystemProcess, audit, sandbox_on, wait_for
from tests.unit.inference.models import signed, trusted

SESSIONS, WINDOWS = 12, 40


@pytest.fixture
def host(own_nats: EmbeddedNats) -> Iterator[Sandbox]:
    yield from sandbox_on(NatsSandboxLink(own_nats.url))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The packaged model under another name, in a folder where it can be replaced."""
    path = tmp_path / "models" / "serving.onnx"
    path.parent.mkdir()
    put(packaged_model(), path)
    return path


@pytest.fixture
def system(tmp_path: Path, own_nats: EmbeddedNats, database: str, model: Path) -> Iterator[SystemProcess]:
    """With servers' contents of its own: what is verified is counted."""
    settings = {
        "model__path": str(model),
        "models__trusted_keys": trusted(),
        "sessions__idle_passivate_s": 0.3,
        "model__deadline_ms": 60_000,
    }
    with SystemProcess(tmp_path / "system", own_nats.url, database, **settings) as process:
        yield process.start()


@pytest.fixture
def log(system: SystemProcess, database: str) -> Iterator[PostgresEventLog]:
    log = PostgresEventLog(database, schema_dir=share("eventstore"))
    yield log
    log.close()


def put(source: Path, place: Path) -> None:
    """As one copies a model: first what describes and signs it, then the model; each by one move."""
    for suffix in (".json", ".sig", ".onnx"):
        made = place.with_suffix(f"{suffix}.new")
        shutil.copyfile(source.with_suffix(suffix), made)
        made.rename(place.with_suffix(suffix))


def replay(system: SystemProcess) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "drlactors", "replay", "--verify", "--config", str(system.config)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600, env={"COLUMNS": "250"})


def entries(log: PostgresEventLog) -> list[Entry]:
    found: list[Entry] = []
    while more := log.read(found[-1].position if found else 0, 1000):
        found += more
    return found


def events_of(log: PostgresEventLog, category: Category) -> list[Event]:
    return [event for entry in entries(log) if entry.stream.category is category for event in entry.events]


def decisions(log: PostgresEventLog) -> list[ActionSelected]:
    return [event for event in events_of(log, Category.SESSION) if isinstance(event, ActionSelected)]


def play(crowd: Crowd, first: int, last: int) -> None:
    for seq in range(first, last):
        crowd.play(seq, seq + 1)
        wait_for(lambda: crowd.unanswered() == 0, 60, f"round {seq} is answered")


def test_every_decision_is_reached_again(system: SystemProcess, host: Sandbox, log: PostgresEventLog) -> None:
    crowd = Crowd(host, SESSIONS, WINDOWS)
    play(crowd, 0, WINDOWS)
    assert crowd.finish() == 0
    live = replay(system)
    assert (live.returncode, live.stderr) == (0, "")
    assert system.stop() == 0
    done = replay(system)
    assert done.returncode == 0, done.stdout + done.stderr
    total = SESSIONS * WINDOWS
    assert f"{total} of {total} decisions reached again" in done.stdout
    found = decisions(log)
    assert len(found) == total
    assert {selected.action for selected in found} - {Action.CONTINUE}, "only going on: this proves too little"
    assert {selected.policy for selected in found} == {model_id(packaged_model())}


@pytest.mark.parametrize("what", ["value", "action", "state vector", "mask"])
def test_one_decision_that_was_tampered_with_is_named(
    what: str, system: SystemProcess, host: Sandbox, log: PostgresEventLog, database: str
) -> None:
    crowd = Crowd(host, 3, 10)
    play(crowd, 0, 10)
    assert crowd.finish() == 0
    assert system.stop() == 0
    session = crowd.sessions[1].id
    seq = 6
    tamper(database, session, seq, CHANGES[what])
    done = replay(system)
    assert done.returncode == 1, done.stdout + done.stderr
    named = [line for line in done.stdout.splitlines() if line.startswith("session ")]
    assert named[0].startswith(f"session {session} window {seq}: ")
    assert f"{30 - len(named)} of 30 decisions reached again" in done.stdout
    if what == "action":  # what follows from another action differs, too
        assert all(line.startswith(f"session {session} ") for line in named)
    else:
        assert len(named) == 1


#: Positions in ActionSelected's stored fields, and what is done to them.
FIELDS = {name: index for index, name in enumerate(ActionSelected._fields)}


def _change_value(fields: list[object]) -> None:
    values = fields[FIELDS["values"]]
    assert isinstance(values, list)
    values[0] += 1e-6 * max(1.0, abs(values[0]))


def _change_action(fields: list[object]) -> None:
    fields[FIELDS["action"]] = int(Action.REVIEW if fields[FIELDS["action"]] == Action.CONTINUE else Action.CONTINUE)


def _change_vector(fields: list[object]) -> None:
    vector = fields[FIELDS["state_vector"]]
    assert isinstance(vector, bytes)
    fields[FIELDS["state_vector"]] = vector[:-1] + bytes([vector[-1] ^ 1])


def _change_mask(fields: list[object]) -> None:
    mask = fields[FIELDS["mask"]]
    assert isinstance(mask, int)
    fields[FIELDS["mask"]] = mask ^ 1 << Action.REVIEW


CHANGES: dict[str, Callable[[list[object]], None]] = {
    "value": _change_value,
    "action": _change_action,
    "state vector": _change_vector,
    "mask": _change_mask,
}


def tamper(dsn: str, session: UUID, seq: int, change: Callable[[list[object]], None]) -> None:
    """Change a stored decision as somebody would who knows the row format."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "SELECT notification_id, topic, state FROM eventlog.stored_events WHERE originator_id = %s", (session,)
        ).fetchall()
        for row_id, topic, state in rows:
            row = msgspec.msgpack.decode(state)
            kinds = topic.split(" ")
            for index, fields in row[-1]:
                if kinds[index].startswith("session.action-selected:") and fields[FIELDS["seq"]] == seq:
                    change(fields)
                    connection.execute(
                        "UPDATE eventlog.stored_events SET state = %s WHERE notification_id = %s",
                        (msgspec.msgpack.encode(row), row_id),
                    )
                    return
    raise AssertionError(f"window {seq} has no decision")


# Sleeping and waking


def folded(log: PostgresEventLog, session: UUID, version: int | None = None) -> State:
    """Of all its rows, or of those up to a version."""
    state = INITIAL
    for entry in log.stream(Stream(Category.SESSION, session)):
        if version is None or entry.version <= version:
            state = DECIDER.fold(entry.of_session, state)
    return state


def test_a_session_that_slept_goes_on_where_it_was(
    system: SystemProcess, host: Sandbox, log: PostgresEventLog, database: str
) -> None:
    crowd = Crowd(host, SESSIONS, WINDOWS)
    for first in range(0, WINDOWS, 10):
        play(crowd, first, first + 10)
        settled = {one.id: folded(log, one.id) for one in crowd.sessions}
        wait_for(lambda: all(asleep(log, one.id) for one in crowd.sessions), 60, "all of them sleep")
        for one in crowd.sessions:
            snapshot = log.snapshot(Stream(Category.SESSION, one.id))
            assert snapshot is not None
            # What the sandbox answers may come behind it, and wakes the session again.
            assert snapshot.state == folded(log, one.id, snapshot.version)
            assert snapshot.state.progress == settled[one.id].progress
    assert crowd.finish() == 0
    assert system.stop() == 0
    assert audit(database, crowd) == []
    for one in crowd.sessions:
        state = folded(log, one.id)
        assert (state.progress.windows, state.progress.seq, state.progress.lost) == (WINDOWS, WINDOWS - 1, 0)
        assert state.over
    done = replay(system)
    assert done.returncode == 0, done.stdout
    assert f"{SESSIONS * WINDOWS} of {SESSIONS * WINDOWS} decisions" in done.stdout


def asleep(log: PostgresEventLog, session: UUID) -> bool:
    """It leaves a snapshot of its last version when it goes."""
    snapshot = log.snapshot(Stream(Category.SESSION, session))
    last = max(entry.version for entry in log.stream(Stream(Category.SESSION, session)))
    return snapshot is not None and snapshot.version == last


def test_a_session_wakes_from_its_snapshot_after_a_restart(
    system: SystemProcess, host: Sandbox, log: PostgresEventLog, database: str
) -> None:
    crowd = Crowd(host, 4, 20)
    play(crowd, 0, 10)
    wait_for(lambda: all(asleep(log, one.id) for one in crowd.sessions), 60, "all of them sleep")
    system.kill()
    system.start()
    play(crowd, 10, 20)
    assert crowd.finish() == 0
    assert system.stop() == 0
    assert audit(database, crowd) == []


def test_a_snapshot_that_cannot_be_read_is_made_again_from_the_log(
    system: SystemProcess, host: Sandbox, log: PostgresEventLog, database: str
) -> None:
    crowd = Crowd(host, 4, 20)
    play(crowd, 0, 10)
    wait_for(lambda: all(asleep(log, one.id) for one in crowd.sessions), 60, "all of them sleep")
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE eventlog.snapshots SET state = '\\xc1'")
    play(crowd, 10, 20)
    assert crowd.finish() == 0
    assert system.stop() == 0
    assert audit(database, crowd) == []


# Another model


def model_id(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_model_is_replaced_while_windows_are_answered(
    system: SystemProcess, host: Sandbox, log: PostgresEventLog, database: str, model: Path, tmp_path: Path
) -> None:
    first, second = model_id(packaged_model()), signed(tmp_path, seed=7)
    crowd = Crowd(host, SESSIONS, 20_000)
    swapped = threading.Event()
    reached, until_s = 0, time.monotonic() + 60

    def replace_it() -> None:
        put(second, model)
        swapped.set()

    replacing = threading.Thread(target=replace_it)
    for seq in range(crowd.windows):
        if seq == 50:
            replacing.start()
        crowd.play(seq, seq + 1)
        reached = seq + 1
        wait_for(lambda: crowd.unanswered() == 0, 60, f"round {seq} is answered")
        if swapped.is_set() and all(one.policy == model_id(second) for one in crowd.sessions) and seq >= 100:
            break
        assert time.monotonic() < until_s, f"after {reached} rounds it is still not in charge"
    replacing.join()
    crowd.windows = reached
    assert crowd.finish() == 0
    assert system.stop() == 0
    assert audit(database, crowd) == []
    assert not [event for event in events_of(log, Category.SESSION) if isinstance(event, TelemetryLost)]
    policies = [selected.policy for selected in decisions(log)]
    assert policies[0] == first
    assert policies[-1] == model_id(second)
    assert set(policies) == {first, model_id(second)}, "the rules answered in between"
    activated = [event for event in events_of(log, Category.INSTANCE) if isinstance(event, PolicyActivated)]
    assert activated[0] == PolicyActivated(first, "start")
    assert activated[-1] == PolicyActivated(model_id(second), "reload")
    put(packaged_model(), model.with_name("first.onnx"))  # both have to be at hand
    done = replay(system)
    assert done.returncode == 0, done.stdout
    assert f"{len(policies)} of {len(policies)} decisions" in done.stdout


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (lambda content: content[: len(content) // 2], "signature"),
        (lambda _: b"no model at all", "signature"),
        (lambda _: b"", "signature"),
    ],
    ids=["cut off", "rubbish", "empty"],
)
def test_a_broken_model_is_refused_and_the_old_one_stays(
    broken: Callable[[bytes], bytes],
    says: str,
    system: SystemProcess,
    host: Sandbox,
    log: PostgresEventLog,
    model: Path,
) -> None:
    crowd = Crowd(host, 4, 20)
    play(crowd, 0, 10)
    made = model.with_suffix(".new")
    made.write_bytes(broken(model.read_bytes()))
    made.rename(model)
    wait_for(lambda: refusals(log), 60, "it is refused")
    refused = refusals(log)[0]
    assert refused.path == str(model)
    assert says in refused.reason
    play(crowd, 10, 20)
    assert crowd.finish() == 0
    assert {selected.policy for selected in decisions(log)} == {model_id(packaged_model())}
    before = len(activations(log))
    put(packaged_model(), model)
    wait_for(lambda: len(activations(log)) > before, 60, "the sound one is taken again")
    assert system.stop() == 0


def test_a_model_without_its_metadata_is_refused(
    system: SystemProcess, host: Sandbox, log: PostgresEventLog, model: Path
) -> None:
    model.with_suffix(".json").unlink()
    wait_for(lambda: refusals(log), 60, "it is refused")
    crowd = Crowd(host, 2, 5)
    play(crowd, 0, 5)
    assert crowd.finish() == 0
    assert {selected.policy for selected in decisions(log)} == {model_id(packaged_model())}


def test_another_path_in_the_configuration_is_watched_from_then_on(
    system: SystemProcess, host: Sandbox, log: PostgresEventLog, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    second, third = signed(elsewhere, seed=2), signed(tmp_path, seed=3)
    system.configure("model", path=str(second))
    wait_for(lambda: PolicyActivated(model_id(second), "reload") in activations(log), 60, "the second is in charge")
    wait_for(lambda: reloaded(log), 60, "why is told behind it")
    assert reloaded(log) == [ConfigurationReloaded(("model.path",), "")]

    def taken() -> bool:
        put(third, second)  # again and again: the watch begins a moment after the change
        return PolicyActivated(model_id(third), "reload") in activations(log)

    wait_for(taken, 60, "the third is in charge")


def reloaded(log: PostgresEventLog) -> list[ConfigurationReloaded]:
    return [event for event in events_of(log, Category.INSTANCE) if isinstance(event, ConfigurationReloaded)]


def refusals(log: PostgresEventLog) -> list[PolicyRefused]:
    return [event for event in events_of(log, Category.INSTANCE) if isinstance(event, PolicyRefused)]


def activations(log: PostgresEventLog) -> list[PolicyActivated]:
    return [event for event in events_of(log, Category.INSTANCE) if isinstance(event, PolicyActivated)]

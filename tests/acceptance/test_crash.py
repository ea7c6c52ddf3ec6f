"""The crash law: after any crash each window is recorded once, each action is carried out once, nothing is missing."""

import asyncio
import contextlib
import json
import os
import resource
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import nats
import psycopg
import pytest
from psycopg import sql

from drlactors.actors import reach
from drlactors.bus.nats_link import NatsSandboxLink
from drlactors.config.load import load
from drlactors.config.share import share
from drlactors.domain.episode import EpisodeCompleted, Verdict
from drlactors.domain.session import SessionLost, Started
from drlactors.ports.log import Category, Event, Stream
from drlactors.sandboxes.sdk import Sandbox
from drlactors.store.log import PostgresEventLog
from drlactors.testing.processes import processes_in
from drlactors.testing.servers import EmbeddedNats, EmbeddedPostgres
from drlactors.wiring import System, running, succession
from drlactors.wiring import system as wiring_system
from tests.acceptance.harness import Crowd, SystemProcess, audit, readiness, sandbox_on, servers, wait_for

SESSIONS, WINDOWS = 12, 40
#: Those who are connected keep what they began with.
END_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedNats, EmbeddedPostgres]]:
    yield from servers(tmp_path_factory.mktemp("servers"))


@pytest.fixture
def host(real: tuple[EmbeddedNats, EmbeddedPostgres]) -> Iterator[Sandbox]:
    yield from sandbox_on(NatsSandboxLink(real[0].url))


@pytest.fixture
def system(tmp_path: Path, real: tuple[EmbeddedNats, EmbeddedPostgres]) -> Iterator[SystemProcess]:
    with SystemProcess(tmp_path / "system", real[0].url, real[1].dsn) as process:
        yield process


@pytest.mark.parametrize(
    ("point", "after"),
    [
        ("before-consume", 0),
        ("after-consume", 0),
        ("before-append", 0),
        ("before-append", 25),
        ("after-append", 0),
        ("after-append", 25),
        ("before-acknowledge", 20),
        ("after-acknowledge", 20),
        ("before-dispatch", 10),
        ("after-dispatch", 10),
    ],
)
def test_killed_at(
    point: str, after: int, system: SystemProcess, host: Sandbox, real: tuple[EmbeddedNats, EmbeddedPostgres]
) -> None:
    system.start(crash_at=point, after=after, wait=False)
    crowd = Crowd(host, SESSIONS, WINDOWS)
    for seq in range(WINDOWS):
        crowd.play(seq, seq + 1)
        wait_for(
            lambda: crowd.unanswered() == 0 or not system.alive(), 60, "a round is answered, or the system is dead"
        )
    assert not system.alive(), f"it never came to {point}"
    system.start()
    assert crowd.finish() == 0
    assert system.stop() == 0
    assert audit(real[1].dsn, crowd) == []
    assert crowd.carried, "no action but going on was selected: this proves nothing about carrying out"


def test_killed_again_and_again_under_load(
    system: SystemProcess, host: Sandbox, real: tuple[EmbeddedNats, EmbeddedPostgres]
) -> None:
    crowd = Crowd(host, SESSIONS, WINDOWS)
    for part in range(4):
        system.start()
        crowd.play(part * WINDOWS // 4, (part + 1) * WINDOWS // 4)
        system.kill()
    system.start()
    assert crowd.finish() == 0
    assert system.stop() == 0
    assert audit(real[1].dsn, crowd) == []


@pytest.mark.parametrize("victim", [0, 1], ids=["nats", "postgres"])
def test_a_server_is_killed_under_load(
    victim: int, system: SystemProcess, host: Sandbox, real: tuple[EmbeddedNats, EmbeddedPostgres]
) -> None:
    system.start()
    crowd = Crowd(host, SESSIONS, WINDOWS)
    crowd.play(0, WINDOWS // 2)
    real[victim].kill()
    real[victim].start()
    crowd.play(WINDOWS // 2, WINDOWS)
    assert crowd.finish() == 0
    assert system.stop() == 0
    assert audit(real[1].dsn, crowd) == []


@pytest.mark.parametrize(("victim", "name"), [(0, "the message bus"), (1, "the event log")], ids=["nats", "postgres"])
def test_while_a_server_is_away_the_system_is_not_ready_and_no_session_is_lost(
    victim: int, name: str, tmp_path: Path, host: Sandbox, real: tuple[EmbeddedNats, EmbeddedPostgres]
) -> None:
    folder = tmp_path / "system"
    with SystemProcess(folder, real[0].url, real[1].dsn, sessions__lost_after_s=2, sessions__in_flight=8) as system:
        system.start()
        url = json.loads((folder / "run.json").read_text())["metrics_url"]
        crowd = Crowd(host, SESSIONS, WINDOWS)
        crowd.play(0, WINDOWS // 2)
        wait_for(lambda: crowd.unanswered() == 0, 60, "they are answered")
        real[victim].kill()
        crowd.play(WINDOWS // 2, WINDOWS)
        since_s = time.monotonic()
        wait_for(lambda: readiness(url) == f"{name} is away", 60, "it says so")
        wait_for(lambda: time.monotonic() - since_s > 4, 60, "it lasts")
        assert system.log_path.read_text().count("models.unread") <= 3  # once for each kind of answer, not each time
        real[victim].start()
        assert crowd.finish() == 0
        wait_for(lambda: readiness(url) == "ready", 60, "it says so")
        assert system.stop() == 0
    assert audit(real[1].dsn, crowd) == []


@pytest.mark.parametrize(
    ("harm", "mend"),
    [
        (
            # One after the other: who connects before the first is committed begins with what was.
            ("ALTER DATABASE {0} SET default_transaction_read_only = on", END_OTHERS),
            "SET default_transaction_read_only = off; ALTER DATABASE {0} SET default_transaction_read_only = off",
        ),
        (("ALTER TABLE eventlog.stored_events RENAME TO away",), "ALTER TABLE eventlog.away RENAME TO stored_events"),
    ],
    ids=["read-only", "table-away"],
)
def test_a_database_that_takes_nothing_is_waited_for_and_nothing_is_buried(
    harm: tuple[str, ...], mend: str, system: SystemProcess, host: Sandbox, real: tuple[EmbeddedNats, EmbeddedPostgres]
) -> None:
    system.start()
    crowd = Crowd(host, SESSIONS, WINDOWS)
    crowd.play(0, WINDOWS // 2)
    wait_for(lambda: crowd.unanswered() == 0, 60, "they are answered")
    with psycopg.connect(real[1].dsn, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        for statement in harm:
            connection.execute(sql.SQL(statement).format(name))
        crowd.play(WINDOWS // 2, WINDOWS)
        wait_for(lambda: "log.unreachable" in system.log_path.read_text(), 60, "it is said")
        connection.execute(sql.SQL(mend).format(name))
    assert crowd.finish() == 0
    assert system.stop() == 0
    assert "unstorable" not in system.log_path.read_text()
    assert audit(real[1].dsn, crowd) == []


def test_a_database_that_is_frozen_is_away_and_keeps_nobody_from_stopping(
    tmp_path: Path, real: tuple[EmbeddedNats, EmbeddedPostgres], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "SILENT_S", 0.5)
    monkeypatch.setattr(succession, "JOIN_S", 1.0)
    monkeypatch.setattr(wiring_system, "DRAIN_S", 1.0)
    given = {"server.data_dir": str(tmp_path), "nats.url": real[0].url, "postgres.url": real[1].dsn}
    system = System(load(overrides=given | {"metrics.port": 0, "patterns.follow": False}))
    url = system.start().metrics_url
    frozen = processes_in(real[1].data_dir / "cluster", "postgres")

    def tell_all(number: signal.Signals) -> None:
        for pid in frozen:
            with contextlib.suppress(ProcessLookupError):  # one that served a connection ends with it
                os.kill(pid, number)

    try:
        tell_all(signal.SIGSTOP)
        wait_for(lambda: readiness(url) == "the event log is away", 60, "it says so")
        stopping = threading.Thread(target=system.stop, daemon=True)
        stopping.start()
        stopping.join(20)
        assert not stopping.is_alive()
    finally:
        tell_all(signal.SIGCONT)


def test_a_system_whose_writer_failed_ends_with_the_reason_and_the_next_one_loses_nothing(
    system: SystemProcess, host: Sandbox, real: tuple[EmbeddedNats, EmbeddedPostgres]
) -> None:
    system.start(crash_at="fault-append", after=5, wait=False)
    crowd = Crowd(host, SESSIONS, WINDOWS)
    for seq in range(WINDOWS // 2):  # one by one: all at once could be fewer appends
        crowd.play(seq, seq + 1)
        wait_for(lambda: crowd.unanswered() == 0 or not system.alive(), 60, "a round is answered, or it has ended")
    assert system.wait_dead(180) == 1
    assert "drlactors: the writer could not handle " in system.log_path.read_text()
    system.start()
    crowd.play(WINDOWS // 2, WINDOWS)
    assert crowd.finish() == 0
    assert system.stop() == 0
    assert audit(real[1].dsn, crowd) == []


@pytest.mark.parametrize("again", [True, False], ids=["replaced", "removed"])
def test_a_system_whose_stream_is_gone_ends_with_the_reason_and_the_next_one_loses_nothing(
    again: bool, system: SystemProcess, host: Sandbox, real: tuple[EmbeddedNats, EmbeddedPostgres]
) -> None:
    async def remove() -> None:
        client = await nats.connect(real[0].url)
        stream = client.jetstream()
        config = (await stream.stream_info("DRL_V1_SANDBOX")).config
        await stream.delete_stream("DRL_V1_SANDBOX")
        if again:
            await stream.add_stream(config)
        await client.close()

    system.start()
    crowd = Crowd(host, SESSIONS, WINDOWS)
    crowd.play(0, WINDOWS // 2)
    wait_for(lambda: crowd.unanswered() < SESSIONS * WINDOWS // 4, 60, "some windows are answered")
    asyncio.run(remove())
    assert system.wait_dead(180) == 1
    assert "drlactors: The inbound stream " in system.log_path.read_text()
    assert not system.up()
    system.start()
    crowd.play(WINDOWS // 2, WINDOWS)
    assert crowd.finish() == 0
    assert system.stop() == 0
    assert audit(real[1].dsn, crowd) == []


def test_a_session_that_a_crash_left_open_is_lost_when_it_stays_silent(
    tmp_path: Path, host: Sandbox, real: tuple[EmbeddedNats, EmbeddedPostgres]
) -> None:
    def events(stream: Stream) -> list[Event]:
        return [event for entry in log.stream(stream) for event in entry.events]

    log = PostgresEventLog(real[1].dsn, schema_dir=share("eventstore"))
    with SystemProcess(tmp_path / "system", real[0].url, real[1].dsn) as system:
        system.start()
        crowd = Crowd(host, sessions=1, windows=2)
        crowd.play(0, 2)
        wait_for(lambda: crowd.unanswered() == 0, 60, "all windows are answered")
        system.kill()
        session = Stream(Category.SESSION, crowd.sessions[0].id)
        begun, *_, last = events(session)
        assert isinstance(begun, Started)
        assert not isinstance(last, SessionLost)
    with SystemProcess(tmp_path / "system", real[0].url, real[1].dsn, sessions__lost_after_s=2) as system:
        system.start()
        wait_for(lambda: isinstance(events(session)[-1], SessionLost), 60, "it is lost")
        episode = Stream(Category.EPISODE, begun.episode)
        wait_for(lambda: EpisodeCompleted(Verdict.PARTIAL) in events(episode), 60, "its episode is partial")
        assert session not in log.open_sessions()
        assert system.stop() == 0
    log.close()


@pytest.mark.parametrize("befalls", ["postgres is killed", "nats is killed", "nats cannot write"])
def test_a_server_of_its_own_that_fails_is_started_again_and_nothing_is_lost(befalls: str, tmp_path: Path) -> None:
    with SystemProcess(tmp_path / "system", "", "") as system:
        system.start()
        addresses = running(load(files=(system.config,)).settings)
        assert addresses is not None
        postgres = int((system.folder / "postgres" / "cluster" / "postmaster.pid").read_text().split()[0])
        nats_server = int((system.folder / "nats" / "nats.pid").read_text())
        link = NatsSandboxLink(addresses.nats_url)
        host = Sandbox(link, "crowd", resend_s=1.0)
        crowd = Crowd(host, SESSIONS, WINDOWS)
        crowd.play(0, WINDOWS // 2)
        if befalls == "nats cannot write":  # as on a full disk
            _, most = resource.prlimit(nats_server, resource.RLIMIT_FSIZE)
            resource.prlimit(nats_server, resource.RLIMIT_FSIZE, (0, most))
        else:
            os.kill(nats_server if befalls == "nats is killed" else postgres, signal.SIGKILL)
        crowd.play(WINDOWS // 2, WINDOWS)
        assert crowd.finish() == 0
        host.close()
        link.close()
        assert audit(addresses.postgres_dsn, crowd) == []
        wait_for(lambda: readiness(addresses.metrics_url) == "ready", 60, "the system is ready again")
        assert system.stop() == 0
        assert "server.failed" in system.log_path.read_text()


def test_a_clean_stop_leaves_nothing_behind(
    system: SystemProcess, host: Sandbox, real: tuple[EmbeddedNats, EmbeddedPostgres]
) -> None:
    system.start()
    crowd = Crowd(host, SESSIONS, WINDOWS)
    crowd.play(0, WINDOWS)
    wait_for(lambda: crowd.unanswered() == 0, 60, "all windows are answered")
    assert system.stop() == 0
    assert not system.up()
    assert crowd.sessions
    assert audit(real[1].dsn, crowd) == []

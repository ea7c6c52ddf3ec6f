"""What was acknowledged is there, once, whatever was killed or cut in between."""

import subprocess
import sys
import threading
import time
from itertools import pairwise
from uuid import uuid4

import psycopg

from drlactors.ports.log import Append, Entry, EventLog, LogUnreachable, Stream
from drlactors.store.log import PostgresEventLog
from drlactors.testing.servers import EmbeddedPostgres
from tests.contract.store.given import SCHEMA_DIR, append, session
from tests.integration.store.dropping_proxy import APPEND, DroppingProxy

RETRY_S = 0.05
AT_WORK_S = 30.0


def everything(log: EventLog) -> list[Entry]:
    entries: list[Entry] = []
    while more := log.read(entries[-1].position if entries else 0, 1_000):
        entries += more
    return entries


def assert_streams_are_whole(entries: list[Entry]) -> None:
    """Positions grow, and in each stream every version is there once."""
    assert all(earlier.position < later.position for earlier, later in pairwise(entries))
    versions: dict[Stream, int] = {}
    for entry in entries:
        assert entry.first_version == versions.get(entry.stream, 0) + 1
        versions[entry.stream] = entry.version


def until_stored(log: EventLog, batch: list[Append], positions: dict[str, int]) -> list[int | None]:
    """What the writer does: ask again until there is an answer."""
    while True:
        try:
            return log.append(batch, positions)
        except LogUnreachable:
            time.sleep(RETRY_S)


def until_more(acknowledged: dict[int, Append]) -> None:
    """Until another append is answered: the writers are at work (again)."""
    before, until_s = len(acknowledged), time.monotonic() + AT_WORK_S
    while len(acknowledged) == before:
        assert time.monotonic() < until_s, f"nothing was stored for {AT_WORK_S} s"
        time.sleep(RETRY_S)


def test_kill_9_of_postgresql_under_load_loses_and_doubles_nothing(own_postgres: EmbeddedPostgres) -> None:
    log = PostgresEventLog(own_postgres.dsn, schema_dir=SCHEMA_DIR)
    acknowledged: dict[int, Append] = {}
    over = threading.Event()

    def write() -> None:
        streams = [session() for _ in range(20)]
        after = 0
        while not over.is_set():
            batch = [append(stream, after) for stream in streams]
            stored = until_stored(log, batch, {"telemetry": after})
            acknowledged.update({position: one for position, one in zip(stored, batch, strict=True) if position})
            assert None not in stored  # a repeat of what had been stored is recognised, never refused
            after += 2

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    try:
        for _ in range(3):
            until_more(acknowledged)
            time.sleep(0.5)
            own_postgres.kill()
            own_postgres.start()
        until_more(acknowledged)
    finally:
        over.set()
        for writer in writers:
            writer.join()
    entries = everything(log)
    log.close()
    assert_streams_are_whole(entries)
    there = {entry.position: entry for entry in entries}
    assert {position: (one.stream, one.events) for position, one in acknowledged.items()} == {
        position: (there[position].stream, there[position].events) for position in acknowledged
    }
    assert len(entries) == len(acknowledged)


def wait_alone(dsn: str) -> None:
    """Until the server has noticed that a client was killed: what that had asked for last, it finishes first."""
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    until_s = time.monotonic() + AT_WORK_S
    with psycopg.connect(dsn, autocommit=True) as connection:
        while connection.execute(others).fetchone() != (0,):
            assert time.monotonic() < until_s, "somebody is still connected"
            time.sleep(RETRY_S)


def test_kill_9_of_the_writing_process_loses_and_doubles_nothing(database: str) -> None:
    streams = [str(uuid4()) for _ in range(50)]
    command = [sys.executable, "-m", "tests.integration.store.writer", database, *streams]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(500)]
        writer.kill()
        lines += writer.stdout.read().splitlines(keepends=True)
    acknowledged = [line.split() for line in lines if line.endswith("\n")]
    wait_alone(database)
    log = PostgresEventLog(database, schema_dir=SCHEMA_DIR)
    entries = everything(log)
    remembered = log.position("telemetry")
    log.close()
    assert len(acknowledged) >= 500
    assert_streams_are_whole(entries)
    stored = {(str(entry.stream.id), str(entry.version), str(entry.position)) for entry in entries}
    assert {tuple(line) for line in acknowledged} <= stored
    assert len(entries) % 50 == 0  # a batch is whole or not there
    assert remembered == sum(entry.first_version - 1 for entry in entries[-50:])  # and its position with it


def test_a_lost_answer_to_commit_is_found_stored(database: str) -> None:
    with DroppingProxy(database, APPEND) as proxy:
        log = PostgresEventLog(proxy.dsn, schema_dir=SCHEMA_DIR)
        stream = session()
        log.append([append(stream, 0)])
        for after in range(2, 42, 2):
            batch = [append(stream, after), append(session()), append(stream, after, causation="late")]
            proxy.drop.set()
            first, second, late = log.append(batch, {"telemetry": after})
            assert None not in (first, second)
            assert late is None
        entries = everything(log)
        assert log.position("telemetry") == 40
        assert proxy.dropped == 20
        log.close()
    assert_streams_are_whole(entries)
    assert len(entries) == 41


def test_an_unreachable_log_says_so_soon_and_works_again(own_postgres: EmbeddedPostgres) -> None:
    log = PostgresEventLog(own_postgres.dsn, schema_dir=SCHEMA_DIR)
    [first] = log.append([append(session())])
    subscription = log.subscribe(0)
    batches = iter(subscription)
    assert [entry.position for entry in next(batches)] == [first]
    own_postgres.kill()
    began_s = time.monotonic()
    for ask in (lambda: log.append([append(session())]), log.head, lambda: next(batches)):
        try:
            ask()
        except LogUnreachable:
            continue
        raise AssertionError("a dead server answered")
    assert time.monotonic() - began_s < 20
    own_postgres.start()
    [second] = log.append([append(session())])
    assert [entry.position for entry in next(iter(subscription))] == [second]
    log.close()

"""How fast the event log appends and reads, beside raw COPY and the library's own recorder in the same run."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from statistics import median
from typing import TypedDict
from uuid import uuid4

import psycopg
from eventsourcing.persistence import Notification, StoredEvent
from eventsourcing.postgres import PostgresDatastore, PostgresProcessRecorder
from psycopg.conninfo import conninfo_to_dict

from drlactors.domain.action import Action
from drlactors.domain.session import ActionSelected, TelemetryRecorded
from drlactors.domain.telemetry import Telemetry, Window
from drlactors.ports.log import Append, Category, Event, Stream
from drlactors.store.log import PostgresEventLog
from drlactors.store.mapper import Mapper
from drlactors.testing.servers import EmbeddedPostgres

SCHEMA_DIR = Path(__file__).parents[2] / "eventstore"
ROUNDS = 5
#: Each measurement appends for about this long.
SPAN_S = 0.4
#: (appends a batch, windows an append): single messages, and batches of 32 windows.
SIZES = ((1, 1), (100, 1), (1_000, 1), (5_000, 1), (100, 32), (1_000, 32))
#: The library waits for ever above 1.15 MB in one call.
STOCK_MAX_BYTES = 1_000_000
WINDOW = (
    1_000,
    ("read", "write", "openat", "close", "mmap"),
    30,
    4,
    0,
    ("/etc/ld.so.cache", "/tmp/a"),
    1,
    512,
    2_048,
    ("127.0.0.1",),
)


class Measurement(TypedDict):
    name: str
    value: float  # the median of the rounds
    unit: str
    compared_with: str  # what it stands beside, with ratio and spread


def run() -> list[Measurement]:
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "postgres") as server:
        return [*codec(), *appending(server.dsn), *reading(server.dsn)]


def codec() -> Iterator[Measurement]:
    mapper = Mapper()
    for windows in (1, 32):
        [append] = appends(1, windows)
        row = mapper.row(append)
        note = Notification(
            id=1, originator_id=append.stream.id, originator_version=1, topic=row.topic, state=row.state
        )
        for name, work in (("encode", lambda: mapper.row(append)), ("decode", lambda: mapper.entry(note))):  # noqa: B023 - called at once
            costs = [1e6 / rate(work) / len(append.events) for _ in range(ROUNDS)]
            yield {
                "name": f"{name}, rows of {len(append.events)} events",
                "value": median(costs),
                "unit": "us/event",
                "compared_with": f"spread {spread(costs)}; {len(row.state)} bytes a row",
            }


def appending(dsn: str) -> Iterator[Measurement]:
    mapper = Mapper()
    for rows_each, windows in SIZES:
        prepared = [mapper.row(append) for append in appends(rows_each, windows)]
        stock_fits = sum(len(row.state) * 2 for row in prepared) < STOCK_MAX_BYTES
        with log_path(dsn) as log, raw_path(dsn) as raw, stock_path(dsn) as stock:
            paths: dict[str, Callable[[], object]] = {
                "drlactors": lambda: log.append(appends(rows_each, windows)),  # noqa: B023 - called in this turn
                "raw COPY": lambda: raw(renamed(prepared)),  # noqa: B023
            }
            if stock_fits:
                paths["stock recorder"] = lambda: stock.insert_events(renamed(prepared))  # noqa: B023
            rates: dict[str, list[float]] = {name: [] for name in paths}
            for _ in range(ROUNDS):
                for name, path in paths.items():
                    rates[name].append(rate(path) * rows_each)
        for name, measured in rates.items():
            ratios = [ours / other for ours, other in zip(rates["drlactors"], measured, strict=True)]
            yield {
                "name": f"append, {name}, {rows_each} rows of {windows} windows",
                "value": median(measured),
                "unit": "rows/s",
                "compared_with": f"{median(measured) * windows * 2:.0f} events/s, spread {spread(measured)}; "
                f"drlactors (with encoding) is {median(ratios):.2f} of it ({spread(ratios)})",
            }


def reading(dsn: str) -> Iterator[Measurement]:
    for rows_total, windows in ((20_000, 1), (1_500, 32)):
        with log_path(dsn) as log, psycopg.connect(dsn, autocommit=True) as raw:
            log.append(appends(rows_total, windows))
            first = log.head() - rows_total

            def read_log(log: PostgresEventLog = log, first: int = first) -> None:
                after = first
                while entries := log.read(after, 1_000):
                    after = entries[-1].position

            def read_raw(raw: psycopg.Connection = raw, first: int = first) -> None:
                with raw.cursor().copy(
                    b"COPY (SELECT * FROM eventlog.stored_events WHERE notification_id > %s "
                    b"ORDER BY notification_id) TO STDOUT (FORMAT BINARY)",
                    (first,),
                ) as copy:
                    for _ in copy:
                        pass

            rates: dict[str, list[float]] = {"drlactors, decoded": [], "raw COPY, bytes only": []}
            for _ in range(ROUNDS):
                rates["drlactors, decoded"].append(rate(read_log) * rows_total)
                rates["raw COPY, bytes only"].append(rate(read_raw) * rows_total)
        for name, measured in rates.items():
            yield {
                "name": f"read, {name}, rows of {windows} windows",
                "value": median(measured),
                "unit": "rows/s",
                "compared_with": f"{median(measured) * windows * 2:.0f} events/s, spread {spread(measured)}",
            }


def appends(rows: int, windows: int) -> list[Append]:
    """Each begins a session of its own: no stream is known to the log, as after a start."""
    return [Append(Stream(Category.SESSION, uuid4()), 0, _EVENTS[: windows * 2], 1, "message-1") for _ in range(rows)]


def events(windows: int) -> tuple[Event, ...]:
    found: list[Event] = []
    for seq in range(windows):
        found.append(TelemetryRecorded(Window(seq, 1_000, 1_790_000_000_000_000 + seq, Telemetry(*WINDOW))))
        values = (0.9, 0.1, -0.5, -0.25, 0.0)
        found.append(ActionSelected(seq, Action.CONTINUE, values, 19, bytes(120), "rules-1", "features-1", ("x",), 1.0))
    return tuple(found)


_EVENTS = events(32)


def renamed(rows: Sequence[StoredEvent]) -> list[StoredEvent]:
    return [StoredEvent(originator_id=uuid4(), originator_version=1, topic=row.topic, state=row.state) for row in rows]


def rate(work: Callable[[], object]) -> float:
    """How often a second, over SPAN_S."""
    began_s = time.perf_counter()
    for done in count(1):
        work()
        if (taken_s := time.perf_counter() - began_s) >= SPAN_S:
            return done / taken_s
    raise AssertionError


def spread(values: list[float]) -> str:
    return f"{min(values):.3g} to {max(values):.3g}"


@contextmanager
def log_path(dsn: str) -> Iterator[PostgresEventLog]:
    log = PostgresEventLog(dsn, schema_dir=SCHEMA_DIR)
    yield log
    log.close()


@contextmanager
def raw_path(dsn: str) -> Iterator[Callable[[list[StoredEvent]], None]]:
    """The same rows into a table of the same shape, with nothing but psycopg: no lock, no positions in return."""
    with psycopg.connect(dsn) as connection:
        connection.execute(b"CREATE TABLE IF NOT EXISTS raw (LIKE eventlog.stored_events INCLUDING ALL)")
        connection.commit()

        def copy_in(rows: list[StoredEvent]) -> None:
            statement = b"COPY raw (originator_id, originator_version, topic, state) FROM STDIN (FORMAT BINARY)"
            with connection.cursor().copy(statement) as copy:
                copy.set_types(("uuid", "int8", "text", "bytea"))
                for row in rows:
                    copy.write_row((row.originator_id, row.originator_version, row.topic, row.state))
            connection.commit()

        yield copy_in
        connection.rollback()
        connection.execute(b"DROP TABLE raw")


@contextmanager
def stock_path(dsn: str) -> Iterator[PostgresProcessRecorder]:
    given = conninfo_to_dict(dsn)
    store = PostgresDatastore(
        dbname=str(given["dbname"]),
        host=str(given["host"]),
        port=str(given["port"]),
        user=str(given["user"]),
        password=str(given["password"]),
    )
    recorder = PostgresProcessRecorder(store, events_table_name="stock_events", tracking_table_name="stock_tracking")
    recorder.create_table()
    yield recorder
    store.close()


if __name__ == "__main__":
    for measurement in run():
        value = f"{measurement['value']:10.4g} {measurement['unit']}"
        print(f"{measurement['name']:52}{value}; {measurement['compared_with']}")

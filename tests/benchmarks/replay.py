"""How fast recorded decisions become experiences in the replay buffer, from PostgreSQL and from Parquet.

Beside each stands the plain way to the same arrays: a table with a row for each decision, read with the library's own
defaults. All end in the same projection and the same buffer.
"""

import gc
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple
from uuid import uuid4

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

from drlactors.domain.action import Action
from drlactors.domain.reward import Weights
from drlactors.domain.session import ActionSelected, Ended, EndReason, Event, Outcome, OutcomeReported
from drlactors.learner.projection import experiences
from drlactors.learner.replay_buffer import ReplayBuffer
from drlactors.ports.decisions import Decisions, Recorded
from drlactors.ports.log import Append, Category, Stream
from drlactors.store.archive import Archive
from drlactors.store.archive_writer import write
from drlactors.store.connections import Connections
from drlactors.store.experiences import PostgresDecisions
from drlactors.store.log import PostgresEventLog
from drlactors.store.recorder import CopyRecorder
from drlactors.testing.given import started
from drlactors.testing.servers import EmbeddedPostgres
from tests.benchmarks.event_store import SCHEMA_DIR, Measurement, spread
from tests.contract.store.given import recorded as seen

SESSIONS, WINDOWS, FEATURES = 1_000, 200, 30
ROUNDS = 7
#: The plain ways read every tenth session: they take tens of microseconds a row.
PLAIN_SHARE = 10
SCHEMA = "f1-30-benchmark"
WEIGHTS = Weights(
    right_verdict=1.0,
    wrong_verdict=1.0,
    missed=1.0,
    released=0.2,
    second=0.01,
    damage=0.05,
    isolation_hinders=0.3,
    disturbance=0.05,
    review=0.1,
    failed_action=0.05,
)


class Way(NamedTuple):
    name: str
    read: Callable[[], Recorded]
    beside: str  # the way that it is to be compared with


def run() -> list[Measurement]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        dsn = stack.enter_context(EmbeddedPostgres(folder / "postgres")).dsn
        log = stack.enter_context(closing(PostgresEventLog(dsn, schema_dir=SCHEMA_DIR)))
        fill(log)
        decisions = stack.enter_context(closing(PostgresDecisions(dsn, log)))
        following = timed("follow the log into blocks", decisions.catch_up)
        rows = CopyRecorder(stack.enter_context(closing(Connections(dsn))))
        archiving = timed("write the archive", lambda: write(folder / "archive", rows, decisions))
        archive = Archive(folder / "archive")
        every_tenth = tenth(decisions.recorded(SCHEMA))
        plain_table(dsn, every_tenth.decisions)
        plain_file(folder / "plain.parquet", every_tenth.decisions)
        ways = [
            Way("PostgreSQL", lambda: decisions.recorded(SCHEMA), "PostgreSQL, rows fetched by psycopg"),
            Way("PostgreSQL, rows fetched by psycopg", lambda: from_plain_table(dsn, every_tenth), ""),
            Way("Parquet", lambda: Archive(archive.folder).recorded(SCHEMA), "Parquet, rows listed by PyArrow"),
            Way("Parquet, rows listed by PyArrow", lambda: from_plain_file(folder / "plain.parquet", every_tenth), ""),
        ]
        return [
            *compared(ways),
            *(memory(way) for way in ways if way.beside),
            following,
            archiving,
        ]


def compared(ways: Sequence[Way]) -> Iterator[Measurement]:
    """All ways in turn, again and again: what the machine does meanwhile meets each of them."""
    rates: dict[str, list[float]] = {way.name: [] for way in ways}
    reading: dict[str, list[float]] = {way.name: [] for way in ways}
    worked: dict[str, list[float]] = {way.name: [] for way in ways}
    buffer = ReplayBuffer(FEATURES, seed=0, capacity=SESSIONS * WINDOWS)
    for round_ in range(ROUNDS + 1):
        for way in ways:
            gc.collect()
            began_s, began_cpu_s = time.perf_counter(), time.process_time()
            recorded = way.read()
            read_s = time.perf_counter()
            learned = experiences(recorded, weights=WEIGHTS, gamma=0.99)
            buffer.extend(learned)
            done_s, done_cpu_s = time.perf_counter(), time.process_time()
            if round_:  # the first warms caches up
                rates[way.name].append(len(learned.a_tm1) / (done_s - began_s))
                reading[way.name].append(len(learned.a_tm1) / (read_s - began_s))
                worked[way.name].append(len(learned.a_tm1) / (done_cpu_s - began_cpu_s))
    for way in ways:
        measured = rates[way.name]
        beside = [ours / other for ours, other in zip(measured, rates[way.beside or way.name], strict=True)]
        yield {
            "name": f"{way.name}, into the buffer",
            "value": median(measured),
            "unit": "experiences/s",
            "compared_with": f"spread {spread(measured)}; reading alone {median(reading[way.name]):.3g}; "
            f"{median(worked[way.name]):.3g} a second of our CPU time"
            + (f"; {median(beside):.0f} times {way.beside} ({spread(beside)})" if way.beside else ""),
        }


def memory(way: Way) -> Measurement:
    """What is held at the peak, the finished experiences included."""
    pool = pa.default_memory_pool()
    pool.release_unused()
    before = pool.bytes_allocated()
    tracemalloc.start()
    learned = experiences(way.read(), weights=WEIGHTS, gamma=0.99)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    arrays = sum(column.nbytes for column in learned)
    arrow = (pool.max_memory() or 0) - before if way.name == "Parquet" else 0
    count = len(learned.a_tm1)
    return {
        "name": f"{way.name}, peak memory",
        "value": (peak + arrow) / count,
        "unit": "bytes/experience",
        "compared_with": f"{arrays / count:.0f} are the arrays that are made",
    }


def timed(name: str, work: Callable[[], object]) -> Measurement:
    began_s = time.perf_counter()
    work()
    taken_s = time.perf_counter() - began_s
    return {
        "name": name,
        "value": SESSIONS * WINDOWS / taken_s,
        "unit": "windows/s",
        "compared_with": "once; telemetry of 950 bytes a window is decoded" if "follow" in name else "once",
    }


def fill(log: PostgresEventLog) -> None:
    """Sessions that run at the same time, a row for each window: as a live system leaves them."""
    random = np.random.default_rng(0)
    streams = [Stream(Category.SESSION, uuid4()) for _ in range(SESSIONS)]
    log.append([Append(stream, 0, (started(),), 1, "start") for stream in streams])
    for seq in range(WINDOWS):
        states = random.random((SESSIONS, FEATURES), dtype=np.float32) * (random.random((SESSIONS, FEATURES)) < 0.4)
        chosen = random.choice([Action.CONTINUE, Action.ISOLATE, Action.REVIEW], SESSIONS, p=[0.97, 0.02, 0.01])
        telemetry = seen(seq)
        log.append(
            [
                Append(stream, 1 + 2 * seq, (telemetry, decided(seq, Action(action), state.astype("<f4"))), 1, "window")
                for stream, action, state in zip(streams, chosen.tolist(), states, strict=True)
            ]
        )
    outcomes = (Outcome.BENIGN, Outcome.MALICIOUS)
    for number, stream in enumerate(streams):
        ends: tuple[Event, ...] = OutcomeReported(outcomes[number % 2], ""), Ended(EndReason.FINISHED)
        log.append([Append(stream, 1 + 2 * WINDOWS, ends, 1, "end")])


def decided(seq: int, action: Action, state: np.ndarray) -> ActionSelected:
    values = (0.9, 0.1, -0.5, -0.25, 0.0)
    return ActionSelected(seq, action, values, 0b10011, state.tobytes(), "rules-1", SCHEMA, ("syscall_rate",), 1.0)


def tenth(recorded: Recorded) -> Recorded:
    chosen = np.isin(recorded.decisions.session, recorded.sessions.number[::PLAIN_SHARE])
    return recorded._replace(decisions=Decisions._make(column[chosen] for column in recorded.decisions))


def plain_table(dsn: str, decisions: Decisions) -> None:
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor:
        cursor.execute(
            b"CREATE TABLE plain (position bigint, session bigint, seq bigint, elapsed_ms bigint, propensity real, "
            b"policy integer, isolation integer, action smallint, mask smallint, state real[])"
        )
        with cursor.copy(b"COPY plain FROM STDIN") as copy:
            for row in zip(*(column.tolist() for column in decisions), strict=True):
                copy.write_row(row)


def from_plain_table(dsn: str, like: Recorded) -> Recorded:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(b"SELECT * FROM plain ORDER BY position").fetchall()
    return like._replace(decisions=from_lists(zip(*rows, strict=True), like.decisions))


def plain_file(path: Path, decisions: Decisions) -> None:
    pq.write_table(pa.table({name: column.tolist() for name, column in decisions._asdict().items()}), path)


def from_plain_file(path: Path, like: Recorded) -> Recorded:
    rows = pq.read_table(path).to_pylist()
    return like._replace(decisions=from_lists(([row[name] for row in rows] for name in rows[0]), like.decisions))


def from_lists(columns: Iterable[Any], like: Decisions) -> Decisions:
    kinds = [column.dtype for column in like]
    return Decisions._make(np.array(column, dtype=kind) for column, kind in zip(columns, kinds, strict=True))


if __name__ == "__main__":
    for measurement in run():
        value = f"{measurement['value']:12.6g} {measurement['unit']}"
        print(f"{measurement['name']:52}{value}; {measurement['compared_with']}")

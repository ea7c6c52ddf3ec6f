"""How fast attack patterns are written and found, how many of the nearest are found, and what filters do to both.

1,000,000 patterns, or as many as the variable DRLACTORS_BENCH_ROWS says, in the embedded PostgreSQL. Their state
vectors are those of the recordings' windows, each a little moved: about as spread and as crowded as real ones. What a
pattern looks like follows from its recording, as it does in life: of the nearest to a miner's window most are miners',
and who asks for another type asks for what is far.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypedDict
from uuid import UUID

import numpy as np
import psycopg

from drlactors.domain import features
from drlactors.domain.action import Action
from drlactors.domain.attack import AttackType, Recognised
from drlactors.domain.features import FeatureSchema
from drlactors.domain.ids import EpisodeId, SessionId
from drlactors.domain.pattern import AttackPattern, Truth
from drlactors.domain.session import DECIDER, Artifact, TelemetryRecorded
from drlactors.patterns.columns import COLUMN_NAMES, row_of
from drlactors.patterns.postgres import PostgresPatterns
from drlactors.patterns.queries import index_of
from drlactors.ports.patterns import Change, Near, Query
from drlactors.sandboxes.recording import recordings
from drlactors.testing.given import started
from drlactors.testing.servers import EmbeddedPostgres
from drlactors.wiring.patterns import prepare

ROWS = int(os.environ.get("DRLACTORS_BENCH_ROWS", "1_000_000"))
WRITES, QUERIES, NEAREST, CPU_TIMES = 1_000, 300, 10, 200
#: Of issue and specification, as percentiles 99: a write, the nearest of all; any question.
WRITE_MS, NEAREST_MS, QUESTION_MS, RECALL = 10.0, 20.0, 50.0, 0.95
BOTH = "of client and server together: what it takes at least where nothing else runs, but for the disk"
SECOND_US = 1_000_000
#: Of each coordinate of a state vector, from one pattern to another of the same window.
MOVED = 0.02
_KINDS = tuple(kind for kind in AttackType if kind is not AttackType.NONE)
SCHEMA = FeatureSchema()


class Measurement(TypedDict):
    name: str
    value: float
    unit: str
    compared_with: str


class Windows(NamedTuple):
    """What the recordings show."""

    vectors: features.Vectors  # (n, 30)
    kind: list[AttackType]  # (n,): each family has one; ordinary programs none


class Population:
    """Patterns, drawn one after the other; the same ones for the same seed."""

    def __init__(self, windows: Windows, rows: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        self.base = random.integers(0, len(windows.vectors), rows)
        moved = windows.vectors[self.base] + random.normal(0, MOVED, (rows, windows.vectors.shape[1]))
        self.vectors = np.clip(moved, 0, 1).astype("<f4")
        self.kind = [windows.kind[base] for base in self.base]
        self._seed = seed

    def pattern(self, number: int) -> AttackPattern:
        kind = self.kind[number]
        bad = kind is not AttackType.NONE
        decided_us = (1 + number) * SECOND_US
        ran_us = number * 7_919 % len(self.kind) * SECOND_US  # in another order
        return AttackPattern(
            session=SessionId(UUID(int=(self._seed << 64) + number)),
            episode=EpisodeId(UUID(int=number)),
            stage=1,
            sandbox=f"sandbox-{number % 10}",
            artifact=Artifact(f"{number % 200_000:064x}", "elf"),
            seq=number % 400,
            state_vector=self.vectors[number].tobytes(),
            schema=SCHEMA.id,
            action=Action.TERMINATE if bad else Action.CONTINUE,
            policy="ab" * 32,
            leaning=(number % 100) / 100,
            reward=1.0,
            attack=Recognised(kind, ("T1055.003", "T1486") if bad else (), ("rule",) if bad else ()),
            truth=Truth.MALICIOUS if bad else Truth.BENIGN,
            confidence=0.5,
            started_us=decided_us,
            decided_us=decided_us,
            ended_us=decided_us,
            first_seen_us=ran_us,
            last_seen_us=ran_us,
        )


def run() -> list[Measurement]:
    windows = recorded_windows()
    many = Population(windows, ROWS, seed=1)
    with tempfile.TemporaryDirectory() as folder:
        with EmbeddedPostgres(Path(folder) / "postgres") as server:
            prepare(server.dsn)
            running = list(loading(server.dsn, many))
            with closing(PostgresPatterns(server.dsn)) as store:
                running += first(store, windows, "after the index was made", seed=5)
                running += finding(store, server.dsn, windows, many)
                running += writing(store, server.dsn, windows)
        with EmbeddedPostgres(Path(folder) / "postgres") as server, closing(PostgresPatterns(server.dsn)) as store:
            return [*running, *first(store, windows, "after a restart", seed=6)]


def recorded_windows() -> Windows:
    vectors, kinds = [], list[AttackType]()
    families = sorted({each.family for each in recordings() if each.malicious})
    for recording in recordings():
        state = DECIDER.evolve(DECIDER.initial, started())
        rows = []
        for window in recording.windows:
            state = DECIDER.evolve(state, TelemetryRecorded(window))
            rows.append(features.row(state, window))
        vectors.append(SCHEMA.vectors(rows))
        kind = _KINDS[families.index(recording.family) % len(_KINDS)] if recording.malicious else AttackType.NONE
        kinds += [kind] * len(rows)
    return Windows(np.concatenate(vectors), kinds)


def loading(dsn: str, many: Population) -> Iterator[Measurement]:
    """All at once, and the index of nearness behind it: how a site that already has a log would begin."""
    columns = ", ".join(COLUMN_NAMES)
    with psycopg.connect(dsn, autocommit=True) as connection:
        began_s = time.perf_counter()
        with (
            connection.cursor() as cursor,
            cursor.copy(f"COPY patterns.attack_patterns ({columns}) FROM STDIN".encode()) as copy,
        ):
            for number in range(len(many.vectors)):
                copy.write_row(row_of(many.pattern(number), number + 1))
        copied_s = time.perf_counter() - began_s
        connection.execute("INSERT INTO patterns.outcomes VALUES ('', 0, 0, 0)")
        connection.execute(
            "UPDATE patterns.progress SET revision = %s, position = %s", (PostgresPatterns.REVISION, len(many.vectors))
        )
        connection.execute("SET maintenance_work_mem = '1500MB'; SET max_parallel_maintenance_workers = 1")
        began_s = time.perf_counter()
        connection.execute(index_of(SCHEMA.id, many.vectors.shape[1]))
        built_s = time.perf_counter() - began_s
        connection.execute("VACUUM ANALYZE patterns.attack_patterns")
        sizes = connection.execute(
            "SELECT pg_table_size('patterns.attack_patterns'), sum(pg_relation_size(indexrelid)) "
            "FROM pg_index WHERE indrelid = 'patterns.attack_patterns'::regclass"
        ).fetchall()[0]
    yield figure("patterns", len(many.vectors), "", f"{len(np.unique(many.base)):,} different windows of recordings")
    yield figure("copied", len(many.vectors) / copied_s, "1/s", "with every index but that of nearness")
    yield figure("index of nearness built", built_s, "s", "over all of them at once")
    yield figure("table", sizes[0] / 1e6, "MB", f"its indexes {float(sizes[1]) / 1e6:,.0f} MB")


def first(store: PostgresPatterns, windows: Windows, when: str, seed: int) -> Iterator[Measurement]:
    """How much of the index the server has in memory shows in the tail."""
    wanted = [Query(near=Near(each.tobytes(), SCHEMA.id)) for each in Population(windows, QUERIES, seed).vectors]
    taken_s = [timed(partial(store.page, query, limit=NEAREST), 1)[0] for query in wanted]
    yield from spread(f"nearest, the first {QUERIES} {when}", taken_s, f"the very first {taken_s[0] * 1000:.0f} ms")


def writing(store: PostgresPatterns, dsn: str, windows: Windows) -> Iterator[Measurement]:
    """As it happens: one session ends, one pattern is written, in a transaction that is on disk."""
    fresh = Population(windows, 2 * WRITES, seed=2)
    position, taken_s, plain_s = store.position(), list[float](), list[float]()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE plain (number bigserial PRIMARY KEY, content bytea)")
        plain = partial(connection.execute, "INSERT INTO plain (content) VALUES (%s)", (bytes(600),))
        for number in range(WRITES):
            change = Change(position + 1, fresh.pattern(number).session, fresh.pattern(number))
            taken_s += timed(partial(store.store, [change], after=position), 1)
            plain_s += timed(plain, 1)
            position += 1
    yield from spread("commit of one plain row", plain_s, "in alternation with the next: what disk and machine take")
    yield from spread("write of one pattern", taken_s, "every index in place, fsync on", to_reach_ms=WRITE_MS)
    spent_s, batch = cpu_s(dsn), Population(windows, CPU_TIMES, seed=4)
    for number in range(CPU_TIMES):
        change = Change(position + 1, batch.pattern(number).session, batch.pattern(number))
        assert store.store([change], after=position)
        position += 1
    yield figure("write of one pattern: CPU", (cpu_s(dsn) - spent_s) / CPU_TIMES * 1000, "ms", BOTH)
    taken_s.clear()
    for number in range(0, WRITES, 2):
        corrected = fresh.pattern(number)._replace(truth=None, reward=None)
        began_s = time.perf_counter()
        assert store.store([Change(position + 1, corrected.session, corrected)], after=position)
        taken_s.append(time.perf_counter() - began_s)
        position += 1
    yield from spread("correction of one pattern", taken_s, "touches no index")
    began_s = time.perf_counter()
    for first in range(WRITES, 2 * WRITES, 250):
        many = [
            Change(position + 1 + index, fresh.pattern(first + index).session, fresh.pattern(first + index))
            for index in range(250)
        ]
        assert store.store(many, after=position)
        position += 250
    yield figure("written in batches of 250", WRITES / (time.perf_counter() - began_s), "1/s", "as a queue is emptied")


class Filter(NamedTuple):
    name: str
    query: Query
    holds: np.ndarray


def filters(many: Population) -> Iterator[Filter]:
    rows = len(many.vectors)
    kinds = np.array([kind.value for kind in many.kind])
    everywhere, number = np.ones(rows, dtype=bool), np.arange(rows)
    counted = sorted((int(np.sum(kinds == kind.value)), kind) for kind in set(many.kind))
    rare, frequent = counted[0][1], counted[-1][1]
    yield Filter("nearest", Query(), everywhere)
    for kind in (frequent, rare):
        yield Filter(f"nearest of type {kind}", Query(attack=kind), kinds == kind.value)
    for share in (0.1, 0.01, 0.001):
        newest = number >= rows * (1 - share)
        since_us = int((1 + rows * (1 - share)) * SECOND_US)
        yield Filter(f"nearest of the newest {share:.1%}", Query(since_us=since_us), newest)
        yield Filter(
            f"nearest of type {frequent} of the newest {share:.1%}",
            Query(attack=frequent, since_us=since_us),
            newest & (kinds == frequent.value),
        )
    yield Filter("nearest of one artifact", Query(artifact=f"{7:064x}"), number % 200_000 == 7)


def finding(store: PostgresPatterns, dsn: str, windows: Windows, many: Population) -> Iterator[Measurement]:
    wanted = Population(windows, QUERIES, seed=3).vectors
    for name, conditions, holds in filters(many):
        asked_of = wanted[: QUERIES if holds.all() else QUERIES // 3]
        taken_s, plain_s, found = list[float](), list[float](), list[list[float]]()
        for vector in asked_of:
            query = conditions._replace(near=Near(vector.tobytes(), SCHEMA.id))
            began_s = time.perf_counter()
            page = store.page(query, limit=NEAREST)
            taken_s.append(time.perf_counter() - began_s)
            plain_s += timed(store.position, 1)
            found.append([each.distance or 0.0 for each in page.found])
        # Behind all questions: a look through 240 MB between two of them made the second one's tail, not the store's.
        candidates = many.vectors[holds]
        recalls = [recall(distances, vector, candidates) for distances, vector in zip(found, asked_of, strict=True)]
        beside = f"{holds.mean():.2%} of all; in alternation, the smallest question: {percentiles(plain_s)}"
        yield from spread(name, taken_s, beside, to_reach_ms=NEAREST_MS if holds.all() else QUESTION_MS)
        found_share = float(np.mean(recalls))
        verdict = f"to reach: {RECALL}, {'reached' if found_share >= RECALL else 'not reached'}"
        yield figure(f"{name}: recall", found_share, "", f"least {min(recalls):.2f}, over {len(recalls)}; {verdict}")
    spent_s = cpu_s(dsn)
    for vector in wanted[:CPU_TIMES]:
        store.page(Query(near=Near(vector.tobytes(), SCHEMA.id)), limit=NEAREST)
    yield figure("nearest: CPU", (cpu_s(dsn) - spent_s) / CPU_TIMES * 1000, "ms", BOTH)
    near = Near(wanted[0].tobytes(), SCHEMA.id)
    yield from spread("exact search in PostgreSQL", exact_s(dsn, wanted[:5]), "the same question without the index")
    page = store.page(Query(near=near), limit=100)
    second = partial(store.page, Query(near=near), limit=100, after=page.after)
    yield from spread("page 2 of the nearest, 100 each", timed(second, 50), "")
    asked = {
        "newest 100": Query(),
        "newest 100 of a type": Query(attack=AttackType.NONE),
        "newest 100 with a technique": Query(technique="T1055"),
        "all of one artifact": Query(artifact=f"{7:064x}"),
        "newest 100 of a sandbox, type and time": Query(
            sandbox="sandbox-3", attack=AttackType.NONE, until_us=len(many.vectors) // 2 * SECOND_US
        ),
    }
    for name, query in asked.items():
        yield from spread(name, timed(partial(store.page, query, limit=100), 100), "")


def cpu_s(dsn: str) -> float:
    """What this process and the server's have spent on all connections so far: the same on a busy machine."""
    with psycopg.connect(dsn) as connection:
        backends = connection.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'")
        spent = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13] for (pid,) in backends]
    ticks = sum(int(user) + int(system) for user, system in spent)
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def recall(distances: Sequence[float], vector: np.ndarray, candidates: np.ndarray) -> float:
    """The share of the true nearest that were found; of equally distant ones any will do."""
    true = np.sort(np.sqrt(np.sum((candidates - vector) ** 2, axis=1, dtype=np.float64)))[:NEAREST]
    return sum(bool(distance <= true[-1] + 1e-6) for distance in distances) / len(true)


def exact_s(dsn: str, wanted: np.ndarray) -> list[float]:
    with psycopg.connect(dsn) as connection:
        connection.execute("SET enable_indexscan = off")
        asked = (
            "SELECT session FROM patterns.attack_patterns WHERE schema = %s "
            "ORDER BY features::vector(30) <-> %s::vector LIMIT 10"
        )
        ask = [partial(connection.execute, asked, (SCHEMA.id, str(vector.tolist()))) for vector in wanted]
        return [timed(each, 1)[0] for each in ask]


def timed(ask: Callable[[], object], times: int) -> list[float]:
    taken_s = []
    for _ in range(times):
        began_s = time.perf_counter()
        ask()
        taken_s.append(time.perf_counter() - began_s)
    return taken_s


def spread(
    name: str, taken_s: Sequence[float], compared_with: str, to_reach_ms: float | None = None
) -> Iterator[Measurement]:
    p99 = float(np.quantile(taken_s, 0.99)) * 1000
    said = [f"{percentiles(taken_s)} over {len(taken_s)}", compared_with]
    if to_reach_ms is not None:
        said.append(f"to reach: below {to_reach_ms:.0f} ms, {'reached' if p99 < to_reach_ms else 'not reached'}")
    yield figure(f"{name}: p99", p99, "ms", "; ".join(filter(None, said)))


def percentiles(taken_s: Sequence[float]) -> str:
    p50, p90, p99 = np.quantile(taken_s, [0.5, 0.9, 0.99]) * 1000
    return f"p50 {p50:.2f}, p90 {p90:.2f}, p99 {p99:.2f} ms"


def figure(name: str, value: float, unit: str, compared_with: str) -> Measurement:
    return Measurement(name=name, value=value, unit=unit, compared_with=compared_with)

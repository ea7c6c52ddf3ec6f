"""The fast line on real servers: windows/s and latency from publish to action, beside the raw limit, in one run.

Everything (NATS, PostgreSQL with fsync on, the system, the load) shares this machine. Sustained rates are closed loop:
as fast as answers come with a bounded number of windows in flight. Latency is measured open loop at a fixed rate. On a
machine that does other things as well, what a window costs each process in CPU says more than either.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from drlactors.testing.servers import EmbeddedNats, EmbeddedPostgres
from tests.acceptance.harness import SystemProcess, cpu_s, resident_mb, wait_for

HERE = Path(__file__).parent
ROUNDS = 3  # of system and raw limit in alternation
SECONDS = 6.0  # of each load
RATE = 1000  # windows/s at which latency is measured
#: The messages of a session go one after the other, each when the one before is stored: a single one carries no more.
RATE_OF_ONE = 100
#: Less CPU than this in a second is taken for rest, which comes within so many.
REST, MOST_REST_S = 0.1, 60


class Load(NamedTuple):
    sessions: int
    batch: int  # windows in a message
    in_flight: int  # windows

    def __str__(self) -> str:
        sessions = "1 session" if self.sessions == 1 else f"{self.sessions} sessions"
        return f"{sessions}, {'single messages' if self.batch == 1 else f'batches of {self.batch}'}"


LOADS = (
    Load(1, 1, 256),
    Load(100, 1, 1000),
    Load(1000, 1, 2000),
    Load(5000, 1, 5000),
    Load(1, 32, 2048),
    Load(100, 32, 8192),
    Load(1000, 32, 16384),
    Load(5000, 32, 32768),
)
#: By windows in a message: what 1,000 sessions are to sustain.
TARGETS = {1: 8000, 32: 30_000}


def run() -> list[dict[str, Any]]:
    """Takes about seven minutes."""
    rows: list[dict[str, Any]] = []
    sustained: dict[tuple[int, int], float] = {}
    for one in LOADS:
        compared = one.sessions == 1000
        found = measured(one, ROUNDS if compared else 1, beside_raw=compared)
        sustained[one.sessions, one.batch] = found[0]["value"]
        rows += found
    for batch, name in ((1, "single messages"), (32, "batches of 32")):
        of_100 = sustained[5000, batch] / sustained[100, batch]
        rows.append(row(f"{name}: rate of 5000 sessions", of_100, "of 100", "at least 0.33"))
    return rows


def measured(one: Load, rounds: int, *, beside_raw: bool) -> list[dict[str, Any]]:
    """The figures of one load; the first is the rate that is sustained."""
    ours, raw, memory_mb, timed = [], [], 0.0, {}
    for turn in range(rounds):
        with system() as running:
            if turn == 0:
                rate = RATE_OF_ONE if one.sessions == one.batch == 1 else RATE
                timed = load(running, one, rate)
            ours.append(load(running, one))
            memory_mb = max(memory_mb, resident_mb(running.pid))
        if beside_raw:
            with raw_limit(one.batch) as running:
                raw.append(load(running, one))
    rates = [told["windows_per_s"] for told in ours]
    target = f"at least {TARGETS[one.batch]}, " if beside_raw else ""
    rows = [row(f"{one}: sustained", statistics.median(rates), "windows/s", target + spread(rates))]
    if raw:
        limits = [told["windows_per_s"] for told in raw]
        ratios = [mine / limit for mine, limit in zip(rates, limits, strict=True)]
        rows.append(row(f"{one}: raw limit", statistics.median(limits), "windows/s", spread(limits)))
        rows.append(
            row(f"{one}: of the raw limit", statistics.median(ratios), "ratio", "at least 0.5, " + spread(ratios))
        )
    for name, costs in (("serving", ours), ("raw limit", raw)):
        for part in ("plane", "nats", "postgres", "load"):
            cpu_us = [1e6 * told["cpu_s"][part] / told["answered"] for told in costs]
            if cpu_us:
                rows.append(row(f"{one}: CPU of {part}, {name}", statistics.median(cpu_us), "us/window", ""))
    rows.append(row(f"{one}: p50", timed["p50_ms"], "ms", f"at {rate} windows/s"))
    limit = ", at most 10" if one.batch == 1 and rate == RATE else ""
    rows.append(row(f"{one}: p99", timed["p99_ms"], "ms", f"at {rate} windows/s{limit}"))
    rows.append(row(f"{one}: serving memory", memory_mb, "MB", "at most 500"))
    lost = sum(told["sent"] - told["answered"] for told in (*ours, timed))
    rows.append(row(f"{one}: windows without an answer", lost, "windows", "0"))
    return rows


def row(name: str, value: float, unit: str, compared_with: str) -> dict[str, Any]:
    return {"name": name, "value": round(value, 3), "unit": unit, "compared_with": compared_with}


def spread(values: list[float]) -> str:
    return f"{min(values):.4g} to {max(values):.4g} in {len(values)} rounds"


class Running(NamedTuple):
    """Whom the load is for."""

    url: str
    pid: int
    nats_pid: int
    postgres_pid: int

    def cpu_s(self) -> dict[str, float]:
        """What each has used since it began."""
        return {"plane": cpu_s(self.pid), "nats": cpu_s(self.nats_pid), "postgres": cpu_s(self.postgres_pid)}


@contextmanager
def servers() -> Iterator[tuple[EmbeddedNats, EmbeddedPostgres, Path]]:
    with tempfile.TemporaryDirectory(prefix="drlactors-bench-") as name:
        folder = Path(name)
        with EmbeddedNats(folder / "nats") as nats, EmbeddedPostgres(folder / "postgres") as postgres:
            yield nats, postgres, folder


@contextmanager
def system() -> Iterator[Running]:
    with servers() as (nats, postgres, folder), SystemProcess(folder / "system", nats.url, postgres.dsn) as process:
        process.start()
        yield Running(nats.url, process.pid, nats.pid or 0, postgres.pid or 0)
        assert process.stop() == 0


@contextmanager
def raw_limit(batch: int) -> Iterator[Running]:
    with servers() as (nats, postgres, folder):
        ready = folder / "ready"
        command = [sys.executable, str(HERE / "raw_line.py"), nats.url, postgres.dsn, str(batch), str(ready)]
        with subprocess.Popen(command, env=environment()) as process:
            wait_for(ready.exists, 30, "the raw limit consumes")
            yield Running(nats.url, process.pid, nats.pid or 0, postgres.pid or 0)
            process.send_signal(signal.SIGTERM)


def load(on: Running, one: Load, rate: float = 0, seconds: float = SECONDS) -> dict[str, Any]:
    """What load.py says, and ``cpu_s`` by process."""
    given = (on.url, one.sessions, one.batch, rate, seconds, one.in_flight)
    command = [sys.executable, str(HERE / "load.py"), *map(str, given)]
    before = at_rest(on)
    told = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    after = on.cpu_s()
    answer: dict[str, Any] = json.loads(told.stdout)
    return answer | {"cpu_s": {"load": answer["cpu_s"], **{part: after[part] - before[part] for part in after}}}


def at_rest(on: Running) -> dict[str, float]:
    """``cpu_s``, once hardly anything works: a start, and patterns of the sessions before, are no part of a load."""
    before = on.cpu_s()
    for _ in range(MOST_REST_S):
        time.sleep(1.0)
        after = on.cpu_s()
        if sum(after.values()) - sum(before.values()) < REST:
            return after
        before = after
    raise RuntimeError(f"it still works after {MOST_REST_S} s without a load")


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(HERE.parent.parent)}

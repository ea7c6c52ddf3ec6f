"""The fast line on real servers: windows/s and latency from publish to action, beside the raw limit, in one run.

Everything (NATS, PostgreSQL with fsync, the system, the load) shares this machine. Sustained rates are closed loop: as
fast as answers come with a bounded number of windows in flight. Latency is measured open loop at a fixed rate.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from drlactors.testing.servers import EmbeddedNats, EmbeddedPostgres
from tests.acceptance.harness import SystemProcess, resident_mb, wait_for

HERE = Path(__file__).parent
ROUNDS = 3  # of system and raw limit in alternation
SECONDS = 8.0
#: Sessions, windows in a message, windows in flight.
LOADS = (
    (1, 1, 256),
    (100, 1, 1000),
    (1000, 1, 2000),
    (5000, 1, 5000),
    (1, 32, 2048),
    (100, 32, 8192),
    (1000, 32, 16384),
    (5000, 32, 32768),
)
COMPARED = ((1000, 1, 2000), (1000, 32, 16384))


def run() -> list[dict[str, Any]]:
    """The table of the README; takes about six minutes."""
    rows: list[dict[str, Any]] = []
    sustained: dict[tuple[int, int], float] = {}
    for sessions, batch, in_flight in LOADS:
        rounds = ROUNDS if (sessions, batch, in_flight) in COMPARED else 1
        ours, raw, memory_mb = [], [], 0.0
        for _ in range(rounds):
            with system() as (url, pid):
                ours.append(load(url, sessions, batch, 0, in_flight))
                memory_mb = max(memory_mb, resident_mb(pid))
            if rounds > 1:
                with raw_limit(batch) as url:
                    raw.append(load(url, sessions, batch, 0, in_flight))
        name = f"{sessions} sessions, {'single messages' if batch == 1 else f'batches of {batch}'}"
        rates = [one["windows_per_s"] for one in ours]
        sustained[sessions, batch] = statistics.median(rates)
        rows.append(row(f"{name}: sustained", sustained[sessions, batch], "windows/s", spread(rates)))
        rows.append(row(f"{name}: serving memory", memory_mb, "MB", "limit 500"))
        if raw:
            limits = [one["windows_per_s"] for one in raw]
            rows.append(row(f"{name}: raw limit", statistics.median(limits), "windows/s", spread(limits)))
            ratios = [mine / limit for mine, limit in zip(rates, limits, strict=True)]
            rows.append(row(f"{name}: of the raw limit", statistics.median(ratios), "ratio", spread(ratios)))
        lost = sum(one["sent"] - min(one["sent"], one["answered"]) for one in ours)
        rows.append(row(f"{name}: windows without an answer", lost, "windows", "0"))
    for batch, name in ((1, "single messages"), (32, "batches of 32")):
        rows.append(
            row(f"{name}: rate of 5000 sessions", sustained[5000, batch] / sustained[100, batch], "ratio", "of 100")
        )
    for sessions, rate in ((100, 1000), (1000, 1000), (5000, 1000)):
        with system() as (url, _):
            told = load(url, sessions, 1, rate, 0)
        rows.append(row(f"{sessions} sessions at {rate}/s: p50", told["p50_ms"], "ms", ""))
        rows.append(row(f"{sessions} sessions at {rate}/s: p99", told["p99_ms"], "ms", "limit 10"))
    return rows


def row(name: str, value: float, unit: str, compared_with: str) -> dict[str, Any]:
    return {"name": name, "value": round(value, 3), "unit": unit, "compared_with": compared_with}


def spread(values: list[float]) -> str:
    return f"{min(values):.4g} to {max(values):.4g} in {len(values)} rounds"


@contextmanager
def servers() -> Iterator[tuple[str, str, Path]]:
    with tempfile.TemporaryDirectory(prefix="drlactors-bench-") as name:
        folder = Path(name)
        with EmbeddedNats(folder / "nats") as nats, EmbeddedPostgres(folder / "postgres") as postgres:
            yield nats.url, postgres.dsn, folder


@contextmanager
def system() -> Iterator[tuple[str, int]]:
    with servers() as (url, dsn, folder), SystemProcess(folder / "system", url, dsn) as process:
        process.start()
        yield url, process.pid
        assert process.stop() == 0


@contextmanager
def raw_limit(batch: int) -> Iterator[str]:
    with servers() as (url, dsn, folder):
        ready = folder / "ready"
        command = [sys.executable, str(HERE / "raw_line.py"), url, dsn, str(batch), str(ready)]
        with subprocess.Popen(command, env=environment()) as process:
            wait_for(ready.exists, 30, "the raw limit consumes")
            yield url
            process.send_signal(signal.SIGTERM)


def load(url: str, sessions: int, batch: int, rate: float, in_flight: int, seconds: float = SECONDS) -> dict[str, Any]:
    command = [
        sys.executable,
        str(HERE / "load.py"),
        url,
        str(sessions),
        str(batch),
        str(rate),
        str(seconds),
        str(in_flight),
    ]
    told = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(told.stdout)
    return answer


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(HERE.parent.parent)}

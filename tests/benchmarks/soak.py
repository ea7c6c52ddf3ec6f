"""Ten minutes at 500 windows/s on real servers: does memory grow, does latency hold, is anything lost.

Sandboxes come and go: every minute a hundred new sessions take over from the last ones, so that what a session leaves
behind in the system would show.
"""

import statistics
import threading
from itertools import pairwise
from typing import Any

from tests.acceptance.harness import resident_mb
from tests.benchmarks.fast_line import Load, load, row, system

MINUTES = 10
RATE = 500
SESSIONS = 100
SAMPLE_S = 2.0


def run() -> list[dict[str, Any]]:
    """Takes MINUTES and a little more."""
    told: list[dict[str, Any]] = []
    memory_mb: list[float] = []
    with system() as running:
        stop = threading.Event()

        def sample() -> None:
            while not stop.wait(SAMPLE_S):
                memory_mb.append(resident_mb(running.pid))

        sampler = threading.Thread(target=sample)
        sampler.start()
        by_minute: list[float] = []
        for _ in range(MINUTES):
            since = len(memory_mb)
            told.append(load(running, Load(SESSIONS, 1, 0), RATE, seconds=60.0))
            by_minute.append(statistics.median(memory_mb[since:]))
        stop.set()
        sampler.join()
    settled = by_minute[1:]  # the first minute fills buffers and caches
    steps = [later - earlier for earlier, later in pairwise(settled)]
    p99_ms = [minute["p99_ms"] for minute in told]
    lost = sum(minute["sent"] - minute["answered"] for minute in told)
    return [
        row("memory in the second minute", settled[0], "MB", "limit 500"),
        row("memory in the last minute", settled[-1], "MB", f"{max(memory_mb):.1f} at the most"),
        row("growth of memory, a minute", statistics.median(steps), "MB", "0"),
        row("windows", sum(minute["answered"] for minute in told), "windows", f"{RATE}/s for {MINUTES} minutes"),
        row("windows without an answer", lost, "windows", "0"),
        row("p50", statistics.median(minute["p50_ms"] for minute in told), "ms", ""),
        row("p99", statistics.median(p99_ms), "ms", f"{min(p99_ms):.3g} to {max(p99_ms):.3g} by the minute"),
    ]

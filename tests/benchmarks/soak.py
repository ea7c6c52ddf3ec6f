"""Ten minutes at 500 windows/s on real servers: does memory grow, does latency hold, is anything lost.

Sandboxes come and go: every minute a hundred new sessions take over from the last ones, so that what a session leaves
behind in the system would show.
"""

import statistics
import threading
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
        by_minute: list[float] = []  # medians, MB
        for _ in range(MINUTES):
            since = len(memory_mb)
            told.append(load(running, Load(SESSIONS, 1, 0), RATE, seconds=60.0))
            minute_mb = memory_mb[since:]
            by_minute.append(statistics.median(minute_mb))
        stop.set()
        sampler.join()
    # The first half fills what is bounded: names and paths at hand, free lists, room between what the largest bursts
    # left behind. Growth that goes on in the second half is growth.
    first, half, last = by_minute[1], by_minute[MINUTES // 2 - 1], by_minute[-1]
    apart_mb = max(minute_mb) - min(minute_mb)
    p99_ms = [minute["p99_ms"] for minute in told]
    lost = sum(minute["sent"] - minute["answered"] for minute in told)
    return [
        row("memory in the second minute", first, "MB", "limit 500"),
        row("memory in the last minute", last, "MB", f"{max(memory_mb):.1f} at the most"),
        row("growth of memory, first half", (half - first) / (MINUTES // 2 - 2), "MB/minute", "from minute 2 on"),
        row(
            "growth of memory, second half",
            (last - half) / (MINUTES - MINUTES // 2),
            "MB/minute",
            f"0; within the last minute it goes up and down by {apart_mb:.1f} MB",
        ),
        row("windows", sum(minute["answered"] for minute in told), "windows", f"{RATE}/s for {MINUTES} minutes"),
        row("windows without an answer", lost, "windows", "0"),
        row("p50", statistics.median(minute["p50_ms"] for minute in told), "ms", ""),
        row("p99", statistics.median(p99_ms), "ms", f"{min(p99_ms):.3g} to {max(p99_ms):.3g} by the minute"),
    ]

"""Asks a service on loopback whether it is well, and writes down the answers."""

import json
import os
import time
from pathlib import Path

from .kit import Task, begin


def run(task: Task) -> None:
    """One question a round; a metrics report with it if the parameters say so."""
    log = task.home / "logs" / "health.log"
    for number in task.rounds():
        began_s = time.monotonic()
        answer = task.ask(f"/bytes/{task.options.get('size', 300)}")
        took_s = time.monotonic() - began_s
        if task.options.get("metrics"):
            load, memory = Path("/proc/loadavg").read_text(), Path("/proc/meminfo").read_text()
            state = {"load": load, "memory": memory[:200], "pid": os.getpid()}
            task.ask("/metrics", json.dumps(state).encode())
        if task.options.get("log", True):
            with log.open("a") as lines:
                lines.write(f"{number} {len(answer)} bytes in {took_s:.4f} s\n")


if __name__ == "__main__":
    run(begin())

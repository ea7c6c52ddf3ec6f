"""Removes the traces in the scratch home: logs, histories, times of change."""

import os
import re

from .kit import Task, begin


def run(task: Task) -> None:
    """One log a round: emptied, removed, or rewritten without the lines that tell."""
    style = str(task.options.get("style", "empty"))
    logs = [*sorted((task.home / "logs").glob("*")), task.home / ".bash_history"]
    for number in task.rounds():
        if number >= len(logs) * int(task.options.get("times", 1)):
            return
        log = logs[number % len(logs)]
        if not log.exists():
            continue
        before = log.stat()
        if style == "empty":
            os.truncate(log, 0)
        elif style == "remove":
            log.unlink()
        else:
            kept = [line for line in log.read_bytes().splitlines(True) if not re.search(rb"session|login", line)]
            task.write(log, b"".join(kept))
        if log.exists():
            os.utime(log, (before.st_atime, before.st_mtime))


if __name__ == "__main__":
    run(begin())

"""Burns CPU on hashes nobody asked for, with or without a pool on loopback."""

import hashlib
import os
import time

from .kit import Task, begin


def run(task: Task) -> None:
    """Bursts of hashing between pauses; a share is reported now and then."""
    children: list[int] = []
    for _ in range(min(int(task.options.get("workers", 1)), 3) - 1):
        child = os.fork()
        if child == 0:
            children = []
            break
        children.append(child)
    burst_s, digest = float(task.options.get("burst_s", 0.2)), b"block"
    for number in task.rounds():
        until_s = time.monotonic() + min(burst_s, task.left_s())
        while time.monotonic() < until_s:
            for _ in range(500):
                digest = hashlib.sha256(digest).digest()
        if task.options.get("pool") and number % 4 == 0:
            task.ask("/share", digest.hex().encode())
    for child in children:
        os.waitpid(child, 0)


if __name__ == "__main__":
    run(begin())

"""Computes something somebody wants: primes, checksums of documents, a word count, a matrix."""

import hashlib
import os
import time
from collections import Counter

from .kit import Task, begin


def run(task: Task) -> None:
    """One piece of work a round, in one process or shared with children."""
    style = str(task.options.get("style", "checksum"))
    children: list[int] = []
    for _ in range(min(int(task.options.get("workers", 1)), 3) - 1):
        child = os.fork()
        if child == 0:
            children = []
            break
        children.append(child)
    documents = task.files()
    for number in task.rounds():
        until_s = time.monotonic() + min(float(task.options.get("burst_s", 0.2)), task.left_s())
        content = documents[number % len(documents)].read_bytes()
        while time.monotonic() < until_s:
            if style == "checksum":
                hashlib.sha512(content).hexdigest()
            elif style == "words":
                Counter(content.split()).most_common(10)
            else:
                sum(n for n in range(2, 2000) if all(n % d for d in range(2, int(n**0.5) + 1)))
        if task.options.get("keep"):
            task.write(task.home / "results" / f"{number % 20}.txt", str(len(content)).encode())
    for child in children:
        os.waitpid(child, 0)


if __name__ == "__main__":
    run(begin())

"""Cleans up: rotates logs, removes old caches and duplicates, shortens histories."""

import gzip
import hashlib
import os

from .kit import Task, begin


def run(task: Task) -> None:
    """One thing a round: a log turned, a duplicate or a cache removed."""
    style, known = str(task.options.get("style", "rotate")), dict[str, str]()
    logs, documents = sorted((task.home / "logs").glob("*.log")), task.files()
    for number in task.rounds():
        if style == "rotate":
            log = logs[number % len(logs)]
            content = log.read_bytes()
            (log.parent / f"{log.name}.{number % 4}.gz").write_bytes(gzip.compress(content))
            os.truncate(log, 0)
            task.write(log, content[: len(content) // 2])
        elif style == "cache":
            for part in range(int(task.options.get("each", 6))):
                entry = task.home / ".cache" / "thumbs" / f"{number}-{part}.bin"
                task.write(entry, bytes(task.dice.randrange(256) for _ in range(200)))
                if part % 2:
                    entry.unlink()
        elif number < len(documents):
            digest = hashlib.sha256(documents[number].read_bytes()).hexdigest()
            if digest in known or task.dice.random() < float(task.options.get("share", 0.3)):
                documents[number].unlink()
            known[digest] = documents[number].name
        else:
            return


if __name__ == "__main__":
    run(begin())

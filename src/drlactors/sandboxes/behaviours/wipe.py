"""Destroys the documents of the scratch home without any way back."""

import os

from .kit import Task, begin


def run(task: Task) -> None:
    """Overwrites, empties or only removes, one document at a time."""
    style = str(task.options.get("style", "zero"))
    for _, path in zip(task.rounds(), task.files(), strict=False):
        size = path.stat().st_size
        if style in ("zero", "noise"):
            task.write(path, bytes(size) if style == "zero" else os.urandom(size))
        if style == "empty":
            os.truncate(path, 0)
        else:
            path.unlink()


if __name__ == "__main__":
    run(begin())

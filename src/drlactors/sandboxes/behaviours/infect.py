"""Adds itself to the scripts it finds in the scratch home."""

import shutil

from .kit import Task, begin


def run(task: Task) -> None:
    """A script a round gets a harmless line; or the program copies itself next to it."""
    mark = b"\n# visited\n"
    for _, path in zip(task.rounds(), task.files(".py", ".sh", ".c", ".txt", ".md"), strict=False):
        if task.options.get("style", "append") == "append":
            content = path.read_bytes()
            task.write(path, content if mark in content else content + mark)
        else:
            shutil.copy(__file__, path.with_name(f"{path.stem}-copy{task.dice.randrange(99)}.py"))


if __name__ == "__main__":
    run(begin())

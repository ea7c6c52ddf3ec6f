"""Starts far more processes than it needs, up to a bound."""

import os
import time

from .kit import Task, begin

_MOST_AT_ONCE = 24


def run(task: Task) -> None:
    """A brood a round; each child does next to nothing and ends."""
    brood = min(int(task.options.get("brood", 8)), _MOST_AT_ONCE)
    for _ in task.rounds():
        children = []
        for _ in range(brood):
            child = os.fork()
            if child == 0:
                time.sleep(float(task.options.get("life_s", 0.05)))
                os._exit(0)
            children.append(child)
        for child in children:
            os.waitpid(child, 0)


if __name__ == "__main__":
    run(begin())

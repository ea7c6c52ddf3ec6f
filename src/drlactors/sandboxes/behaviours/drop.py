"""Fetches a second program from a service on loopback and runs it."""

import base64
import os
import subprocess

from .kit import Task, begin

_CARRIED = base64.b64encode(b"#!/bin/sh\nfor n in 1 2 3; do ls -l > out-$n.txt; sleep 0.1; done\n")


def run(task: Task) -> None:
    """From the network, carried along, or in memory only; run once or again and again."""
    style = str(task.options.get("style", "http"))
    for number in task.rounds():
        program = base64.b64decode(_CARRIED) if style == "carried" else task.ask("/script")
        if style == "memory":
            held = os.memfd_create("job")
            os.write(held, program)
            child = os.fork()
            if child == 0:
                os.execv("/bin/sh", ["sh", f"/proc/self/fd/{held}"])
            os.waitpid(child, 0)
            os.close(held)
            continue
        place = task.home / ".cache" / f"update-{number % 3}.sh"
        task.write(place, program)
        place.chmod(0o755)
        subprocess.run([str(place)], check=False, timeout=5)
        if task.options.get("remove"):
            place.unlink()


if __name__ == "__main__":
    run(begin())

"""Reports to a service on loopback again and again, and takes orders from it."""

import json
import os
import platform
import socket

from .kit import LOOPBACK, Task, begin


def run(task: Task) -> None:
    """One report a round, over HTTP, plain TCP or UDP."""
    style, size = str(task.options.get("style", "http")), int(task.options.get("size", 200))
    who = json.dumps({"host": platform.node(), "pid": os.getpid()}).encode()
    for number in task.rounds():
        report = who + bytes(task.dice.randrange(256) for _ in range(size))
        if style == "http":
            task.ask(f"/report/{number}", report)
        elif style == "tcp":
            with task.connect() as line:
                line.sendall(f"GET /bytes/{size} HTTP/1.0\r\n\r\n".encode() + report)
                line.recv(4096)
        else:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
                line.sendto(report[:1200], (LOOPBACK, task.port))


if __name__ == "__main__":
    run(begin())

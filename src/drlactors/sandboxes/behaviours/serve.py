"""A small web server that is asked by its own clients over loopback."""

import http.client
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .kit import LOOPBACK, Task, begin


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Says nothing."""


def run(task: Task) -> None:
    """Some requests a round, for folders and for documents."""
    server = ThreadingHTTPServer((LOOPBACK, 0), _Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    documents = [str(path.relative_to(task.home)) for path in task.files()]
    for _ in task.rounds():
        for _ in range(int(task.options.get("each", 4))):
            connection = http.client.HTTPConnection(LOOPBACK, server.server_port, timeout=2)
            connection.request("GET", "/" + task.dice.choice(["", "Documents/", *documents]).replace(" ", "%20"))
            connection.getresponse().read()
            connection.close()
    server.shutdown()


if __name__ == "__main__":
    run(begin())

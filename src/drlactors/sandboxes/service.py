"""The only thing a recorded program can reach: a small web server on loopback."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

_MAX_ANSWER_BYTES = 1 << 20
_SCRIPT = b"#!/bin/sh\nfor n in 1 2 3; do date >> notes.txt; ls -l > list-$n.txt; sleep 0.1; done\n"


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """A script, or as many bytes as the path asks for."""
        body = _SCRIPT
        if "/bytes/" in self.path:
            wanted = self.path.rpartition("/")[2]
            body = b"0123456789abcdef" * (min(int(wanted) if wanted.isdecimal() else 16, _MAX_ANSWER_BYTES) // 16 + 1)
        self._answer(body)

    def do_POST(self) -> None:
        """Takes whatever is sent, and forgets it."""
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self._answer(b"ok")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A program that is killed leaves broken connections: nothing to report."""


class Service:
    """Listens on an ephemeral port while the ``with`` block runs."""

    def __init__(self) -> None:
        self._server = _Server(("127.0.0.1", 0), _Answers)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, name="service", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

"""A proxy between a log and its server that can lose the answer to what commits."""

import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

#: What commits, as the client sends it, and the server's word that it has.
COMMIT = (b"Q\x00\x00\x00\x0bCOMMIT\x00", b"COMMIT\x00")
APPEND = (b"SELECT eventlog.append(", b"SELECT 1\x00")


class DroppingProxy:
    """Passes everything on until ``drop`` is set: then the next ``statement`` reaches the server, its answer nobody.

    The server's answer is awaited before both connections are cut: it is stored, and the client cannot know.
    """

    def __init__(self, dsn: str, statement: tuple[bytes, bytes]) -> None:
        self._sent, self._done = statement
        parts = urlsplit(dsn)
        assert parts.hostname is not None
        self._server = (parts.hostname, parts.port or 5432)
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.dsn = urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}"))
        self.drop = threading.Event()
        self.dropped = 0
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(timeout=10)

    def _start(self, run: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=run, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._server)
            losing = threading.Event()
            self._start(self._to_server, client, server, losing)
            self._start(self._to_client, client, server, losing)

    def _to_server(self, client: socket.socket, server: socket.socket, losing: threading.Event) -> None:
        while sent := _received(client):
            if self._sent in sent and self.drop.is_set():
                self.drop.clear()
                losing.set()
            server.sendall(sent)
        _cut(server)

    def _to_client(self, client: socket.socket, server: socket.socket, losing: threading.Event) -> None:
        while answered := _received(server):
            if losing.is_set():
                assert self._done in answered
                self.dropped += 1
                break
            client.sendall(answered)
        _cut(client)
        _cut(server)


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65_536)
    except OSError:
        return b""


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return

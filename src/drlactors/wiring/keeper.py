"""The keeper of embedded servers: starts again those that ended, or cannot go on without it."""

from collections.abc import Sequence
from threading import Event, Thread
from types import TracebackType
from typing import Self

from drlactors.ports.observer import Observer
from drlactors.testing.embedded import EmbeddedServer
from drlactors.testing.servers import ServerFailed

LOOK_S, LONGEST_PAUSE_S = 1.0, 10.0


class Keeper:
    """Looks on a thread of its own; use as a context manager within that of the servers.

    A server keeps its address and its data. Where starting it again does not help, as on a disk that is full, the
    pauses grow.
    """

    def __init__(self, servers: Sequence[EmbeddedServer], observer: Observer, look_s: float = LOOK_S) -> None:
        self.trouble = ""  # what is the matter now
        self._servers = servers
        self._observer = observer
        self._look_s = look_s
        self._stop = Event()
        self._thread = Thread(target=self._run, name="keeper", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()  # a start that is under way is finished: whoever stops the servers must not meet it

    def _run(self) -> None:
        pause_s = self._look_s
        while not self._stop.wait(pause_s):
            failed = [(server, fault) for server in self._servers if (fault := server.fault())]
            if not failed:
                pause_s = max(self._look_s, pause_s / 2)
                continue
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            for server, fault in failed:
                self.trouble = fault.splitlines()[0]
                self._observer.error("server.failed", ServerFailed(fault))
                self._start_again(server)

    def _start_again(self, server: EmbeddedServer) -> None:
        try:
            server.stop()
            server.start()
        except ServerFailed as error:
            self._observer.error("server.not-started", error)
        else:
            self.trouble = ""
            self._observer.note("server.started-again", server=server.PROGRAM)

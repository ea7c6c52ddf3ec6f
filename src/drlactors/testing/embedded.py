"""What the embedded servers have in common: one process for one data directory, claimed, started, stopped, killed."""

import signal
from abc import ABC, abstractmethod
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from drlactors.testing.processes import (
    DirectoryClaim,
    HeldPort,
    ServerFailed,
    ServerProcess,
    end_leftovers,
    require_free,
    require_room,
)


class EmbeddedServer(ABC):
    """One server for one data directory; ``start`` after ``stop`` or ``kill`` serves the same data and port."""

    PROGRAM: ClassVar[str]
    ENDING: ClassVar[signal.Signals]  # what asks it to stop in good order
    STOP_TIMEOUT_S: ClassVar[float]

    def __init__(self, data_dir: Path, work_dir: Path, port: int | None, start_timeout_s: float) -> None:
        """``work_dir`` is the server's working directory: what runs there and bears its name is a leftover."""
        self.data_dir = data_dir
        if port:
            self.port = port
        else:
            self._held = HeldPort()
            self.port = self._held.number
        self._work_dir = work_dir
        self._start_timeout_s = start_timeout_s
        self._claim = DirectoryClaim(data_dir)
        self._server: ServerProcess | None = None

    def start(self) -> str:
        """Start the server and return its address once it answers; a running one is left as it is."""
        if self.running:
            return self._address()
        try:
            self._start()
        except OSError as error:  # a full disk, most of all
            raise ServerFailed(f"Cannot start {self.PROGRAM} in {self.data_dir}: {error.strerror or error}.") from error
        return self._address()

    def _start(self) -> None:
        with ExitStack() as undo:
            undo.callback(self._claim.release)
            self._claim.take()
            require_room(self.data_dir)
            end_leftovers(self._work_dir, self.PROGRAM, self._recorded_pid(), self.ENDING)
            require_free(self.port)
            server = self._server = self._launch()
            undo.callback(server.stop, timeout_s=self.STOP_TIMEOUT_S)
            server.wait_until(lambda: self._ready(server.pid), timeout_s=self._start_timeout_s)
            undo.pop_all()

    def fault(self) -> str:
        """Why only another start helps; empty while the server runs well, and before its first start."""
        if self._server is None or self._server.running:
            return ""
        return f"{self.PROGRAM} has ended. {self._server.last_words()}"

    def stop(self) -> None:
        """Stop in good order: everything stored is on disk when this returns."""
        with ExitStack() as finally_:
            finally_.callback(self._claim.release)
            if self._server is not None:
                self._server.stop(timeout_s=self.STOP_TIMEOUT_S)

    def kill(self) -> None:
        """SIGKILL, as a crash would; the data directory stays ours."""
        if self._server is not None:
            self._server.kill()

    @property
    def running(self) -> bool:
        return self._server is not None and self._server.running

    @property
    def pid(self) -> int | None:
        return self._server.pid if self._server is not None and self._server.running else None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    def _launch(self) -> ServerProcess:
        """Make ready what the server needs, and start it."""

    @abstractmethod
    def _ready(self, pid: int) -> bool:
        """Whether this process takes requests."""

    @abstractmethod
    def _recorded_pid(self) -> int | None:
        """Of the process that an earlier one of us may have left."""

    @abstractmethod
    def _address(self) -> str:
        """Where clients find it; with what they need to get in, so not for logs."""

"""Following the log as it grows."""

import threading
from collections.abc import Callable, Iterator

from drlactors.ports.log import Entry, LogUnreachable

BATCH_ROWS = 1_000
#: How late an entry of another process may be seen; those of our own wake us.
POLL_S = 0.05


class PolledSubscription:
    """Asks when woken and every 50 ms: 20 questions of 0.1 ms a second, no connection kept for listening.

    An error leaves the iteration; iterating again goes on behind the last batch that was given.
    """

    def __init__(
        self, read: Callable[[int, int], list[Entry]], after: int, forget: Callable[["PolledSubscription"], None]
    ) -> None:
        self._read = read
        self._after = after
        self._forget = forget
        self._news = threading.Event()
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[list[Entry]]:
        while not self._closed.is_set():
            self._news.clear()  # before reading: news that come meanwhile are asked for at once
            try:
                entries = self._read(self._after, BATCH_ROWS)
            except LogUnreachable:
                if self._closed.is_set():
                    return  # the log was closed while we asked
                raise
            if entries and not self._closed.is_set():
                self._after = entries[-1].position
                yield entries
            elif not self._closed.is_set():
                self._news.wait(POLL_S)

    def wake(self) -> None:
        self._news.set()

    def close(self) -> None:
        self._closed.set()
        self._forget(self)
        self.wake()

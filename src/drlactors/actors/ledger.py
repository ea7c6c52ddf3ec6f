"""Which deliveries are not settled yet, and up to where everything is."""

import threading
from collections import deque
from collections.abc import Iterable


class Ledger:
    """Sequences enter in order and are settled in any order, by any thread."""

    def __init__(self, after: int) -> None:
        self._lock = threading.Lock()
        self._open: deque[int] = deque()
        self._settled: set[int] = set()
        self._through = after
        self._last = after

    def enter(self, sequences: Iterable[int]) -> None:
        """These are under way. One that was entered before, and redelivered after a reconnect, does not enter again."""
        with self._lock:
            for sequence in sequences:
                if sequence > self._last:
                    self._open.append(sequence)
                    self._last = sequence

    def settle(self, sequences: Iterable[int]) -> None:
        """Nothing more is to be done about these; of what came again, for the second time."""
        with self._lock:
            through = self._through
            self._settled.update(sequence for sequence in sequences if sequence > through)

    def through(self) -> int:
        """The highest sequence up to which everything is settled: where to begin again."""
        with self._lock:
            while self._open and self._open[0] in self._settled:
                self._through = self._open.popleft()
                self._settled.remove(self._through)
            return self._through

    def unsettled(self) -> int:
        with self._lock:
            return len(self._open) - len(self._settled)

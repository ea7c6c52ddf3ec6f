"""How many messages the sender on a link may have under way: shared by all kinds of link."""

import threading
import time

from drlactors.ports.bus import BusUnreachable, Trouble

#: A bus that is well stores within milliseconds.
STALLED_S = 5.0


class Room:
    """Places that threads take and the loop gives back; a sender waits for one as long as others come free."""

    def __init__(self, places: int, patience_s: float) -> None:
        self._places = places
        self._patience_s = patience_s
        self._changed = threading.Condition()
        self._taken = 0
        self._given = 0
        self._waiting = 0
        self._moved_s = 0.0  # when one was given back last, or the first of those that are taken was
        self._refusal = ""

    def take(self) -> None:
        """Wait for a place. Raises BusUnreachable when none came free for ``patience_s``, or after a refusal."""
        with self._changed:
            self._complain()
            while self._taken >= self._places:
                given = self._given
                self._waiting += 1
                self._changed.wait(self._patience_s)
                self._waiting -= 1
                self._complain()
                if self._given == given and self._taken >= self._places:
                    raise BusUnreachable(f"The message bus has stored nothing for {self._patience_s:.0f} s.")
            self._occupy()

    def offer(self) -> bool:
        """Take a place if one is free. Raises BusUnreachable after a refusal."""
        with self._changed:
            self._complain()
            free = self._taken < self._places
            if free:
                self._occupy()
            return free

    def give(self, places: int = 1) -> None:
        with self._changed:
            self._taken -= places
            self._given += places
            self._moved_s = time.monotonic()
            if self._waiting:
                self._changed.notify_all()

    @property
    def trouble(self) -> Trouble | None:
        with self._changed:
            stalled_s = time.monotonic() - self._moved_s if self._taken else 0.0
        return Trouble(f"Nothing has been stored for {STALLED_S:.0f} s.", False) if stalled_s > STALLED_S else None

    def refuse(self, reason: str) -> None:
        """A message was refused for good: the next caller is told."""
        with self._changed:
            self._refusal = reason
            self._changed.notify_all()

    def wait_empty(self, timeout_s: float) -> bool:
        """Wait until no place is taken; False when time is up."""
        until_s = time.monotonic() + timeout_s
        with self._changed:
            self._complain()
            while self._taken:
                left_s = until_s - time.monotonic()
                if left_s <= 0:
                    return False
                self._waiting += 1
                self._changed.wait(left_s)
                self._waiting -= 1
                self._complain()
            return True

    def _occupy(self) -> None:
        if not self._taken:
            self._moved_s = time.monotonic()
        self._taken += 1

    def _complain(self) -> None:
        if self._refusal:
            refusal, self._refusal = self._refusal, ""
            raise BusUnreachable(f"The message bus refused a message for good: {refusal}.")

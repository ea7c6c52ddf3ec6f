"""Whether the log answers, as those know who ask it."""

from collections.abc import Iterator
from contextlib import contextmanager

from drlactors.ports.clock import Clock
from drlactors.ports.log import LogUnreachable

#: An append waits for other processes' up to this long; the longest commit measured under load took 0.7 s.
SILENT_S = 10.0


class Reach:
    """A server that is frozen refuses nothing and keeps no timeout: who waits for it cannot say so, others have to."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._asked_s: dict[str, float] = {}  # who waits for an answer, and since when
        self._refused: set[str] = set()  # who was told last that it cannot be reached

    @contextmanager
    def asking(self, who: str) -> Iterator[None]:
        """Around a question; who asks does so one at a time. From any thread."""
        self._asked_s[who] = self._clock.monotonic_s()
        try:
            yield
        except LogUnreachable:
            self._refused.add(who)
            raise
        else:
            self._refused.discard(who)
        finally:
            del self._asked_s[who]

    @property
    def silent(self) -> bool:
        """Whether somebody has waited for too long."""
        now_s = self._clock.monotonic_s()
        return any(now_s - asked_s > SILENT_S for asked_s in list(self._asked_s.values()))

    @property
    def away(self) -> bool:
        return bool(self._refused) or self.silent

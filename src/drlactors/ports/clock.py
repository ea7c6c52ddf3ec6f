"""Time, handed in so that tests can own it."""

import time
from typing import Protocol


class Clock(Protocol):
    def now_us(self) -> int:
        """Microseconds since 1970: for what is recorded."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that never jump: for deadlines and durations."""
        ...


class SystemClock:
    """The machine's."""

    def now_us(self) -> int:
        return time.time_ns() // 1000

    def monotonic_s(self) -> float:
        return time.monotonic()


def by_monotonic_s(clock: Clock, at_us: int) -> float:
    """When a recorded moment is by the seconds that never jump, as far as the clock on the wall is right at present."""
    return clock.monotonic_s() + (at_us - clock.now_us()) / 1e6

"""Time, handed in so that tests can own it."""

from typing import Protocol


class Clock(Protocol):
    def now_us(self) -> int:
        """Microseconds since 1970: for what is recorded."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that never jump: for deadlines and durations."""
        ...

"""Puts a session's telemetry back into the order of its sequence numbers, as far as waiting for it pays."""

from drlactors.actors.messages import Arrived
from drlactors.domain.session import Record


class Reorder:
    """Holds messages that came before others that precede them. What it lets go of out of order has a gap in it."""

    def __init__(self, next_seq: int) -> None:
        self._next_seq = next_seq
        self._held: list[tuple[int, Arrived]] = []
        self._since_s = 0.0

    def offer(self, arrived: Arrived, now_s: float, limit: int) -> list[Arrived]:
        """What can be handled now: this message and those it was waited for, or nothing yet."""
        first, last = _seq(arrived, 0), _seq(arrived, -1)
        if first <= self._next_seq:
            self._next_seq = max(self._next_seq, last + 1)
            return [arrived, *self._following()] if self._held else [arrived]
        if not self._held:
            self._since_s = now_s
        self._held.append((first, arrived))
        return self.release() if len(self._held) > limit else []

    def expire(self, now_s: float, wait_s: float) -> list[Arrived]:
        """What has been held for so long that the windows before it are given up."""
        return self.release() if self._held and now_s - self._since_s >= wait_s else []

    def release(self) -> list[Arrived]:
        """All that is held, in order."""
        held = [arrived for _, arrived in sorted(self._held, key=lambda entry: entry[0])]
        self._held.clear()
        if held:
            self._next_seq = max(self._next_seq, _seq(held[-1], -1) + 1)
        return held

    def holds(self) -> bool:
        return bool(self._held)

    def _following(self) -> list[Arrived]:
        ready: list[Arrived] = []
        for entry in sorted(self._held, key=lambda entry: entry[0]):
            first, arrived = entry
            if first > self._next_seq:
                break
            self._next_seq = max(self._next_seq, _seq(arrived, -1) + 1)
            self._held.remove(entry)
            ready.append(arrived)
        return ready


def _seq(arrived: Arrived, index: int) -> int:
    command = arrived.commands[index]
    assert isinstance(command, Record)
    return command.window.seq

"""The two kinds of bus behind one door, and a reader that remembers what it was given."""

import threading
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol
from uuid import uuid4

from drlactors.domain.ids import SessionId
from drlactors.ports.bus import Bus, Delivery, SandboxLink


class Kit(NamedTuple):
    """Ways to open a bus whose inbound stream is empty at first and holds few messages, and to misuse it."""

    bus: Callable[[], Bus]  # a bus on that stream; the second call is a second life of the system
    link: Callable[[], SandboxLink]
    store: Callable[[str, bytes], None]  # any subject, any size; returns when it is stored


class Given(Protocol):
    def __call__(self, batch: list[Delivery]) -> None: ...


class Reader:
    """Collects deliveries; gives credit back at once unless told to hold it."""

    def __init__(self, bus: Bus, *, hold: bool = False) -> None:
        self.deliveries: list[Delivery] = []
        self.batches = 0
        self._bus = bus
        self._hold = hold
        self._changed = threading.Condition()

    def __call__(self, batch: list[Delivery]) -> None:
        with self._changed:
            self.deliveries.extend(batch)
            self.batches += 1
            self._changed.notify_all()
        if not self._hold:
            self._bus.replenish(len(batch))

    def wait(self, messages: int, timeout_s: float = 60.0) -> list[Delivery]:
        with self._changed:
            self._changed.wait_for(lambda: len(self.deliveries) >= messages, timeout_s)
            return list(self.deliveries)


def some_session() -> SessionId:
    return SessionId(uuid4())


def until(condition: Callable[[], bool], timeout_s: float = 20.0) -> bool:
    until_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > until_s:
            return False
        time.sleep(0.01)
    return True


def data_of(deliveries: Iterable[Delivery]) -> list[bytes]:
    return [delivery.data for delivery in deliveries]

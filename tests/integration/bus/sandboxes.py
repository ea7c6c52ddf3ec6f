"""Sandboxes that number what they send, and a check of what arrived."""

import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Self

from drlactors.domain.ids import SessionId
from drlactors.ports.bus import Delivery, Kind, SandboxLink
from tests.contract.bus.kit import some_session


class Sandboxes:
    """A thread that sends to each session in turn, as fast as the link lets it or at a rate, until it is left."""

    def __init__(self, link: SandboxLink, sessions: int, per_s: float = 5000.0) -> None:
        self.link = link
        self.sessions = [some_session() for _ in range(sessions)]
        self.sent = 0
        self._pause_s = sessions / per_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _send(self) -> None:
        number = 0
        while not self._over.is_set():
            for session in self.sessions:
                self.link.send(Kind.TELEMETRY, session, str(number).encode())
                self.sent += 1
            number += 1
            time.sleep(self._pause_s)


def disorder(deliveries: Iterable[Delivery]) -> list[str]:
    """What is wrong with the numbers of the sessions and of the stream: nothing missing, nothing twice, in order."""
    expected: defaultdict[SessionId, int] = defaultdict(int)
    faults = []
    last = 0
    for delivery in deliveries:
        if delivery.sequence <= last:
            faults.append(f"sequence {delivery.sequence} after {last}")
        last = delivery.sequence
        if int(delivery.data) != expected[delivery.session]:
            faults.append(f"{delivery.session}: {delivery.data!r} instead of {expected[delivery.session]}")
        expected[delivery.session] = int(delivery.data) + 1
    return faults[:10]

"""The raw limit of the fast line: the same messages fetched and appended as they are, with no logic at all.

A process of its own: raw_line.py NATS_URL DSN. Consumes, stores each message as one row in group commits, and answers
each with one message that says as many decisions as it had windows, so that the same load can be run against it.
"""

import signal
import sys
import threading
from collections import deque
from pathlib import Path
from uuid import uuid4

from eventsourcing.persistence import StoredEvent

from drlactors.bus.nats_bus import NatsBus
from drlactors.config.share import share
from drlactors.ports.bus import Delivery, Kind
from drlactors.store.connections import Connections
from drlactors.store.migrations import migrate
from drlactors.store.recorder import CopyRecorder
from drlactors.wire.v1 import action_pb2


def main() -> None:
    url, dsn, batch, ready = sys.argv[1:]
    connections = Connections(dsn)
    migrate(connections, share("eventstore") / "migrations")
    recorder = CopyRecorder(connections)
    bus = NatsBus(url)
    bus.identity()
    answer = action_pb2.Actions(decisions=[{"seq": 1 << 40, "attempt": 1}] * int(batch)).SerializeToString()
    waiting: deque[Delivery] = deque()
    some, stop = threading.Event(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())

    def deliver(deliveries: list[Delivery]) -> None:
        waiting.extend(deliveries)
        some.set()

    bus.consume(0, deliver, 4096)
    Path(ready).touch()
    while not stop.is_set():
        some.wait(0.1)
        some.clear()
        took = [waiting.popleft() for _ in range(len(waiting))]
        if took:
            recorder.insert([StoredEvent(uuid4(), 1, "raw:1", delivery.data) for delivery in took], {})
            bus.replenish(len(took))
            bus.publish([(delivery.session, answer) for delivery in took if delivery.kind is Kind.TELEMETRY])
            bus.trim(took[-1].sequence)
    bus.close()
    connections.close()


if __name__ == "__main__":
    main()

"""`drlactors up` that kills itself at a chosen point: crashing.py POINT AFTER CONFIG.

A point is also before-EVENT or after-EVENT: around the append that stores an event of that name.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from drlactors.bus.nats_bus import NatsBus
from drlactors.cli.up import up
from drlactors.store.log import PostgresEventLog
from drlactors.wiring import access, system

POINT, AFTER = sys.argv[1], int(sys.argv[2])
_reached = 0


def reach(point: str) -> None:
    """Die here if this is the place and the time, as a power cut would: nothing is flushed, nobody is told."""
    global _reached  # noqa: PLW0603  # one process, one count
    if point == POINT:
        _reached += 1
        if _reached > AFTER:
            os.kill(os.getpid(), signal.SIGKILL)


class CrashingLog(PostgresEventLog):
    def append(self, appends: Any, *args: Any, **kwargs: Any) -> Any:
        names = [type(event).__name__ for append in appends for event in append.events]
        for name in ("append", *names):
            reach(f"before-{name}")
        stored = super().append(appends, *args, **kwargs)
        for name in ("append", *names):
            reach(f"after-{name}")
        return stored


class CrashingBus(NatsBus):
    def consume(self, *args: Any, **kwargs: Any) -> None:
        reach("before-consume")
        super().consume(*args, **kwargs)
        reach("after-consume")

    def publish(self, actions: Any) -> None:
        sending = list(actions)
        if sending:
            reach("before-dispatch")
        super().publish(sending)
        if sending:
            reach("after-dispatch")

    def replenish(self, messages: int) -> None:
        reach("before-acknowledge")
        super().replenish(messages)
        reach("after-acknowledge")


vars(access).update(PostgresEventLog=CrashingLog)
vars(system).update(NatsBus=CrashingBus)
up(config=(Path(sys.argv[3]),))

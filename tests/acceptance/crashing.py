"""`drlactors up` that kills itself at a chosen point: crashing.py POINT AFTER CONFIG.

A point is also before-EVENT or after-EVENT: around the append that stores an event of that name; and fault-append: an
append that raises what nobody foresaw.
"""

import os
import signal
import sys
from typing import Any

from drlactors.__main__ import main
from drlactors.bus.nats_bus import NatsBus
from drlactors.store.log import PostgresEventLog
from drlactors.wiring import access, system

POINT, AFTER = sys.argv[1], int(sys.argv[2])
_reached = 0


def reach(point: str) -> None:
    """Die here if this is the place and the time, as a power cut would: nothing is flushed, nobody is told."""
    global _reached  # noqa: PLW0603  # one process, one count
    if point == POINT:
        _reached += 1
        if _reached == AFTER + 1:
            if point.startswith("fault-"):
                raise ZeroDivisionError
            os.kill(os.getpid(), signal.SIGKILL)


class CrashingLog(PostgresEventLog):
    def append(self, appends: Any, *args: Any, **kwargs: Any) -> Any:
        reach("fault-append")
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
main(["up", "--config", sys.argv[3]])

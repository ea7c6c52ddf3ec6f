"""What happened on the bus that nobody asked about: counted, and told to a hook."""

import time
from collections import Counter
from collections.abc import Callable
from enum import StrEnum

#: A server that is away for an hour is one line a second in a log, not one for each message.
HOOK_INTERVAL_S = 1.0


class BusEvent(StrEnum):
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    ERROR = "error"  # the server or the client library complained
    CONSUMER_RENEWED = "consumer-renewed"  # the standing pull began again behind the last delivery
    STREAM_REPLACED = "stream-replaced"  # sequences count in another stream now: consuming has stopped
    DEAD_LETTER = "dead-letter"  # a message could not be a delivery
    DEAD_LETTER_DROPPED = "dead-letter-dropped"
    ACTIONS_DROPPED = "actions-dropped"  # too many waited for a connection: the oldest were given up
    PUBLISH_RETRIED = "publish-retried"
    PUBLISH_REFUSED = "publish-refused"


#: Called on the bus's thread, at most once a second for each kind of event, with what is known about it.
Hook = Callable[[BusEvent, str], None]


class Notices:
    """Counts each event; the hook hears of it unless it heard of one like it within the last second."""

    def __init__(self, hook: Hook | None = None) -> None:
        self.counts: Counter[BusEvent] = Counter()
        self._hook = hook
        self._told_s: dict[BusEvent, float] = {}

    def note(self, event: BusEvent, detail: str, times: int = 1) -> None:
        self.counts[event] += times
        now_s = time.monotonic()
        if self._hook is not None and now_s - self._told_s.get(event, -HOOK_INTERVAL_S) >= HOOK_INTERVAL_S:
            self._told_s[event] = now_s
            self._hook(event, detail)

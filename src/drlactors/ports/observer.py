"""What the rooms tell whoever watches: counts by the batch, words by the event, spans by the sampled message."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol


class Observer(Protocol):
    """Cheap, never fails, never blocks; any thread may call. Nothing is told by session: that is for the log."""

    def windows(self, recorded: int) -> None:
        """So many windows are on disk."""
        ...

    def decided(self, counts: Sequence[int], policy: str, seconds: float) -> None:
        """One batch was ranked: best actions by number, by which policy, and how long it took."""
        ...

    def appended(self, rows: int, events: int, seconds: float) -> None:
        """One transaction of the log."""
        ...

    def conflict(self) -> None:
        """The log refused an append as stale."""
        ...

    def lost(self, cause: str, windows: int) -> None: ...

    def defaulted(self, field: str, times: int) -> None:
        """A sandbox's field was absurd and is taken as missing."""
        ...

    def redelivered(self, windows: int) -> None:
        """Windows came again that were recorded before."""
        ...

    def refused(self, reason: str) -> None:
        """The rules refused a message; ``reason`` is one of a few texts."""
        ...

    def dead_letter(self, reason: str) -> None:
        """A message could not be understood."""
        ...

    def retried(self) -> None:
        """An action was sent again."""
        ...

    def failed(self) -> None:
        """An action was given up."""
        ...

    def feedback(self, success: bool) -> None: ...  # what the sandbox said, yes or no

    def restarted(self, actor: str) -> None:
        """An actor broke and starts over."""
        ...

    def sessions(self, awake: int, open: int) -> None:  # noqa: A002  # as the gauge is called
        """Sessions in memory, and sessions that are not over."""
        ...

    def policy(self, policy: str, result: str) -> None:
        """Another policy is in charge, or was refused."""
        ...

    def gateway(self, streams: int, waiting: int) -> None:
        """Streams of sandboxes that are open, and messages that the bus does not have yet."""
        ...

    def overflowed(self, windows: int) -> None:
        """The gateway threw windows away: too much waited for the bus."""
        ...

    def patterns(self, stored: int, seconds: float, waiting: int) -> None:
        """So many changes are in the pattern store, in one transaction; so many wait in the queue before it."""
        ...

    def patterns_waiting(self, waiting: int) -> None:
        """So many changes wait for the pattern store."""
        ...

    def patterns_asked(self, seconds: float) -> None:
        """The pattern store has answered a question: at least, once a second, how far it is."""
        ...

    def patterns_failed(self) -> None:
        """The pattern store took nothing: it is away, or refused."""
        ...

    def note(self, event: str, **fields: Any) -> None:
        """Something worth a line in the log."""
        ...

    def error(self, event: str, error: Exception, **fields: Any) -> None:
        """Something went wrong; with a stack trace where nobody foresaw it."""
        ...


class Tracer(Protocol):
    def span(self, name: str, traceparent: str, /, **attributes: Any) -> AbstractContextManager[object] | None:
        """A span below a sandbox's, None where that is not sampled: most are not."""
        ...

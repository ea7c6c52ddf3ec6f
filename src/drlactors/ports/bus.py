"""The bus as the actors need it: deliveries in, actions out, dead letters aside."""

from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import NamedTuple, Protocol

from drlactors.domain.ids import SessionId


class Kind(StrEnum):
    """What a sandbox's message is about: the third token of its subject."""

    TELEMETRY = "telemetry"
    FEEDBACK = "feedback"
    EPISODE = "episode"


class Delivery(NamedTuple):
    """A sandbox's message as it came, in the order of the stream."""

    sequence: int  # in the stream; the same message has the same one whenever it is delivered
    kind: Kind
    session: SessionId
    data: bytes
    traceparent: str = ""


class DeadLetter(NamedTuple):
    """A message that was not taken, kept for a person to look at."""

    subject: str
    sequence: int
    reason: str
    data: bytes


class BusUnreachable(Exception):
    """The message bus cannot be reached."""


class TooLarge(BusUnreachable):
    """A message is larger than the bus takes."""


class StreamReplaced(BusUnreachable):
    """The inbound stream is gone, or not the one that the position counts in: ask for its identity and begin anew."""


class Bus(Protocol):
    """The system's side of the bus. Methods may be called from any thread, and do not block unless they say so."""

    def identity(self) -> str:
        """Names this incarnation of the inbound stream: sequences are comparable within one only. Blocks."""
        ...

    def consume(self, after: int, deliver: Callable[[list[Delivery]], None], credit: int) -> None:
        """Deliver everything after a sequence, in order, never more than ``credit`` messages ahead. Blocks until begun.

        ``deliver`` is called on the bus's thread with what came together. What cannot be a delivery (its subject names
        no session, it is too large) goes to the dead letters and costs no credit. Raises StreamReplaced, also when the
        stream ends before ``after``: a machine that lost power may have forgotten its newest messages.
        """
        ...

    @property
    def listening(self) -> bool:
        """Whether a message that came now would be delivered: the bus is there, and there is credit left."""
        ...

    def replenish(self, messages: int) -> None:
        """Give back the credit of so many messages."""
        ...

    def stop_consuming(self) -> None:
        """No delivery begins after this returns. Blocks."""
        ...

    def publish(self, actions: Iterable[tuple[SessionId, bytes]]) -> None:
        """Send to sandboxes. Delivered at most once: who needs certainty sends again until it is answered."""
        ...

    def bury(self, delivery: Delivery, reason: str) -> None:
        """Put a message into the dead-letter stream."""
        ...

    def dead_letters(self, limit: int) -> list[DeadLetter]:
        """The newest dead letters, oldest first. Blocks."""
        ...

    def trim(self, through: int) -> None:
        """Let go of the inbound messages up to this sequence: the event log has them."""
        ...

    def close(self) -> None:
        """Send what is waiting, then disconnect. Blocks."""
        ...


class Trouble(NamedTuple):
    """Why a link brings nothing into the stream now."""

    why: str
    for_good: bool  # whoever this is has no right there: trying again does not change it


class SandboxLink(Protocol):
    """A sandbox's side of the bus. Methods may be called from any thread."""

    @property
    def trouble(self) -> Trouble | None:
        """None while what is said is stored."""
        ...

    def listen(self, session: SessionId, on_actions: Callable[[bytes], None]) -> None:
        """Hand each Actions message of this session to ``on_actions``, on the link's thread. Blocks until begun."""
        ...

    def send(self, kind: Kind, session: SessionId, data: bytes, traceparent: str = "") -> None:
        """Put a message into the stream, in the order of the calls; sent again until the bus has stored it.

        Blocks while too many are under way. Raises TooLarge, and BusUnreachable when the bus refused an earlier message
        for good or stores nothing any more.
        """
        ...

    def offer(self, kind: Kind, session: SessionId, data: bytes, traceparent: str = "") -> bool:
        """Like ``send``, but False at once instead of waiting: the message was not taken."""
        ...

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything sent is stored; False when time is up."""
        ...

    def forget(self, session: SessionId) -> None:
        """Stop listening for this session."""
        ...

    def close(self) -> None: ...


class Relay(Protocol):
    """The bus for a face of it. What it calls, and who calls it, lives on the thread of ``loop``; nothing blocks."""

    loop: AbstractEventLoop

    @property
    def reachable(self) -> bool:
        """Whether the bus takes messages now."""
        ...

    def post(
        self, kind: Kind, session: SessionId, data: bytes, traceparent: str, settled: Callable[[str], None], /
    ) -> None:
        """Put a message into the stream. ``settled`` hears "" once it is stored, or why it never will be.

        It is sent again until then. The next message of a session should wait for it: nothing bounds what waits here.
        """
        ...

    async def listen(self, session: SessionId, on_actions: Callable[[bytes], None]) -> None:
        """Hand each Actions message of a session to ``on_actions``: also those that answer what is posted next.

        A session has one listener.
        """
        ...

    async def listening(self) -> None:
        """Wait until the bus knows of every session that is listened to: nothing that it says from now on is missed."""
        ...

    async def forget(self, session: SessionId) -> None: ...

    def close(self) -> None:
        """Disconnect. Blocks; called from another thread."""
        ...

"""A sandbox's side of the bus, on NATS."""

import contextlib
import uuid
from collections.abc import Callable
from itertools import count

import nats.errors

from drlactors.bus.bridge import Bridge
from drlactors.bus.client import DirectClient
from drlactors.bus.connection import Connection
from drlactors.bus.credentials import Credentials
from drlactors.bus.nats_bus import MAX_MESSAGE_BYTES
from drlactors.bus.notices import Hook, Notices
from drlactors.bus.publisher import DENIED, Message, Publisher
from drlactors.bus.subjects import ROOT, Subjects
from drlactors.domain.ids import SessionId
from drlactors.ports.bus import BusUnreachable, Kind, TooLarge, Trouble
from drlactors.ports.room import Room

UNDER_WAY = 4096
CLOSE_S = 5.0


class NatsSandboxLink:
    """Implements ``drlactors.ports.bus.SandboxLink``. Connects when made; raises BusUnreachable.

    Needs no right on JetStream's API: publishing into its own subjects and reading its own inboxes is all it does.
    ``send`` refuses a message of more than ``max_message_bytes`` at once, and raises when nothing was stored for
    ``patience_s`` while ``under_way`` messages wait.
    """

    def __init__(
        self,
        url: str,
        *,
        credentials: Credentials | None = None,
        root: str = ROOT,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        under_way: int = UNDER_WAY,
        patience_s: float = 60.0,
        connect_timeout_s: float = 10.0,
        hook: Hook | None = None,
    ) -> None:
        self.notices = Notices(hook)
        self._subjects = Subjects(root)
        self._max_message_bytes = max_message_bytes
        self._room = Room(under_way, patience_s)
        self._connection = Connection(
            url, "drlactors-sandbox", credentials or Credentials(), self.notices, self._complained
        )
        loop = self._connection.loop
        self._publisher = Publisher(
            loop,
            self.notices,
            settled=lambda messages: self._room.give(len(messages)),
            refused=lambda message, reason: self._room.refuse(f"{message.subject}: {reason}"),
        )
        self._bridge: Bridge[Message] = Bridge(loop, self._publisher.submit)
        self._name = uuid.uuid4().hex
        self._numbers = count(1)
        self._listeners: dict[SessionId, Callable[[bytes], None]] = {}
        self._subscriptions: dict[SessionId, int] = {}
        self._denied = ""  # on this connection
        self._connection.open([self], connect_timeout_s)

    @property
    def trouble(self) -> Trouble | None:
        if lost := self._connection.trouble:
            return lost
        if self._denied:
            return Trouble(f"The message bus refuses this sandbox: {self._denied}.", True)
        stalled = self._room.trouble
        if stalled and (reason := self._publisher.retried):
            return Trouble(f"{stalled.why.removesuffix('.')}: {reason}.", False)
        return stalled

    def listen(self, session: SessionId, on_actions: Callable[[bytes], None]) -> None:
        async def begin() -> None:
            client = await self._connection.client()
            self._listeners[session] = on_actions
            await self._subscribe(client, session)
            await client.flush()

        self._connection.ask(begin())

    def send(self, kind: Kind, session: SessionId, data: bytes, traceparent: str = "") -> None:
        self._check_size(data)
        self._room.take()
        self._put(kind, session, data, traceparent)

    def offer(self, kind: Kind, session: SessionId, data: bytes, traceparent: str = "") -> bool:
        self._check_size(data)
        taken = self._room.offer()
        if taken:
            self._put(kind, session, data, traceparent)
        return taken

    def _check_size(self, data: bytes) -> None:
        if len(data) > self._max_message_bytes:
            raise TooLarge(
                f"The message bus takes no message of {len(data)} bytes; {self._max_message_bytes} are allowed."
            )

    def _put(self, kind: Kind, session: SessionId, data: bytes, traceparent: str) -> None:
        subject = self._subjects.inbound(kind, session)
        trace = {"traceparent": traceparent} if traceparent else None
        message = Message(subject, data, f"{self._name}.{next(self._numbers)}", session, trace)
        if not self._bridge.put(message):
            self._room.give()
            raise BusUnreachable("The link to the message bus is closed.")

    def flush(self, timeout_s: float) -> bool:
        return self._room.wait_empty(timeout_s)

    def forget(self, session: SessionId) -> None:
        async def end() -> None:
            self._listeners.pop(session, None)
            subscription = self._subscriptions.pop(session, 0)
            with contextlib.suppress(nats.errors.Error):
                await (await self._connection.client()).ignore(subscription)

        with contextlib.suppress(BusUnreachable):  # closed: nobody listens
            self._connection.ask(end())

    def close(self) -> None:
        with contextlib.suppress(BusUnreachable):  # told to whoever sent
            trouble = self.trouble
            self.flush(0.0 if trouble and trouble.for_good else CLOSE_S)
        self._connection.close()

    async def connected(self, client: DirectClient) -> None:
        """A Part of the connection: listening first, so that no answer to what is sent again is missed."""
        self._denied = ""
        self._subscriptions.clear()
        for session in self._listeners:
            await self._subscribe(client, session)
        await self._publisher.connected(client)

    def disconnected(self) -> None:
        self._publisher.disconnected()

    def _complained(self, complaint: str) -> None:
        if DENIED in complaint:
            self._denied = complaint
        self._publisher.denied(complaint)

    async def _subscribe(self, client: DirectClient, session: SessionId) -> None:
        on_actions = self._listeners[session]

        def arrived(_subject: bytes, _reply: bytes, data: bytes, _headers: bytes | None) -> None:
            self._connection.loop.call_soon(on_actions, data)  # what the listener raises must not end the reading

        await client.ignore(self._subscriptions.pop(session, 0))
        self._subscriptions[session] = await client.listen(self._subjects.action(session), arrived)

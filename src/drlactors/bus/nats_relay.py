"""The bus for a face of it, on NATS: a connection whose loop the face lives in as well."""

import contextlib
import uuid
from collections.abc import Callable
from itertools import count

import nats.errors

from drlactors.bus.client import DirectClient
from drlactors.bus.connection import Connection
from drlactors.bus.credentials import Credentials
from drlactors.bus.notices import Hook, Notices
from drlactors.bus.publisher import Message, Publisher
from drlactors.bus.subjects import ROOT, Subjects
from drlactors.domain.ids import SessionId
from drlactors.ports.bus import Kind


class NatsRelay:
    """Implements ``drlactors.ports.bus.Relay``. Connects when made; raises BusUnreachable.

    Needs the rights of a sandbox only.
    """

    def __init__(
        self,
        url: str,
        *,
        credentials: Credentials | None = None,
        root: str = ROOT,
        connect_timeout_s: float = 10.0,
        hook: Hook | None = None,
    ) -> None:
        self.notices = Notices(hook)
        self._subjects = Subjects(root)
        self._connection = Connection(
            url, "drlactors-relay", credentials or Credentials(), self.notices, self._complained
        )
        self.loop = self._connection.loop
        self._publisher = Publisher(self.loop, self.notices, settled=self._settled, refused=self._refused)
        self._name = uuid.uuid4().hex
        self._numbers = count(1)
        self._waiting: dict[Message, Callable[[str], None]] = {}
        self._refusals: dict[Message, str] = {}
        self._listeners: dict[SessionId, Callable[[bytes], None]] = {}
        self._subscriptions: dict[SessionId, int] = {}
        self._client: DirectClient | None = None
        self._connection.open([self], connect_timeout_s)

    @property
    def reachable(self) -> bool:
        return self._client is not None

    def post(
        self, kind: Kind, session: SessionId, data: bytes, traceparent: str, settled: Callable[[str], None]
    ) -> None:
        trace = {"traceparent": traceparent} if traceparent else None
        id_ = f"{self._name}.{next(self._numbers)}"
        message = Message(self._subjects.inbound(kind, session), data, id_, session, trace)
        self._waiting[message] = settled
        self._publisher.submit([message])

    async def listen(self, session: SessionId, on_actions: Callable[[bytes], None]) -> None:
        self._listeners[session] = on_actions
        if self._client is not None:
            with contextlib.suppress(nats.errors.Error):  # disconnected: the next connection listens
                await self._subscribe(self._client, session)

    async def listening(self) -> None:
        if self._client is not None:
            with contextlib.suppress(nats.errors.Error):  # disconnected: the next connection listens
                await self._client.flush()

    async def forget(self, session: SessionId) -> None:
        self._listeners.pop(session, None)
        subscription = self._subscriptions.pop(session, 0)
        if self._client is not None:
            with contextlib.suppress(nats.errors.Error):  # disconnected: nobody listens
                await self._client.ignore(subscription)

    def close(self) -> None:
        self._connection.close()

    async def connected(self, client: DirectClient) -> None:
        """A Part of the connection: listening first, so that no answer to what is posted again is missed."""
        self._subscriptions.clear()
        while unheard := self._listeners.keys() - self._subscriptions.keys():
            await self._subscribe(client, unheard.pop())
        await self._publisher.connected(client)
        self._client = client

    def disconnected(self) -> None:
        self._client = None
        self._publisher.disconnected()

    async def _subscribe(self, client: DirectClient, session: SessionId) -> None:
        """The server reads this before anything that is published later."""
        on_actions = self._listeners[session]

        def arrived(_subject: bytes, _reply: bytes, data: bytes, _headers: bytes | None) -> None:
            self.loop.call_soon(on_actions, data)  # what the listener raises must not end the reading

        self._subscriptions[session] = await client.listen(self._subjects.action(session), arrived)

    def _refused(self, message: Message, reason: str) -> None:
        self._refusals[message] = reason

    def _settled(self, messages: list[Message]) -> None:
        for message in messages:
            self._waiting.pop(message)(self._refusals.pop(message, ""))

    def _complained(self, complaint: str) -> None:
        self._publisher.denied(complaint)

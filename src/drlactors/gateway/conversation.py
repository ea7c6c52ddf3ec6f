"""One stream of a sandbox: what it says goes to the intake, what it is told waits until it reads."""

import asyncio
from collections import deque

import grpc

from drlactors.domain.ids import SessionId
from drlactors.gateway.errors import Declined
from drlactors.gateway.intake import Item, Seqs
from drlactors.wire.v1 import action_pb2, gateway_pb2, telemetry_pb2

#: What is told at once: it costs as much to send one as to send these.
STORED_AT_ONCE, ACTIONS_AT_ONCE = 4096, 256
#: A sandbox that does not read is not read from, once this much waits for it; of actions the oldest are thrown away.
#: The dispatcher sends again what has to be answered, the sandbox asks again for the rest.
UNREAD, UNREAD_ACTIONS = 8192, 4096


class Conversation:
    """Implements ``intake.Speaker``. Lives on the gateway's loop."""

    def __init__(self, caller: str, most_waiting: int, most_bytes: int) -> None:
        self.caller = caller  # empty where callers do not have to show who they are
        self.sandbox_of: dict[SessionId, str] = {}  # whose actions it hears, and as whom
        self.waiting: dict[Item, None] = {}
        self.waiting_bytes = 0
        self.revoked = asyncio.Event()
        self.unread_dropped = 0  # actions
        self._most_waiting = most_waiting
        self._most_bytes = most_bytes
        self._stored: list[int] = []
        self._declined: list[gateway_pb2.Declined] = []
        self._dropped: list[gateway_pb2.Dropped] = []
        self._actions: deque[action_pb2.Actions] = deque()
        self._some = asyncio.Event()
        self._changed = asyncio.Event()  # less waits than before

    # What became of what was said

    def stored(self, item: Item) -> None:
        self.taken(item.number)

    def declined(self, item: Item, declined: Declined) -> None:
        self.decline(item.number, str(item.session), declined)

    def dropped(self, item: Item, seqs: Seqs) -> None:
        loss = telemetry_pb2.Loss(
            session_id=str(item.session), sandbox_id=item.sandbox, first_seq=seqs.first, last_seq=seqs.last
        )
        self._dropped.append(gateway_pb2.Dropped(number=item.number, loss=loss))
        self._tell()

    def taken(self, number: int) -> None:
        self._stored.append(number)
        self._tell()

    def decline(self, number: int, session: str, declined: Declined) -> None:
        self._declined.append(
            gateway_pb2.Declined(number=number, session_id=session, code=declined.code, reason=declined.reason)
        )
        self._tell()

    def hear(self, actions: action_pb2.Actions) -> None:
        self._actions.append(actions)
        if len(self._actions) > UNREAD_ACTIONS:
            self._actions.popleft()
            self.unread_dropped += 1
        self._tell()

    def _tell(self) -> None:
        self._some.set()
        self._changed.set()

    # Reading and writing

    async def room(self) -> None:
        """Wait until more may be said: meanwhile nothing is read, and HTTP/2 makes the sandbox wait."""
        while self._full():
            self._changed.clear()
            await self._changed.wait()

    async def settled(self) -> None:
        """Wait until it is known, and told, what became of everything that was said."""
        while self.waiting or self._unread():
            self._changed.clear()
            await self._changed.wait()

    async def write(self, context: grpc.aio.ServicerContext) -> None:
        """Tell for ever."""
        while True:
            await self._some.wait()
            self._some.clear()
            while self._unread():
                await context.write(self._next())
                self._changed.set()

    def _full(self) -> bool:
        return (
            len(self.waiting) >= self._most_waiting
            or self.waiting_bytes >= self._most_bytes
            or len(self._stored) + len(self._declined) + len(self._dropped) > UNREAD
        )

    def _unread(self) -> bool:
        return bool(self._stored or self._declined or self._dropped or self._actions)

    def _next(self) -> gateway_pb2.ToSandbox:
        told = gateway_pb2.ToSandbox(
            stored=self._stored[:STORED_AT_ONCE],
            declined=self._declined[:ACTIONS_AT_ONCE],
            dropped=self._dropped[:ACTIONS_AT_ONCE],
            actions=[self._actions.popleft() for _ in range(min(ACTIONS_AT_ONCE, len(self._actions)))],
        )
        del self._stored[:STORED_AT_ONCE]
        del self._declined[:ACTIONS_AT_ONCE]
        del self._dropped[:ACTIONS_AT_ONCE]
        return told

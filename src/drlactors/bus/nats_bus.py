"""The system's side of the bus, on NATS."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable

from drlactors.bus import dead_letters, streams
from drlactors.bus.bridge import Bridge
from drlactors.bus.client import DirectClient
from drlactors.bus.connection import Connection
from drlactors.bus.credentials import Credentials
from drlactors.bus.notices import BusEvent, Hook, Notices
from drlactors.bus.outbox import Outbox
from drlactors.bus.publisher import Message, Publisher
from drlactors.bus.pull import Pull
from drlactors.bus.streams import Limits
from drlactors.bus.subjects import ROOT, Subjects
from drlactors.bus.trimmer import Trimmer
from drlactors.codec.outbound import refusal
from drlactors.domain.ids import SessionId
from drlactors.ports.bus import BusUnreachable, DeadLetter, Delivery

MAX_MESSAGE_BYTES = 1 << 20
#: Dead letters that wait to be stored. From half of it on nothing more is pulled, so that rubbish never overruns it.
DEAD_BYTES_UNDER_WAY = 64 << 20
DRAIN_S = 5.0


class NatsBus:
    """Implements ``drlactors.ports.bus.Bus``. Connects and declares the streams when made; raises BusUnreachable.

    ``url`` may name several servers of a cluster, separated by commas.
    """

    def __init__(
        self,
        url: str,
        *,
        credentials: Credentials | None = None,
        limits: Limits | None = None,
        root: str = ROOT,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        trim_interval_s: float = 2.0,
        connect_timeout_s: float = 10.0,
        hook: Hook | None = None,
        buried: Callable[[str], None] | None = None,
    ) -> None:
        """``buried`` hears the reason of each message that could not be a delivery, on the bus's thread."""
        self.notices = Notices(hook)
        self._told_buried = buried
        self._subjects = Subjects(root)
        self._limits = limits or Limits()
        self._max_message_bytes = max_message_bytes
        self._connection = Connection(url, "drlactors", credentials or Credentials(), self.notices)
        loop = self._connection.loop
        self._outbox = Outbox(loop, self.notices, self._subjects)
        self._burials = Publisher(loop, self.notices, settled=self._buried, refused=self._not_buried)
        self._burying: Bridge[DeadLetter] = Bridge(loop, self._bury_all)
        self._burying_bytes = 0
        self._identity = ""
        self._trimmer = Trimmer(loop, self._subjects.sandbox_stream(), lambda: self._identity, trim_interval_s)
        self._pull: Pull | None = None
        self._connection.open([self], connect_timeout_s)

    def identity(self) -> str:
        async def look() -> str:
            return (await streams.state(await self._connection.client(), self._subjects.sandbox_stream())).identity

        found = self._connection.ask(look())
        if found != self._identity:
            self._trimmer.forget()
            self._identity = found
        return found

    def consume(self, after: int, deliver: Callable[[list[Delivery]], None], credit: int) -> None:
        if self._pull is not None:
            self.stop_consuming()
        pull = Pull(
            self._connection.loop,
            self.notices,
            self._subjects,
            identity=self._identity,
            after=after,
            deliver=deliver,
            bury=self._set_aside,
            may_bury=lambda: self._burying_bytes < DEAD_BYTES_UNDER_WAY // 2,
            credit=credit,
            max_message_bytes=self._max_message_bytes,
        )

        async def begin() -> None:
            client = await self._connection.client()
            await pull.begin(client)
            self._pull = pull

        self._connection.ask(begin())

    @property
    def reading(self) -> bool:
        """Whether there is a consumer on the server; for as long as credit lasts, it is listened to."""
        pull = self._pull
        return pull is not None and not pull.in_doubt

    @property
    def listening(self) -> bool:
        pull = self._pull
        return pull is not None and not pull.in_doubt and pull.credit.requested > 0

    def replenish(self, messages: int) -> None:
        if (pull := self._pull) is not None:
            pull.replenish(messages)

    def stop_consuming(self) -> None:
        pull, self._pull = self._pull, None
        if pull is not None:
            with contextlib.suppress(BusUnreachable):  # closed: nothing is delivered any more
                self._connection.ask(pull.stop())

    def publish(self, actions: Iterable[tuple[SessionId, bytes]]) -> None:
        self._outbox.put(list(actions))

    def bury(self, delivery: Delivery, reason: str) -> None:
        subject = self._subjects.inbound(delivery.kind, delivery.session)
        self._burying.put(DeadLetter(subject, delivery.sequence, reason, delivery.data))

    def dead_letters(self, limit: int) -> list[DeadLetter]:
        async def look() -> list[DeadLetter]:
            found = await dead_letters.newest(await self._connection.client(), self._subjects, limit)
            return [letter for _, letter in found]

        return self._connection.ask(look())

    def trim(self, through: int) -> None:
        pull = self._pull
        if pull is None or not pull.replaced:
            self._trimmer.through(through)

    def close(self) -> None:
        self.stop_consuming()
        with contextlib.suppress(BusUnreachable):
            self._connection.ask(self._drain(), DRAIN_S + 1.0)
        self._connection.close()

    async def connected(self, client: DirectClient) -> None:
        """A Part of the connection: the streams first, then whoever uses them."""
        await streams.declare(client, self._subjects, self._limits)
        if not self._identity:
            self._identity = (await streams.state(client, self._subjects.sandbox_stream())).identity
        for part in (self._burials, self._outbox, self._trimmer, self._pull):
            if part is not None:
                await part.connected(client)

    def disconnected(self) -> None:
        for part in (self._burials, self._outbox, self._trimmer, self._pull):
            if part is not None:
                part.disconnected()

    async def _drain(self) -> None:
        until_s = time.monotonic() + DRAIN_S
        while not (self._outbox.idle and self._burials.idle) and time.monotonic() < until_s:  # noqa: ASYNC110 - at the end
            await asyncio.sleep(0.005)
        await (await self._connection.client()).flush()

    def _set_aside(self, subject: str, sequence: int, reason: str, data: bytes) -> None:
        kind, session = self._subjects.read(subject.encode())
        if session is not None:
            self.publish([(session, refusal(session, kind, reason))])
        if self._told_buried is not None:
            self._told_buried(reason)
        self._submit(DeadLetter(subject, sequence, reason, data))  # bounded by the pull, which waits for room

    def _bury_all(self, letters: list[DeadLetter]) -> None:
        for letter in letters:
            if self._burying_bytes + len(letter.data) > DEAD_BYTES_UNDER_WAY:
                self.notices.note(BusEvent.DEAD_LETTER_DROPPED, f"message {letter.sequence}: {letter.reason}")
            else:
                self._submit(letter)

    def _submit(self, letter: DeadLetter) -> None:
        message = dead_letters.write(self._subjects, letter, self._identity)
        self._burying_bytes += message.size_bytes
        self._burials.submit([message])

    def _buried(self, messages: list[Message]) -> None:
        self._burying_bytes -= sum(message.size_bytes for message in messages)

    def _not_buried(self, message: Message, reason: str) -> None:
        self.notices.note(BusEvent.DEAD_LETTER_DROPPED, f"message {message.lane}: {reason}")

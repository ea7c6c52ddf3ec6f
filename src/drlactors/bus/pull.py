"""The standing pull: everything behind a sequence, in order, within a credit."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

import nats.errors

from drlactors.bus import streams
from drlactors.bus.api import STREAM_NOT_FOUND, ApiRefused, ask
from drlactors.bus.bridge import Bridge
from drlactors.bus.client import DirectClient, header, status
from drlactors.bus.credit import Credit
from drlactors.bus.notices import BusEvent, Notices
from drlactors.bus.subjects import Subjects
from drlactors.ports.bus import BusUnreachable, Delivery, StreamReplaced

HEARTBEAT_S = 0.5
SILENCE_S = 2.5 * HEARTBEAT_S
LOOK_S = 0.25
RENEW_PAUSE_S = 0.1
REQUEST_EXPIRES_S = 30.0
#: What one request may bring, or one message of the largest size that the server takes if that is more: a request that
#: cannot carry the next message would be refused for ever.
REQUEST_BYTES = 16 << 20
HEADER_BYTES = 64 << 10
AHEAD_BYTES = 64 << 20
#: Said with status 409 when a request that bounds its bytes has run out of messages or of bytes.
REQUEST_OVER = ("Batch Completed", "Message Size Exceeds MaxBytes")
TRACEPARENT_LENGTH = 128  # W3C: 55 in version 00, later ones may be longer

Bury = Callable[[str, int, str, bytes], None]  # subject, sequence, reason, data


class Pull:
    """Reads a stream through an ephemeral consumer that is made anew behind the last delivery whenever it is in doubt.

    In doubt: after a reconnect, when its own sequence shows that a message was lost on the way, when heartbeats stop
    while a request stands, and when the server says anything about it but "here" and "not yet".
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        notices: Notices,
        subjects: Subjects,
        *,
        identity: str,
        after: int,
        deliver: Callable[[list[Delivery]], None],
        bury: Bury,
        may_bury: Callable[[], bool],
        credit: int,
        max_message_bytes: int,
    ) -> None:
        self.last = after  # the sequence of the last message that was handed over or buried
        self.replaced = False
        self.credit = Credit(credit, AHEAD_BYTES)
        self._loop = loop
        self._notices = notices
        self._subjects = subjects
        self._stream = subjects.sandbox_stream()
        self._identity = identity
        self._deliver = deliver
        self._bury = bury
        self._may_bury = may_bury
        self._max_message_bytes = max_message_bytes
        self._returns: Bridge[int] = Bridge(loop, self._take_back)
        self._client: DirectClient | None = None
        self._consumer = ""
        self._inbox = ""
        self._subscription = 0
        self._expected = 0  # the consumer's own sequence of the next message; 0 while there is no consumer
        self._heard_s = 0.0
        self._read = after  # the sequence of the last message in the batch
        self._batch: list[Delivery] = []
        self._armed = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def in_doubt(self) -> bool:
        return not self._expected

    def replenish(self, messages: int) -> None:
        """From any thread. While a request stands, the loop looks when the next messages come: no commit wakes it."""
        self._returns.put(messages, wake=not self.credit.requested)

    async def begin(self, client: DirectClient) -> None:
        """Raises StreamReplaced, and whatever keeps the server from answering."""
        self._client = client
        await self._renew(client)
        self._start(self._watch(client))

    async def connected(self, client: DirectClient) -> None:
        if self.replaced:
            return
        try:
            await self.begin(client)
        except StreamReplaced as error:
            self._halt(str(error))

    def disconnected(self) -> None:
        self._client = None
        self._expected = 0
        self._subscription = 0
        for task in tuple(self._tasks):
            task.cancel()

    async def stop(self) -> None:
        client, consumer = self._client, self._consumer
        await self._leave()
        self.disconnected()
        self._batch.clear()
        if client is not None and client.is_connected:
            with contextlib.suppress(nats.errors.Error, OSError, BusUnreachable):
                await ask(client, f"CONSUMER.DELETE.{self._stream}.{consumer}")

    async def _renew(self, client: DirectClient) -> None:
        await self._leave()
        try:
            found = await streams.state(client, self._stream)
        except ApiRefused as refused:
            if refused.code == STREAM_NOT_FOUND:
                raise StreamReplaced(f"The inbound stream {self._identity} is gone.") from refused
            raise
        if found.identity == self._identity and found.last_sequence < self.last:
            await streams.begin_incarnation(client, self._stream)
            found = await streams.state(client, self._stream)
        if found.identity != self._identity:
            raise StreamReplaced(f"The inbound stream was {self._identity} and is {found.identity} now.")
        self._flush()  # what was read before is good; what follows is asked for again
        consumer, inbox = f"plane-{uuid.uuid4().hex}", client.new_inbox()
        await ask(
            client,
            f"CONSUMER.CREATE.{self._stream}.{consumer}",
            {"stream_name": self._stream, "action": "create", "config": streams.consumer(consumer, self.last)},
        )
        subscription = await client.listen(inbox, self._heard)
        if self._client is not client:
            return
        self._consumer, self._inbox, self._subscription = consumer, inbox, subscription
        self._read = self.last
        self._expected = 1
        self.credit.requested = 0
        await self._request()

    async def _leave(self) -> None:
        subscription, self._subscription = self._subscription, 0
        self._expected = 0
        if subscription and self._client is not None:
            with contextlib.suppress(nats.errors.Error):
                await self._client.ignore(subscription)

    def _request_soon(self) -> None:
        if self.credit.to_request():  # seldom: a task for nothing costs 10 us
            self._start(self._request())

    async def _request(self) -> None:
        batch = self.credit.to_request()
        if not batch or not self._expected or self._client is None or not self._may_bury():
            return
        self.credit.requested += batch
        self._heard_s = self._loop.time()
        body = {
            "batch": batch,
            "max_bytes": max(REQUEST_BYTES, self._client.max_payload + HEADER_BYTES),
            "expires": int(REQUEST_EXPIRES_S * streams.NS_PER_S),
            "idle_heartbeat": int(HEARTBEAT_S * streams.NS_PER_S),
        }
        with contextlib.suppress(nats.errors.Error):  # disconnected: the next connection begins anew
            await self._client.publish(
                f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._consumer}", json.dumps(body).encode(), self._inbox
            )

    def _heard(self, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        self._heard_s = self._loop.time()
        if not self._expected:
            return  # what a consumer in doubt still sends
        if not reply:
            self._status(headers)
            return
        fields = reply.split(b".")  # $JS.ACK.[domain.account.]stream.consumer.delivered.stream_seq.consumer_seq
        at = 5 if len(fields) == 9 else 7
        if int(fields[at + 1]) != self._expected:
            self._doubt(f"message {self._expected} of the consumer was lost on its way")
            return
        self._expected += 1
        self.credit.arrived()
        self._read = sequence = int(fields[at])
        kind, session = self._subjects.read(subject)
        if session is None or len(data) > self._max_message_bytes:
            self._set_aside(subject, sequence, data, named=session is not None)
        else:
            traceparent = header(headers, b"traceparent")[:TRACEPARENT_LENGTH]
            self._batch.append(Delivery(sequence, kind, session, data, traceparent))
            self.credit.handed_over(len(data))
        if not self._armed:
            self._armed = True
            self._loop.call_soon(self._turn)

    def _set_aside(self, subject: bytes, sequence: int, data: bytes, *, named: bool) -> None:
        size = len(data)
        too_large = f"{size} bytes are more than the {self._max_message_bytes} that a message may have"
        reason = too_large if named else "its subject names no session"
        self._notices.note(BusEvent.DEAD_LETTER, f"message {sequence}: {reason}")
        self._bury(subject.decode(errors="backslashreplace"), sequence, reason, data[: self._max_message_bytes])

    def _status(self, headers: bytes | None) -> None:
        said, description = status(headers)
        if said == "100":
            return  # a heartbeat
        if said == "408" or (said == "409" and description in REQUEST_OVER):
            unused = int(header(headers, b"Nats-Pending-Messages") or "0")
            self.credit.requested = max(0, self.credit.requested - unused)
            self._start(self._request())
        else:
            self._doubt(f"the server says {said} {description}".strip())

    def _turn(self) -> None:
        self._armed = False
        self._flush()
        self._returns.drain()
        self._request_soon()

    def _flush(self) -> None:
        """Hand over what came together, as one list; when the reader fails, the list is delivered again."""
        batch, self._batch = self._batch, []
        read, taken = self._read, not batch
        try:
            if batch:
                self._deliver(batch)
                taken = True
        finally:
            if taken:
                self.last = read
            else:
                self.credit.given_back(len(batch))
                self._read = self.last
                self._doubt("the reader failed")

    def _take_back(self, returned: list[int]) -> None:
        self.credit.given_back(sum(returned))
        self._request_soon()

    def _doubt(self, reason: str) -> None:
        if self._expected and self._client is not None:
            self._expected = 0
            self._notices.note(BusEvent.CONSUMER_RENEWED, reason)
            self._start(self._renew_until_done(self._client))

    async def _renew_until_done(self, client: DirectClient) -> None:
        while self._client is client:
            try:
                await self._renew(client)
            except StreamReplaced as error:
                self._halt(str(error))
            except (nats.errors.Error, OSError, BusUnreachable):
                await asyncio.sleep(RENEW_PAUSE_S)
                continue
            return

    def _halt(self, reason: str) -> None:
        self.replaced = True
        self._notices.note(BusEvent.STREAM_REPLACED, reason)
        self.disconnected()

    async def _watch(self, client: DirectClient) -> None:
        while self._client is client:
            slept_from_s = self._loop.time()
            await asyncio.sleep(LOOK_S)
            now_s = self._loop.time()
            if now_s - slept_from_s > 2 * LOOK_S:
                self._heard_s = now_s  # this thread was held up: heartbeats may wait to be read
            if self.credit.requested and now_s - self._heard_s > SILENCE_S:
                self._doubt(f"no heartbeat for {now_s - self._heard_s:.1f} s")
            self._returns.drain()
            await self._request()  # dead letters may have found room

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)  # the loop alone would let it be collected
        task.add_done_callback(self._tasks.discard)

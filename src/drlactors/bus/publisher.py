"""Publishing into a stream, each message acknowledged by the server, in order within a lane."""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Hashable, Iterable

import nats.errors

from drlactors.bus.client import DirectClient, header_block, status
from drlactors.bus.notices import BusEvent, Notices

ACK_TIMEOUT_S = 2.0
LOOK_S = 0.25
WRITE_BYTES = 64 << 10  # in one go
BACKOFF_S = (0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
NO_RESPONDERS = "503"
DENIED = "permissions violation for publish"
#: What passes: the stream is full or its server busy, moving or starting. Everything else is a refusal for good.
PASSING = frozenset((
    10008,  # system temporarily unavailable
    10023, 10028, 10047,  # insufficient resources, memory or storage
    10077,  # stream full (maximum bytes or messages exceeded)
    10167,  # too many requests
))  # fmt: skip


class Message:
    """One message on its way into a stream. ``id`` makes the server store it once, however often it is sent."""

    __slots__ = ("headers", "lane", "payload", "sent_s", "subject", "token", "tries")

    def __init__(
        self, subject: str, payload: bytes, id_: str, lane: Hashable, headers: dict[str, str] | None = None
    ) -> None:
        self.subject = subject
        self.payload = payload
        self.lane = lane
        self.headers = header_block({"Nats-Msg-Id": id_} | (headers or {}))
        self.token = ""
        self.sent_s = 0.0
        self.tries = 0

    @property
    def size_bytes(self) -> int:
        return len(self.headers) + len(self.payload)

    def frame(self, inbox: str) -> bytes:
        head = f"HPUB {self.subject} {inbox}.{self.token} {len(self.headers)} {self.size_bytes}\r\n"
        return b"%b%b%b\r\n" % (head.encode(), self.headers, self.payload)


class Publisher:
    """Up to ``window`` messages under way, one of each lane: the next of a lane goes when the one before is stored.

    Sending a failed message and everything behind it again does not keep order: a full stream refuses one message and,
    trimmed the next moment, stores the one behind it. With one under way there is nothing to overtake. A lane alone
    therefore carries one message a round trip (1,300 to 1,900/s on two busy cores); lanes together fill the window.

    nats-py's ``publish_async`` never resolves after a server error or a disconnect (2,500 to 3,400 hung in a test);
    here each message is sent again after a passing error, after ``ACK_TIMEOUT_S`` and on every new connection.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        notices: Notices,
        *,
        settled: Callable[[list[Message]], None],
        refused: Callable[[Message, str], None],
        window: int = 1024,
    ) -> None:
        """``settled`` is called with what is done with, ``refused`` before it for what was refused for good."""
        self._loop = loop
        self._notices = notices
        self._told_settled = settled
        self._told_refused = refused
        self._window = window
        self._lanes: dict[Hashable, deque[Message]] = {}  # with a message under way: what waits behind it
        self._ready: deque[Message] = deque()
        self._flight: dict[str, Message] = {}  # in the order of sending
        self._settled: list[Message] = []  # in this turn of the loop
        self._minted = 0
        self._client: DirectClient | None = None
        self.retried = ""  # why a message had to be sent again last
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def idle(self) -> bool:
        return not self._lanes

    def submit(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self._minted += 1
            message.token = str(self._minted)
            lane = self._lanes.get(message.lane)
            if lane is None:
                self._lanes[message.lane] = deque()
                self._ready.append(message)
            else:
                lane.append(message)
        self._wake.set()

    async def connected(self, client: DirectClient) -> None:
        inbox = client.new_inbox()
        self._client = client
        await client.listen(f"{inbox}.*", self._answered)
        self._ready.extendleft(reversed(self._flight.values()))
        self._flight.clear()
        self._wake.set()
        self._tasks = [self._loop.create_task(self._write(client, inbox)), self._loop.create_task(self._look(client))]

    def disconnected(self) -> None:
        self._client = None
        for task in self._tasks:
            task.cancel()
        self._tasks = []

    async def _write(self, client: DirectClient, inbox: str) -> None:
        # nats-py swallows a cancellation while it flushes, so the loop looks who is connected as well.
        while self._client is client:
            await self._wake.wait()
            self._wake.clear()
            while self._client is client and (frames := self._next_frames(inbox, client.max_payload)):
                try:
                    await client.send(frames)
                except nats.errors.Error:
                    return  # disconnected: what is in flight goes again on the next connection

    def _next_frames(self, inbox: str, most_bytes: int) -> list[bytes]:
        frames = []
        written_bytes, now_s = 0, self._loop.time()
        while self._ready and len(self._flight) < self._window and written_bytes < WRITE_BYTES:
            message = self._ready.popleft()
            if message.size_bytes > most_bytes:
                self._refuse(message, f"{message.size_bytes} bytes are more than the server takes")
                continue
            message.sent_s = now_s
            message.tries += 1
            self._flight[message.token] = message
            frames.append(message.frame(inbox))
            written_bytes += message.size_bytes
        return frames

    async def _look(self, client: DirectClient) -> None:
        while self._client is client:
            await asyncio.sleep(LOOK_S)
            late_s = self._loop.time() - ACK_TIMEOUT_S
            for message in list(self._flight.values()):
                if message.sent_s > late_s:
                    break
                self._retry(message, "no answer")

    def _answered(self, subject: bytes, _reply: bytes, data: bytes, headers: bytes | None) -> None:
        message = self._flight.get(subject[subject.rfind(b".") + 1 :].decode())
        if message is None:
            return  # an earlier attempt of one that was answered since
        if not data:  # no stream listens to that subject, or no server of it is there
            said, description = status(headers)
            self._retry(message, "no stream takes it" if said == NO_RESPONDERS else f"{said} {description}")
            return
        if b'"error"' not in data:
            del self._flight[message.token]
            self._settle(message)
            return
        error = json.loads(data)["error"]
        reason = str(error.get("description", "no reason given"))
        if error.get("err_code") in PASSING or error.get("code") == int(NO_RESPONDERS):
            self._retry(message, reason)
        else:
            self._refuse(message, reason)

    def denied(self, complaint: str) -> None:
        """The server does not answer what it does not permit; it complains, in lower case, and names the subject."""
        if DENIED in complaint:
            for message in list(self._flight.values()):
                if f'"{message.subject.lower()}"' in complaint:
                    self._refuse(message, "this user may not publish there")

    def _retry(self, message: Message, reason: str) -> None:
        self._flight.pop(message.token, None)
        self.retried = f"{message.subject}: {reason}"
        self._notices.note(BusEvent.PUBLISH_RETRIED, self.retried)
        pause_s = BACKOFF_S[min(message.tries, len(BACKOFF_S)) - 1]
        self._loop.call_later(pause_s, self._make_ready, message)

    def _make_ready(self, message: Message) -> None:
        self._ready.append(message)
        self._wake.set()

    def _refuse(self, message: Message, reason: str) -> None:
        self._flight.pop(message.token, None)
        self._notices.note(BusEvent.PUBLISH_REFUSED, f"{message.subject}: {reason}")
        self._told_refused(message, reason)
        self._settle(message)

    def _settle(self, message: Message) -> None:
        behind = self._lanes[message.lane]
        if behind:
            self._ready.append(behind.popleft())
        else:
            del self._lanes[message.lane]
        if not self._settled:
            self._loop.call_soon(self._tell_settled)
        self._settled.append(message)
        self._wake.set()

    def _tell_settled(self) -> None:
        settled, self._settled = self._settled, []
        self._told_settled(settled)

"""Publishing into a stream, each message acknowledged by the server, in order within a lane."""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Hashable, Iterable

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from drlactors.bus.notices import BusEvent, Notices

ACK_TIMEOUT_S = 2.0
LOOK_S = 0.25
BACKOFF_S = (0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
NO_RESPONDERS = "503"
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

    def __init__(self, subject: str, payload: bytes, id_: str, lane: Hashable, traceparent: str = "") -> None:
        self.subject = subject
        self.payload = payload
        self.lane = lane
        self.headers = {"Nats-Msg-Id": id_, "traceparent": traceparent} if traceparent else {"Nats-Msg-Id": id_}
        self.token = ""
        self.sent_s = 0.0
        self.tries = 0


class Publisher:
    """Up to ``window`` messages under way, one of each lane: the next of a lane goes when the one before is stored.

    Sending a failed message and everything behind it again does not keep order: a full stream refuses one message and,
    trimmed the next moment, stores the one behind it. With one under way there is nothing to overtake. A lane alone
    therefore carries one message a round trip (2,000 to 3,000/s); lanes together fill the window.

    nats-py's ``publish_async`` never resolves after a server error or a disconnect (2,500 to 3,400 hung in a test);
    here each message is sent again after a passing error, after ``ACK_TIMEOUT_S`` and on every new connection.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        notices: Notices,
        *,
        settled: Callable[[Message], None],
        refused: Callable[[Message, str], None],
        window: int = 1024,
    ) -> None:
        """``settled`` is called for each message that is done with, after ``refused`` if it was refused for good."""
        self._loop = loop
        self._notices = notices
        self._told_settled = settled
        self._told_refused = refused
        self._window = window
        self._lanes: dict[Hashable, deque[Message]] = {}  # with a message under way: what waits behind it
        self._ready: deque[Message] = deque()
        self._flight: dict[str, Message] = {}  # in the order of sending
        self._minted = 0
        self._client: Client | None = None
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

    async def connected(self, client: Client) -> None:
        inbox = client.new_inbox()
        self._client = client
        await client.subscribe(f"{inbox}.*", cb=self._answered, pending_msgs_limit=0, pending_bytes_limit=0)
        self._ready.extendleft(reversed(self._flight.values()))
        self._flight.clear()
        self._wake.set()
        self._tasks = [self._loop.create_task(self._write(client, inbox)), self._loop.create_task(self._look(client))]

    def disconnected(self) -> None:
        self._client = None
        for task in self._tasks:
            task.cancel()
        self._tasks = []

    async def _write(self, client: Client, inbox: str) -> None:
        # nats-py swallows a cancellation while it flushes, so the loop looks who is connected as well.
        while self._client is client:
            await self._wake.wait()
            self._wake.clear()
            while self._ready and len(self._flight) < self._window and self._client is client:
                message = self._ready.popleft()
                message.sent_s = self._loop.time()
                message.tries += 1
                self._flight[message.token] = message
                try:
                    await client.publish(
                        message.subject, message.payload, f"{inbox}.{message.token}", headers=message.headers
                    )
                except nats.errors.MaxPayloadError:
                    self._refuse(message, f"{len(message.payload)} bytes are more than the server takes")
                except nats.errors.Error:
                    return  # disconnected: what is in flight goes again on the next connection

    async def _look(self, client: Client) -> None:
        while self._client is client:
            await asyncio.sleep(LOOK_S)
            late_s = self._loop.time() - ACK_TIMEOUT_S
            for message in list(self._flight.values()):
                if message.sent_s > late_s:
                    break
                self._retry(message, "no answer")

    async def _answered(self, answer: Msg) -> None:
        message = self._flight.get(answer.subject.rpartition(".")[2])
        if message is None:
            return  # an earlier attempt of one that was answered since
        if b'"error"' not in answer.data and answer.data:
            del self._flight[message.token]
            self._settle(message)
            return
        if not answer.data:  # no stream listens to that subject, or no server of it is there
            status = (answer.headers or {}).get("Status", "")
            self._retry(message, "no stream takes it" if status == NO_RESPONDERS else f"status {status}")
            return
        error = json.loads(answer.data)["error"]
        reason = str(error.get("description", "no reason given"))
        if error.get("err_code") in PASSING or error.get("code") == int(NO_RESPONDERS):
            self._retry(message, reason)
        else:
            self._refuse(message, reason)

    def _retry(self, message: Message, reason: str) -> None:
        self._flight.pop(message.token, None)
        self._notices.note(BusEvent.PUBLISH_RETRIED, f"{message.subject}: {reason}")
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
        self._told_settled(message)
        self._wake.set()

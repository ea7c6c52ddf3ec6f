"""Actions on their way to the sandboxes: sent once, at most."""

import asyncio
from collections import deque

import nats.errors

from drlactors.bus.bridge import Bridge
from drlactors.bus.client import DirectClient, frame
from drlactors.bus.notices import BusEvent, Notices
from drlactors.bus.subjects import Subjects
from drlactors.domain.ids import SessionId

WRITE_BYTES = 64 << 10  # in one go

Actions = list[tuple[SessionId, bytes]]


class Outbox:
    """What waits for a connection is bounded: the oldest go first, and who needs an answer sends again."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, notices: Notices, subjects: Subjects, capacity: int = 65_536
    ) -> None:
        self._loop = loop
        self._notices = notices
        self._subjects = subjects
        self._capacity = capacity
        self._bridge: Bridge[Actions] = Bridge(loop, self._take)
        self._waiting: deque[tuple[SessionId, bytes]] = deque()
        self._client: DirectClient | None = None
        self._wake = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None

    def put(self, actions: Actions) -> None:
        """From any thread."""
        self._bridge.put(actions)

    @property
    def idle(self) -> bool:
        return not self._waiting

    async def connected(self, client: DirectClient) -> None:
        self._client = client
        self._wake.set()
        self._writer = self._loop.create_task(self._write(client))

    def disconnected(self) -> None:
        self._client = None
        if self._writer is not None:
            self._writer.cancel()

    def _take(self, batches: list[Actions]) -> None:
        for actions in batches:
            self._waiting.extend(actions)
        dropped = len(self._waiting) - self._capacity
        if dropped > 0:
            for _ in range(dropped):
                self._waiting.popleft()
            self._notices.note(BusEvent.ACTIONS_DROPPED, f"{dropped} of {self._capacity + dropped}", dropped)
        self._wake.set()

    async def _write(self, client: DirectClient) -> None:
        while self._client is client:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting and self._client is client:
                try:
                    await client.send(self._next_frames(client.max_payload))
                except nats.errors.Error:
                    return

    def _next_frames(self, most_bytes: int) -> list[bytes]:
        frames = []
        written_bytes = 0
        while self._waiting and written_bytes < WRITE_BYTES:
            session, data = self._waiting.popleft()
            if len(data) > most_bytes:
                self._notices.note(BusEvent.PUBLISH_REFUSED, f"{len(data)} bytes to session {session}")
                continue
            frames.append(frame(self._subjects.action(session), data))
            written_bytes += len(data)
        return frames

"""Letting go of inbound messages that the event log has, every now and then."""

import asyncio
import contextlib
from collections.abc import Callable

import nats.errors

from drlactors.bus.api import ask
from drlactors.bus.client import DirectClient
from drlactors.bus.streams import state
from drlactors.ports.bus import BusUnreachable


class Trimmer:
    """One purge for all trims of an interval: the newest says it all."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, stream: str, identity: Callable[[], str], interval_s: float
    ) -> None:
        self._loop = loop
        self._identity = identity  # of the stream in which the sequences count
        self._stream = stream
        self._interval_s = interval_s
        self._wanted = 0
        self._done = 0
        self._task: asyncio.Task[None] | None = None

    def through(self, sequence: int) -> None:
        """From any thread: read at the next interval."""
        self._wanted = max(self._wanted, sequence)

    def forget(self) -> None:
        """What was wanted counted in another stream."""
        self._wanted = self._done = 0

    async def connected(self, client: DirectClient) -> None:
        self._done = 0
        self._task = self._loop.create_task(self._trim(client))

    def disconnected(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _trim(self, client: DirectClient) -> None:
        while client.is_connected:
            await asyncio.sleep(self._interval_s)
            wanted = self._wanted
            if wanted > self._done:
                with contextlib.suppress(nats.errors.Error, OSError, BusUnreachable):  # the next interval tries again
                    if (await state(client, self._stream)).identity != self._identity():
                        continue
                    await ask(client, f"STREAM.PURGE.{self._stream}", {"seq": wanted + 1})
                    self._done = wanted

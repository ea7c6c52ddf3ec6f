"""One thread with the NATS client's loop, connected again for as long as it is wanted."""

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeVar

import nats.errors

from drlactors.bus.client import DirectClient
from drlactors.bus.credentials import Credentials
from drlactors.bus.notices import BusEvent, Notices
from drlactors.ports.bus import BusUnreachable, Trouble

T = TypeVar("T")

CONNECT_TIMEOUT_S = 2
RECONNECT_WAIT_S = 0.1
#: A server that is frozen or cut off answers no ping: noticed after at most three of these.
PING_INTERVAL_S = 5
LOOK_S = 0.25
REQUEST_TIMEOUT_S = 15.0
#: What a server says, in capitals or not, to whoever may not connect.
NO_RIGHT = ("authorization violation", "authentication revoked", "authentication expired")


class Part(Protocol):
    """Something that works on a connection and begins anew on the next. Called in the loop."""

    async def connected(self, client: DirectClient) -> None: ...

    def disconnected(self) -> None: ...


class Connection:
    """A NATS client for each life of the connection: nats-py's own reconnection is not used.

    Most ``-ERR`` answers end a client for good, whatever ``max_reconnect_attempts`` says (nats-py 2.16), so a new one
    is needed anyway; thus there is one way back, and what one life left unwritten is not sent in the next.
    """

    def __init__(
        self,
        url: str,
        name: str,
        credentials: Credentials,
        notices: Notices,
        complained: Callable[[str], None] | None = None,
    ) -> None:
        """``complained`` hears, in the loop, what the server says against us."""
        self.loop = asyncio.new_event_loop()
        self._servers = [server.strip() for server in url.split(",")]
        self._options = credentials.options() | {"name": name}
        self._notices = notices
        self._complained = complained
        self._parts: Sequence[Part] = ()
        self._client: DirectClient | None = None
        self._up = asyncio.Event()
        self._first: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._last_error = "no answer"
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def open(self, parts: Sequence[Part], timeout_s: float) -> None:
        """Connect and let the parts begin. Raises BusUnreachable, with the last reason, when that takes too long."""
        self._parts = parts
        self._thread.start()
        try:
            self._first.result(timeout_s)
        except concurrent.futures.TimeoutError as error:
            reason = self._last_error
            self.close()
            raise BusUnreachable(f"The message bus cannot be reached: {reason}.") from error

    @property
    def trouble(self) -> Trouble | None:
        """Why there is no connection; None while there is one."""
        if self._client is not None:
            return None
        refused = any(words in self._last_error.lower() for words in NO_RIGHT)
        verb = "refuses this user" if refused else "cannot be reached"
        return Trouble(f"The message bus {verb}: {self._last_error}.", refused)

    async def client(self) -> DirectClient:
        """The connected client, as soon as there is one."""
        while self._client is None:
            await self._up.wait()
        return self._client

    def ask(self, work: Coroutine[Any, Any, T], timeout_s: float = REQUEST_TIMEOUT_S) -> T:
        """Do something in the loop and wait for it. Raises BusUnreachable."""
        if threading.current_thread() is self._thread or not self._thread.is_alive():
            work.close()
            raise BusUnreachable("The message bus is closed, or is asked to wait for itself.")
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result(timeout_s)
        except (nats.errors.Error, OSError, concurrent.futures.CancelledError) as error:  # TimeoutError is an OSError
            future.cancel()
            reason = str(error) or f"no answer within {timeout_s:.0f} s"
            raise BusUnreachable(f"The message bus cannot be reached: {reason}.") from error

    def close(self) -> None:
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self._end)
            self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        keeper = self.loop.create_task(self._stay_connected())
        try:
            self.loop.run_until_complete(keeper)
            left = asyncio.all_tasks(self.loop)
            for task in left:
                task.cancel()
            self.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        finally:
            self.loop.close()

    def _end(self) -> None:
        self._closing = True
        self._up.set()

    async def _stay_connected(self) -> None:
        while not self._closing:
            client = DirectClient()
            lost = asyncio.Event()
            try:
                await self._join(client, lost)
            except (nats.errors.Error, OSError, BusUnreachable) as error:
                self._last_error = str(error) or type(error).__name__
                self._notices.note(BusEvent.ERROR, self._last_error)
            else:
                await self._watch(client, lost)
            self._client = None
            self._up.clear()
            for part in self._parts:
                part.disconnected()
            with contextlib.suppress(nats.errors.Error, OSError):
                await client.close()
            if not self._closing:
                await asyncio.sleep(RECONNECT_WAIT_S)

    async def _join(self, client: DirectClient, lost: asyncio.Event) -> None:
        async def on_error(error: Exception) -> None:
            self._last_error = str(error) or type(error).__name__
            self._notices.note(BusEvent.ERROR, self._last_error)
            if self._complained is not None:
                self._complained(self._last_error)

        async def on_closed() -> None:
            lost.set()

        await client.connect(
            list(self._servers),
            error_cb=on_error,
            closed_cb=on_closed,
            allow_reconnect=False,
            max_reconnect_attempts=1,
            connect_timeout=CONNECT_TIMEOUT_S,
            ping_interval=PING_INTERVAL_S,
            flush_timeout=1.0,  # without it, a flush that waits for a dead connection waits for ever
            skip_subject_validation=True,  # we mint all of them
            **self._options,
        )
        for part in self._parts:
            await part.connected(client)
        self._client = client
        self._up.set()
        self._notices.note(BusEvent.CONNECTED, "connected")
        if not self._first.done():
            self._first.set_result(None)

    async def _watch(self, client: DirectClient, lost: asyncio.Event) -> None:
        while client.is_connected and not self._closing:
            with contextlib.suppress(TimeoutError):
                # An error while closing skips the callback (nats-py 2.16): look, too.
                await asyncio.wait_for(lost.wait(), LOOK_S)
        if not self._closing:
            self._notices.note(BusEvent.DISCONNECTED, self._last_error)

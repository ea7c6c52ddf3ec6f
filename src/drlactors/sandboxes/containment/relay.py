"""The only way from a contained program to a network: named addresses, carried across by us until we stop."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Coroutine, Sequence
from typing import Any, NamedTuple

#: Connections that are carried at the same time; more wait until one ends.
MAX_CONNECTIONS = 64
_CHUNK_BYTES = 1 << 16
_CONNECT_DEADLINE_S = 10.0
_POLL_S = 0.05


class Address(NamedTuple):
    """A TCP service that the program may reach, at the address at which it is outside."""

    host: str  # IPv4, in numbers
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Raises ValueError unless it is like 127.0.0.1:8080."""
        host, _, port = text.rpartition(":")
        try:
            socket.inet_pton(socket.AF_INET, host)
        except OSError:
            port = ""
        if not port.isdecimal() or not 0 < int(port) < 1 << 16:
            raise ValueError(f"{text!r} is not an IPv4 address with a port, like 127.0.0.1:8080")
        return cls(host, int(port))

    def __str__(self) -> str:
        """As it is parsed."""
        return f"{self.host}:{self.port}"


class Relay:
    """Takes connections on sockets that listen in the program's network and makes the same ones in ours.

    A socket belongs to the network namespace in which it was made, whoever holds it: so nothing has to be given to the
    program, and nothing in it can be asked for more than these addresses.
    """

    def __init__(self, listeners: Sequence[socket.socket], addresses: Sequence[Address]) -> None:
        self.addresses = tuple(addresses)
        self._listeners = tuple(listeners)
        self._connections: set[asyncio.Task[None]] = set()
        self._accepting: list[asyncio.Task[None]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._thread.start()
        self._do(self._open())

    def cut(self) -> None:
        """Nothing is carried from here on, in no direction: connections that stand end, new ones are refused."""
        self._do(self._shut())

    def mend(self) -> None:
        """New connections are taken again."""
        for listener in self._listeners:
            listener.listen()
        self._do(self._open())

    def close(self) -> None:
        """For good."""
        if self._loop.is_closed():
            return
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        for listener in self._listeners:
            listener.close()

    def _do(self, step: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(step, self._loop).result()

    async def _open(self) -> None:
        room = asyncio.Semaphore(MAX_CONNECTIONS)
        for listener, address in zip(self._listeners, self.addresses, strict=True):
            listener.setblocking(False)
            self._accepting.append(asyncio.create_task(self._accept(listener, address, room)))

    async def _shut(self) -> None:
        ending = [*self._accepting, *self._connections]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        self._accepting.clear()
        for listener in self._listeners:
            with contextlib.suppress(OSError):  # it is shut already
                listener.shutdown(socket.SHUT_RDWR)

    async def _accept(self, listener: socket.socket, address: Address, room: asyncio.Semaphore) -> None:
        while True:
            await room.acquire()
            try:
                inner, _ = await self._loop.sock_accept(listener)
            except OSError:  # it went away before it was taken, or there is no room for it
                room.release()
                await asyncio.sleep(_POLL_S)
                continue
            task = asyncio.create_task(_carry(inner, address))
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
            task.add_done_callback(lambda _: room.release())


async def _carry(inner: socket.socket, address: Address) -> None:
    with inner, socket.socket(socket.AF_INET, socket.SOCK_STREAM) as outer:
        loop = asyncio.get_running_loop()
        inner.setblocking(False)
        outer.setblocking(False)
        with contextlib.suppress(OSError):  # refused, reset or late: the program sees its connection end
            async with asyncio.timeout(_CONNECT_DEADLINE_S):
                await loop.sock_connect(outer, address)
            async with asyncio.TaskGroup() as both:
                both.create_task(_copy(inner, outer))
                both.create_task(_copy(outer, inner))


async def _copy(source: socket.socket, target: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError):
        while chunk := await loop.sock_recv(source, _CHUNK_BYTES):
            await loop.sock_sendall(target, chunk)
        target.shutdown(socket.SHUT_WR)

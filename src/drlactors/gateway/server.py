"""A gateway from its port to its last message: started, watched, drained."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping
from typing import Self

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health
from grpc_reflection.v1alpha import reflection

from drlactors.domain.ids import SessionId
from drlactors.gateway.errors import GatewayFailed
from drlactors.gateway.identity import Callers, Owners
from drlactors.gateway.intake import Intake
from drlactors.gateway.options import Options
from drlactors.gateway.service import Service
from drlactors.ports.bus import Relay
from drlactors.ports.observer import Observer
from drlactors.wire.v1 import gateway_pb2, gateway_pb2_grpc

SERVICE = gateway_pb2.DESCRIPTOR.services_by_name["Gateway"].full_name
LOOK_S = 0.5
#: A frame holds many messages; one of more than this is refused by gRPC itself.
MAX_FRAME_BYTES = 16 << 20
START_S = 15.0
LAST_WORDS_S = 0.25


class Gateway:
    """Serves on the relay's loop, beside the connection to the bus: nothing crosses threads. Raises GatewayFailed.

    One loop beats a thread for each stream: ``./dev bench gateway`` has the figures.
    """

    def __init__(
        self, relay: Relay, options: Options, started_by: Callable[[SessionId], str | None], observer: Observer
    ) -> None:
        """``started_by``: see ``identity.Owners``."""
        self._relay = relay
        self._options = options
        self._observer = observer
        self._overflowed = 0  # windows, that nobody was told of yet
        self._started_by = started_by
        self.port = 0

    @property
    def reached_at(self) -> str:
        """HOST:PORT, with the port that was taken."""
        return f"{self._options.address.rpartition(':')[0]}:{self.port}"

    def start(self) -> Self:
        self._on_loop(self._start(), START_S)
        return self

    def use_tokens(self, tokens: Mapping[str, str]) -> None:
        """From any thread, while it runs: these let in from now on, and nobody goes on with another."""
        self._relay.loop.call_soon_threadsafe(self._service.use_tokens, tokens)

    def stop(self) -> None:
        """Say that it stops, store and acknowledge what was said, end the streams. Blocks."""
        self._on_loop(self._stop(), self._options.drain_s + START_S)

    def _on_loop(self, work: Coroutine[None, None, None], timeout_s: float) -> None:
        asyncio.run_coroutine_threadsafe(work, self._relay.loop).result(timeout_s)

    async def _start(self) -> None:
        options = self._options
        self._intake = Intake(
            self._relay,
            messages=options.queue_messages,
            size_bytes=options.queue_bytes,
            told_dropped=self._overflow,
        )
        callers = Callers(options.tokens, certificates=options.tls_client_ca is not None)
        self._service = Service(self._relay, options, callers, Owners(self._started_by), self._intake)
        self._health = health.HealthServicer()
        self._server = grpc.aio.server(
            maximum_concurrent_rpcs=options.streams,
            options=(
                ("grpc.so_reuseport", 0),  # a second gateway on the port would take half of the calls in silence
                ("grpc.max_receive_message_length", MAX_FRAME_BYTES),
                ("grpc.keepalive_time_ms", 20_000),
                ("grpc.keepalive_timeout_ms", 10_000),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
            ),
        )
        gateway_pb2_grpc.add_GatewayServicer_to_server(self._service, self._server)  # type: ignore[no-untyped-call]
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(
            (SERVICE, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME), self._server
        )
        try:
            self.port = self._bind()
        except RuntimeError as error:
            raise GatewayFailed(f"Cannot listen on {options.address}: {error}.") from error
        await self._server.start()
        self._tasks = [asyncio.create_task(self._service.sweep()), asyncio.create_task(self._look())]

    def _bind(self) -> int:
        options = self._options
        if options.tls_cert is None or options.tls_key is None:
            return int(self._server.add_insecure_port(options.address))
        try:
            pair = (options.tls_key.read_bytes(), options.tls_cert.read_bytes())
            authority = options.tls_client_ca.read_bytes() if options.tls_client_ca else None
        except OSError as error:
            raise GatewayFailed(f"Cannot use the TLS files of the gateway: {error}.") from error
        credentials = grpc.ssl_server_credentials([pair], authority, require_client_auth=authority is not None)
        return int(self._server.add_secure_port(options.address, credentials))

    async def _look(self) -> None:
        """Tell whoever asks for its health whether the bus is there, and whoever counts how much waits."""
        while True:
            serving = self._relay.reachable
            status = health_pb2.HealthCheckResponse
            await self._tell_health(status.SERVING if serving else status.NOT_SERVING)
            self._observer.gateway(len(self._service.conversations), self._intake.messages)
            if self._overflowed:
                self._observer.note("gateway.overflow", windows=self._overflowed, waiting=self._intake.messages)
                self._overflowed = 0
            await asyncio.sleep(LOOK_S)

    def _overflow(self, windows: int) -> None:
        self._overflowed += windows
        self._observer.overflowed(windows)

    async def _tell_health(self, status: "health_pb2.HealthCheckResponse.ServingStatus") -> None:
        for name in ("", SERVICE):
            await self._health.set(name, status)

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await self._health.enter_graceful_shutdown()
        self._service.draining.set()
        until_s = self._relay.loop.time() + self._options.drain_s
        if await self._service.streams_end(self._options.drain_s):
            # A connection that is closed with something unread in it takes the end of its streams along: whoever still
            # speaks is to hear of that first.
            await asyncio.sleep(LAST_WORDS_S)
        await self._server.stop(max(0.0, until_s - self._relay.loop.time()))
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self._observer.gateway(0, self._intake.messages)

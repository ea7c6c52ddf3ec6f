"""A sandbox's side of the gateway: the same link as NATS, over gRPC."""

import contextlib
import random
import threading
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import grpc

from drlactors.domain.ids import SessionId, spelled
from drlactors.ports.bus import BusUnreachable, Kind, TooLarge, Trouble
from drlactors.ports.room import Room
from drlactors.wire.headers import TAKEN
from drlactors.wire.v1 import action_pb2, gateway_pb2, gateway_pb2_grpc

UNDER_WAY = 4096
MAX_MESSAGE_BYTES = 1 << 20
#: What goes as one frame, where so much waits: a frame costs 100 us, a message in it 5.
FRAME_MESSAGES, FRAME_BYTES = 256, 1 << 20
RECONNECT_S, RECONNECT_MOST_S = 0.1, 5.0
CLOSE_S = 5.0
#: Trying again does not change these.
_FOR_GOOD = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNIMPLEMENTED)


class GrpcSandboxLink:
    """Implements ``drlactors.ports.bus.SandboxLink``. Connects when made; raises BusUnreachable.

    ``address`` is HOST:PORT. With ``tls_ca`` (or a certificate) the connection is TLS. What was said is kept until the
    gateway says that the bus has it, and said again on the next connection until then.
    """

    def __init__(
        self,
        address: str,
        *,
        token: str = "",
        tls_ca: Path | None = None,
        tls_cert: Path | None = None,
        tls_key: Path | None = None,
        under_way: int = UNDER_WAY,
        patience_s: float = 60.0,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        connect_timeout_s: float = 10.0,
    ) -> None:
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()
        self._channel = _channel(address, tls_ca, tls_cert, tls_key)
        self._stub = gateway_pb2_grpc.GatewayStub(self._channel)  # type: ignore[no-untyped-call]  # generated without
        self._max_message_bytes = max_message_bytes
        self._room = Room(under_way, patience_s)
        self._numbers = count(1)
        self._changed = threading.Condition()
        self._unsent: deque[gateway_pb2.Said] = deque()
        self._under_way: dict[int, gateway_pb2.Said] = {}  # said on this connection, in order; nobody knows what of it
        self._listeners: dict[str, Callable[[bytes], None]] = {}
        self._sandboxes: dict[SessionId, str] = {}  # as whom we speak of a session
        self._lives = 0  # of the connection
        self._connected = False
        self._last_error = "no answer"
        self._refused = False  # for good
        self._closing = False
        self._call: grpc.Call | None = None
        self._thread = threading.Thread(target=self._stay_connected, name="grpc-link", daemon=True)
        self._thread.start()
        with self._changed:
            up = self._changed.wait_for(lambda: self._connected, connect_timeout_s)
        if not up:
            self._end()
            raise BusUnreachable(f"The gateway cannot be reached: {self._last_error}.")

    @property
    def trouble(self) -> Trouble | None:
        if not self._connected:
            verb = "refuses this sandbox" if self._refused else "cannot be reached"
            return Trouble(f"The gateway {verb}: {self._last_error}.", self._refused)
        return self._room.trouble

    def listen(self, session: SessionId, on_actions: Callable[[bytes], None]) -> None:
        """The gateway listens from the first message of the session on, before it passes that on."""
        with self._changed:
            self._listeners[spelled(session)] = on_actions

    def send(self, kind: Kind, session: SessionId, data: bytes, traceparent: str = "") -> None:
        said = self._said(kind, session, data, traceparent)
        self._room.take()
        self._put(said)

    def offer(self, kind: Kind, session: SessionId, data: bytes, traceparent: str = "") -> bool:
        said = self._said(kind, session, data, traceparent)
        taken = self._room.offer()
        if taken:
            self._put(said)
        return taken

    def flush(self, timeout_s: float) -> bool:
        return self._room.wait_empty(timeout_s)

    def forget(self, session: SessionId) -> None:
        with self._changed:
            self._listeners.pop(spelled(session), None)
            if self._sandboxes.pop(session, None) is not None:
                leave = gateway_pb2.Leave(session_id=spelled(session))
                self._unsent.append(gateway_pb2.Said(number=next(self._numbers), leave=leave))
                self._changed.notify_all()

    def close(self) -> None:
        with contextlib.suppress(BusUnreachable):  # told to whoever sent
            self.flush(0.0 if self._refused else CLOSE_S)
        self._end()

    def _end(self) -> None:
        with self._changed:
            self._closing = True
            call = self._call
            self._changed.notify_all()
        self._thread.join(1.0)  # half-closed, the gateway ends the stream
        if call is not None:
            call.cancel()
        self._channel.close()
        self._thread.join()

    def _said(self, kind: Kind, session: SessionId, data: bytes, traceparent: str) -> gateway_pb2.Said:
        if len(data) > self._max_message_bytes:
            raise TooLarge(f"The gateway takes no message of {len(data)} bytes; {self._max_message_bytes} are allowed.")
        said = gateway_pb2.Said(number=next(self._numbers), traceparent=traceparent)
        told = getattr(said, kind.value if kind is not Kind.TELEMETRY else "windows")
        told.MergeFromString(data)
        if session not in self._sandboxes:
            about = getattr(told, told.WhichOneof("event")) if kind is Kind.EPISODE else told
            self._sandboxes[session] = about.sandbox_id
        return said

    def _put(self, said: gateway_pb2.Said) -> None:
        with self._changed:
            if self._closing:
                self._room.give()
                raise BusUnreachable("The link to the gateway is closed.")
            self._unsent.append(said)
            self._changed.notify_all()

    # The connection: on its own thread, and one of gRPC's that takes frames

    def _stay_connected(self) -> None:
        pause_s = RECONNECT_S
        while not self._closing:
            try:
                self._live()
                pause_s = RECONNECT_S
            except grpc.RpcError as error:
                self._last_error = f"{error.code().name.lower()}: {error.details()}"
                self._refused = error.code() in _FOR_GOOD
                pause_s = RECONNECT_S if self._connected else min(2 * pause_s, RECONNECT_MOST_S)
                if self._refused:
                    self._room.refuse(self._last_error)
            with self._changed:
                self._connected = False
                self._lives += 1  # the frames of the old one end
                self._changed.notify_all()
                # Not all at the same moment, where a gateway comes back to hundreds.
                self._changed.wait_for(lambda: self._closing, pause_s * random.uniform(0.5, 1.0))

    def _live(self) -> None:
        """One connection from its beginning to its end. Raises grpc.RpcError."""
        with self._changed:
            again = sorted((*self._under_way.values(), *self._unsent), key=lambda said: said.number)
            self._under_way.clear()
            listens = [
                gateway_pb2.Said(
                    number=next(self._numbers),
                    listen=gateway_pb2.Listen(session_id=spelled(session), sandbox_id=sandbox),
                )
                for session, sandbox in self._sandboxes.items()
            ]
            self._unsent = deque((*listens, *again))
            call = self._call = self._stub.Converse(self._frames(self._lives), metadata=self._metadata)
        headers = {(key, value) for key, value in call.initial_metadata()}  # waits for them, or for the end
        with self._changed:
            self._connected = TAKEN in headers
            self._changed.notify_all()
        for told in call:
            self._hear(told)

    def _frames(self, life: int) -> Iterator[gateway_pb2.FromSandbox]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._unsent or self._closing or self._lives != life)
                if self._lives != life or not self._unsent:
                    return
                frame: list[gateway_pb2.Said] = []
                size_bytes = 0
                while self._unsent and len(frame) < FRAME_MESSAGES and size_bytes < FRAME_BYTES:
                    said = self._unsent.popleft()
                    self._under_way[said.number] = said
                    frame.append(said)
                    size_bytes += said.ByteSize()
            yield gateway_pb2.FromSandbox(said=frame)

    def _hear(self, told: gateway_pb2.ToSandbox) -> None:
        said = self._strike(told)
        for declined in told.declined:
            actions = action_pb2.Actions(session_id=declined.session_id)
            what = said.get(declined.number)
            actions.refusals.add(about=what.WhichOneof("what") if what else "", reason=declined.reason)
            self._tell(actions)
        for dropped in told.dropped:
            self._tell(action_pb2.Actions(session_id=dropped.loss.session_id, lost=[dropped.loss]))
        for actions in told.actions:
            self._tell(actions)

    def _strike(self, told: gateway_pb2.ToSandbox) -> dict[int, gateway_pb2.Said]:
        """Take off the list what is settled; listening and leaving took no room."""
        numbers = (*told.stored, *(one.number for one in told.declined), *(one.number for one in told.dropped))
        with self._changed:
            struck = {number: said for number in numbers if (said := self._under_way.pop(number, None)) is not None}
        self._room.give(sum(said.WhichOneof("what") not in ("listen", "leave") for said in struck.values()))
        return struck

    def _tell(self, actions: action_pb2.Actions) -> None:
        on_actions = self._listeners.get(actions.session_id)
        if on_actions is not None:
            on_actions(actions.SerializeToString())


def _channel(address: str, ca: Path | None, cert: Path | None, key: Path | None) -> grpc.Channel:
    options = (
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.max_receive_message_length", 16 << 20),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        ("grpc.use_local_subchannel_pool", 1),  # a connection of our own
    )
    if ca is None and cert is None:
        return grpc.insecure_channel(address, options)
    try:
        credentials = grpc.ssl_channel_credentials(
            ca and ca.read_bytes(), key and key.read_bytes(), cert and cert.read_bytes()
        )
    except OSError as error:
        raise BusUnreachable(f"Cannot use the TLS files of the gateway: {error}.") from error
    return grpc.secure_channel(address, credentials, options)

"""A bus within the process: the same contract as NATS, without a server."""

import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from drlactors.domain.ids import SessionId
from drlactors.ports.bus import BusUnreachable, DeadLetter, Delivery, Kind, StreamReplaced, TooLarge

ROOT = "drl.v1"


class Stored(NamedTuple):
    sequence: int
    subject: str
    data: bytes
    traceparent: str


class MemoryBus:
    """Implements ``Bus`` and gives out links; one thread delivers, both ways.

    A stream of ``max_messages`` is full: senders wait up to ``patience_s`` until it is trimmed.
    """

    def __init__(
        self, *, max_message_bytes: int = 1 << 20, max_messages: int = 1 << 20, patience_s: float = 60.0
    ) -> None:
        self.max_message_bytes = max_message_bytes
        self._max_messages = max_messages
        self._patience_s = patience_s
        self._changed = threading.Condition(threading.RLock())
        self._delivering = threading.Lock()
        self._identity = f"memory@{uuid.uuid4().hex}"
        self._stream: deque[Stored] = deque()
        self._last = 0
        self._dead: dict[int, DeadLetter] = {}
        self._actions: deque[tuple[SessionId, bytes]] = deque()
        self._listeners: dict[SessionId, list[tuple[MemoryLink, Callable[[bytes], None]]]] = {}
        self._deliver: Callable[[list[Delivery]], None] | None = None
        self._after = 0
        self._credit = 0
        self._ahead = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="memory-bus", daemon=True)
        self._thread.start()

    def link(self) -> "MemoryLink":
        return MemoryLink(self)

    def identity(self) -> str:
        return self._identity

    def consume(self, after: int, deliver: Callable[[list[Delivery]], None], credit: int) -> None:
        self.stop_consuming()
        with self._changed:
            if after > self._last:
                self._identity = f"memory@{uuid.uuid4().hex}"
                raise StreamReplaced(f"The inbound stream ends at {self._last}, before {after}.")
            self._deliver, self._after, self._credit, self._ahead = deliver, after, credit, 0
            self._changed.notify_all()

    @property
    def listening(self) -> bool:
        with self._changed:
            return self._deliver is not None and self._ahead < self._credit

    def replenish(self, messages: int) -> None:
        with self._changed:
            self._ahead = max(0, self._ahead - messages)
            self._changed.notify_all()

    def stop_consuming(self) -> None:
        with self._delivering, self._changed:
            self._deliver = None

    def publish(self, actions: Iterable[tuple[SessionId, bytes]]) -> None:
        with self._changed:
            self._actions.extend(actions)
            self._changed.notify_all()

    def bury(self, delivery: Delivery, reason: str) -> None:
        subject = f"{ROOT}.{delivery.kind}.{delivery.session}"
        with self._changed:
            self._bury(DeadLetter(subject, delivery.sequence, reason, delivery.data))

    def dead_letters(self, limit: int) -> list[DeadLetter]:
        with self._changed:
            return list(self._dead.values())[-limit:] if limit else []

    def trim(self, through: int) -> None:
        with self._changed:
            while self._stream and self._stream[0].sequence <= through:
                self._stream.popleft()
            self._changed.notify_all()

    def close(self) -> None:
        self.stop_consuming()
        with self._changed:
            self._changed.wait_for(lambda: not self._actions, timeout=5.0)
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def store(self, subject: str, data: bytes, traceparent: str = "") -> None:
        """What any client could publish under ``drl.v1``: the subject need not name a session."""
        with self._changed:
            while len(self._stream) >= self._max_messages and not self._closed:
                if not self._changed.wait(self._patience_s):
                    raise BusUnreachable(f"The message bus has stored nothing for {self._patience_s:.0f} s.")
            if self._closed:
                raise BusUnreachable("The message bus is closed.")
            self._last += 1
            self._stream.append(Stored(self._last, subject, data, traceparent))
            self._changed.notify_all()

    def has_room(self) -> bool:
        with self._changed:
            return len(self._stream) < self._max_messages

    def add_listener(self, session: SessionId, link: "MemoryLink", on_actions: Callable[[bytes], None]) -> None:
        with self._changed:
            self.remove_listener(session, link)
            self._listeners.setdefault(session, []).append((link, on_actions))

    def remove_listener(self, session: SessionId, link: "MemoryLink") -> None:
        with self._changed:
            left = [entry for entry in self._listeners.pop(session, []) if entry[0] is not link]
            if left:
                self._listeners[session] = left

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or bool(self._actions) or self._due())
                if self._closed:
                    return
                heard = [
                    (on_actions, data)
                    for session, data in self._actions
                    for _, on_actions in self._listeners.get(session, ())
                ]
                self._actions.clear()
                self._changed.notify_all()
            for on_actions, data in heard:
                on_actions(data)
            with self._delivering:
                with self._changed:
                    deliver, batch = self._deliver, self._next_batch()
                if deliver is not None and batch:
                    deliver(batch)

    def _due(self) -> bool:
        return self._deliver is not None and self._ahead < self._credit and self._after < self._last

    def _next_batch(self) -> list[Delivery]:
        batch: list[Delivery] = []
        if not self._due():
            return batch
        for stored in self._stream:
            if stored.sequence <= self._after:
                continue
            if self._ahead >= self._credit:
                return batch
            self._after = stored.sequence
            if isinstance(read := self._read(stored), Delivery):
                batch.append(read)
                self._ahead += 1
            else:
                self._bury(DeadLetter(stored.subject, stored.sequence, read, stored.data[: self.max_message_bytes]))
        self._after = self._last
        return batch

    def _read(self, stored: Stored) -> Delivery | str:
        kind, _, name = stored.subject.removeprefix(f"{ROOT}.").partition(".")
        try:
            session = SessionId(uuid.UUID(name))
        except ValueError:
            return "its subject names no session"
        if str(session) != name:
            return "its subject names no session"
        if len(stored.data) > self.max_message_bytes:
            return f"{len(stored.data)} bytes are more than the {self.max_message_bytes} that a message may have"
        return Delivery(stored.sequence, Kind(kind), session, stored.data, stored.traceparent)

    def _bury(self, letter: DeadLetter) -> None:
        self._dead.setdefault(letter.sequence, letter)


class MemoryLink:
    """Implements ``SandboxLink``: what is sent is stored when ``send`` returns."""

    def __init__(self, bus: MemoryBus) -> None:
        self._bus = bus
        self._sessions: set[SessionId] = set()

    @property
    def trouble(self) -> None:
        """What is sent is stored."""

    def listen(self, session: SessionId, on_actions: Callable[[bytes], None]) -> None:
        self._sessions.add(session)
        self._bus.add_listener(session, self, on_actions)

    def send(self, kind: Kind, session: SessionId, data: bytes, traceparent: str = "") -> None:
        if len(data) > self._bus.max_message_bytes:
            raise TooLarge(
                f"The message bus takes no message of {len(data)} bytes; {self._bus.max_message_bytes} are allowed."
            )
        self._bus.store(f"{ROOT}.{kind}.{session}", data, traceparent)

    def offer(self, kind: Kind, session: SessionId, data: bytes, traceparent: str = "") -> bool:
        free = self._bus.has_room()
        if free:
            self.send(kind, session, data, traceparent)
        return free

    def flush(self, timeout_s: float) -> bool:  # noqa: ARG002 - everything is stored at once
        return True

    def forget(self, session: SessionId) -> None:
        self._sessions.discard(session)
        self._bus.remove_listener(session, self)

    def close(self) -> None:
        for session in tuple(self._sessions):
            self.forget(session)

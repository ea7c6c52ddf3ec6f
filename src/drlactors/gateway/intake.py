"""What sandboxes said and the bus has not stored yet: bounded, in order, and fair."""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol

from google.rpc import code_pb2

from drlactors.codec import sandbox as wire
from drlactors.domain.ids import SessionId
from drlactors.gateway.errors import Declined
from drlactors.ports.bus import Kind, Relay


class Seqs(NamedTuple):
    """The windows in a message."""

    first: int
    last: int
    windows: int


class Speaker(Protocol):
    """Who said something, and hears what became of it."""

    waiting: "dict[Item, None]"  # in the order of saying
    waiting_bytes: int

    def stored(self, item: "Item") -> None: ...

    def declined(self, item: "Item", declined: Declined) -> None: ...

    def dropped(self, item: "Item", seqs: Seqs) -> None: ...


class Item:
    """One message that waits. A message of windows that is dropped goes on as the report of their loss."""

    __slots__ = ("data", "kind", "lost", "number", "sandbox", "seqs", "session", "speaker", "traceparent")

    def __init__(
        self,
        speaker: Speaker,
        number: int,
        kind: Kind,
        session: SessionId,
        sandbox: str,
        data: bytes,
        traceparent: str = "",
        seqs: Seqs | None = None,
    ) -> None:
        self.speaker = speaker
        self.number = number
        self.kind = kind
        self.session = session
        self.sandbox = sandbox
        self.data = data
        self.traceparent = traceparent
        self.seqs = seqs  # of the windows in it
        self.lost = False

    def lose(self, seqs: Seqs) -> None:
        """Report these windows instead of telling anything."""
        self.lost, self.seqs = True, seqs
        self.kind, self.traceparent = Kind.EPISODE, ""
        self.data = wire.loss(self.session, self.sandbox, seqs.first, seqs.last)


class Intake:
    """One message of a session is on its way to the bus, ``on_way`` of all sessions; the others wait in order.

    With more than ``messages`` or ``size_bytes`` waiting, whoever has most waiting loses its oldest windows: a sandbox
    that says more than its share pays for it alone.
    """

    def __init__(
        self,
        relay: Relay,
        *,
        messages: int,
        size_bytes: int,
        told_dropped: Callable[[int], None],
        on_way: int = 1024,
    ) -> None:
        """``told_dropped`` hears how many windows were thrown away."""
        self._relay = relay
        self._most_messages = messages
        self._most_bytes = size_bytes
        self._told_dropped = told_dropped
        self._most_on_way = on_way
        self._on_way: set[SessionId] = set()
        self._lines: dict[SessionId, deque[Item]] = {}  # by session, with something waiting or on its way
        self._ready: deque[SessionId] = deque()  # lines whose first message may go
        self._speakers: dict[Speaker, None] = {}  # with something waiting
        self.messages = 0
        self.size_bytes = 0

    def put(self, item: Item) -> None:
        self._speakers[item.speaker] = None
        item.speaker.waiting[item] = None
        item.speaker.waiting_bytes += len(item.data)
        self.messages += 1
        self.size_bytes += len(item.data)
        line = self._lines.get(item.session)
        if line is None:
            self._lines[item.session] = deque((item,))
            self._ready.append(item.session)
            self._go()
        else:
            line.append(item)
        while (self.messages > self._most_messages or self.size_bytes > self._most_bytes) and self._make_room():
            pass

    def _go(self) -> None:
        while self._ready and len(self._on_way) < self._most_on_way:
            session = self._ready.popleft()
            line = self._lines[session]
            if not line:  # its only message was taken out
                del self._lines[session]
                continue
            item = line[0]
            self._on_way.add(session)
            self._relay.post(item.kind, session, item.data, item.traceparent, partial(self._settled, item))

    def _settled(self, item: Item, refusal: str) -> None:
        self._on_way.remove(item.session)
        line = self._lines[item.session]
        line.popleft()
        if line:
            self._ready.append(item.session)
        else:
            del self._lines[item.session]
        if not item.lost:
            self._leave(item)
            if refusal:
                item.speaker.declined(item, Declined(code_pb2.FAILED_PRECONDITION, refusal))
            else:
                item.speaker.stored(item)
        self._go()

    def _leave(self, item: Item) -> None:
        speaker = item.speaker
        del speaker.waiting[item]
        speaker.waiting_bytes -= len(item.data)
        if not speaker.waiting:
            del self._speakers[speaker]
        self.messages -= 1
        self.size_bytes -= len(item.data)

    def _make_room(self) -> bool:
        """Take from whoever has most waiting its oldest windows, else the newest it said; False when none can go."""
        speaker = max(self._speakers, key=self._share)
        for item in speaker.waiting:
            if item.seqs is not None and not self._is_on_way(item):
                self._drop(item, item.seqs)
                return True
        newest = next(reversed(speaker.waiting))
        if self._is_on_way(newest):
            return False
        self._leave(newest)
        self._lines[newest.session].remove(newest)
        reason = "too much waits for the bus: say it again later"
        speaker.declined(newest, Declined(code_pb2.RESOURCE_EXHAUSTED, reason))
        return True

    def _share(self, speaker: Speaker) -> float:
        return max(len(speaker.waiting) / self._most_messages, speaker.waiting_bytes / self._most_bytes)

    def _is_on_way(self, item: Item) -> bool:
        return item.session in self._on_way and self._lines[item.session][0] is item

    def _drop(self, item: Item, seqs: Seqs) -> None:
        """The report of the loss goes where the windows would have gone; neighbours become one."""
        self._leave(item)
        item.speaker.dropped(item, seqs)
        self._told_dropped(seqs.windows)
        line = self._lines[item.session]
        at = line.index(item)
        before = line[at - 1] if at else None
        if before is not None and before.lost and before.seqs is not None and not self._is_on_way(before):
            before.lose(Seqs(min(before.seqs.first, seqs.first), max(before.seqs.last, seqs.last), 0))
            del line[at]
        else:
            item.lose(seqs)

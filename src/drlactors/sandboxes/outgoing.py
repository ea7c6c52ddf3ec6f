"""What a session has to say and its link has not taken yet: in order, bounded, and honest about what was dropped."""

from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple, Protocol

from drlactors.codec import sandbox as wire
from drlactors.domain.ids import SessionId
from drlactors.domain.telemetry import Window
from drlactors.ports.bus import Kind, TooLarge

#: Windows in one message, where so many wait.
AT_ONCE = 64


class Offered(Protocol):
    """The part of a ``SandboxLink`` that is used here."""

    def offer(self, kind: Kind, session: SessionId, data: bytes, traceparent: str = "", /) -> bool: ...


class Letter(NamedTuple):
    """A message that is never dropped: of an episode, or the answer to an action."""

    kind: Kind
    data: bytes


class Seen(NamedTuple):
    window: Window
    traceparent: str


class Lost(NamedTuple):
    """The report of windows that were dropped; it stands where they stood."""

    first_seq: int
    last_seq: int


class Outgoing:
    """A queue of which the oldest windows are dropped above ``windows``. Used under its session's lock."""

    def __init__(self, session: SessionId, sandbox: str, windows: int) -> None:
        self.windows = 0  # that wait
        self.dropped = 0  # windows
        self._session = session
        self._sandbox = sandbox
        self._most = windows
        self._queue: deque[Letter | Seen | Lost] = deque()

    def __bool__(self) -> bool:
        return bool(self._queue)

    def put(self, letter: Letter) -> None:
        self._queue.append(letter)

    def see(self, windows: Iterable[Window], traceparent: str) -> None:
        for window in windows:
            self._queue.append(Seen(window, traceparent))
            self.windows += 1
            if self.windows > self._most:
                self._drop()

    def hand_over(self, link: Offered) -> list[Window]:
        """Give the link what it takes now, and return the windows in it. Raises BusUnreachable."""
        taken: list[Window] = []
        while self._queue:
            match self._queue[0]:
                case Seen(_, traceparent):
                    windows = self._offer_windows(link, traceparent)
                    taken += windows
                    count = len(windows)
                case Letter(kind, data):
                    count = int(link.offer(kind, self._session, data))
                case Lost(first, last):
                    report = wire.loss(self._session, self._sandbox, first, last)
                    count = int(link.offer(Kind.EPISODE, self._session, report))
            if not count:
                break
            for _ in range(count):
                self._queue.popleft()
        return taken

    def _offer_windows(self, link: Offered, traceparent: str) -> list[Window]:
        """The windows at the front that went as one message; none when there is no room."""
        windows = self._together(traceparent)
        while windows:
            try:
                went = link.offer(
                    Kind.TELEMETRY, self._session, wire.windows(self._session, self._sandbox, windows), traceparent
                )
            except TooLarge:
                if len(windows) > 1:
                    del windows[len(windows) // 2 :]
                    continue
                self._drop()
                break
            if not went:
                break
            self.windows -= len(windows)
            return windows
        return []

    def _together(self, traceparent: str) -> list[Window]:
        windows = []
        for item in islice(self._queue, AT_ONCE):
            if not isinstance(item, Seen) or item.traceparent != traceparent:
                break
            windows.append(item.window)
        return windows

    def _drop(self) -> None:
        """Put the report of its loss where the oldest window stands; reports of neighbours become one."""
        at, seq = next((at, item.window.seq) for at, item in enumerate(self._queue) if isinstance(item, Seen))
        before = self._queue[at - 1] if at else None
        if isinstance(before, Lost) and before.last_seq == seq - 1:
            self._queue[at - 1] = Lost(before.first_seq, seq)
            del self._queue[at]
        else:
            self._queue[at] = Lost(seq, seq)
        self.windows -= 1
        self.dropped += 1

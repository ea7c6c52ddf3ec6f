"""What the actors tell each other."""

from collections.abc import Callable
from typing import Any, NamedTuple

from pykka import ActorRef

from drlactors.domain import session
from drlactors.domain.action import Action
from drlactors.domain.features import Row
from drlactors.domain.ids import SessionId
from drlactors.ports.bus import Delivery, Kind
from drlactors.ports.log import Append, Entry, Stream

Ref = ActorRef[Any]


class Deliveries(NamedTuple):
    """To the supervisor: what came from the bus together."""

    deliveries: list[Delivery]


class Recalled(NamedTuple):
    """To the supervisor, before anything comes from the bus: the sessions that are open by the log."""

    sessions: dict[Stream, int]  # with when each one's last entry was decided, microseconds since 1970


class Reopened(NamedTuple):
    """To the reviewer, before it hears of anything else: the reviews that are open by the log."""

    streams: list[Stream]


class Awaited(NamedTuple):
    """To the coordinator, before it hears of anything else: the episodes that have no verdict by the log."""

    episodes: dict[Stream, int]  # with when each one's last entry was decided, microseconds since 1970


class Arrived(NamedTuple):
    """To a session: a message that was understood."""

    sequence: int
    kind: Kind
    commands: tuple[session.Command, ...]
    traceparent: str
    delivery: Delivery  # kept for the dead letters
    sandbox: str


class Ordered(NamedTuple):
    """To a session: a command of our own, which no delivery waits for."""

    command: session.Command


class Rank(NamedTuple):
    """To inference: rows that need values."""

    reply_to: Ref
    group: int  # comes back with the answer
    rows: list[Row]
    mask: int  # what is permitted as things stand
    asked_s: float


class Ranked(NamedTuple):
    """To a session: the answer, row by row."""

    group: int
    values: list[tuple[float, ...]]
    state_vectors: list[bytes]
    policy: str
    schema: str
    because: Callable[[int, Action], tuple[str, ...]]  # what drove an action's value in a row; for this thread


class Store(NamedTuple):
    """To the writer: an append, and the messages that it settles."""

    reply_to: Ref
    append: Append
    settles: tuple[Arrived, ...]
    windows: int
    acts: bool  # whether it holds anything but windows and going on


class Stale(NamedTuple):
    """To the owner of a stream: somebody else wrote to it, this was not stored, and what you know is old."""

    stream: Stream
    settles: tuple[Arrived, ...]


class Load(NamedTuple):
    """To the writer: read a stream from its newest snapshot, for its owner."""

    reply_to: Ref
    stream: Stream


class Loaded(NamedTuple):
    """To the owner of a stream."""

    stream: Stream
    state: session.State | None  # of the snapshot
    version: int  # of the snapshot; the entries follow it
    entries: list[Entry]


class Unloadable(NamedTuple):
    """To the owner of a stream: it holds what this program cannot read."""

    stream: Stream
    reason: str


class Remember(NamedTuple):
    """To the writer: a snapshot, to be saved after what was stored before it."""

    stream: Stream
    version: int
    state: session.State


class Left(NamedTuple):
    """To the writer: the owner of a stream wants nothing more of it. A session's comes back to the supervisor when all
    that its actor told the writer before was stored or has come back."""

    stream: Stream


class Repeat(NamedTuple):
    """To the writer: a sandbox sends windows again that were answered; send it the newest answers again."""

    session: SessionId
    after: int  # version from which on it is worth looking


class Committed(NamedTuple):
    """To those who follow the log: entries that are on disk."""

    entries: list[Entry]


class Again(NamedTuple):
    """To the dispatcher: these entries hold the newest actions of a session that asks for them again."""

    session: SessionId
    entries: list[Entry]


class Tick(NamedTuple):
    """To whoever watches the time."""


class Leave(NamedTuple):
    """To a session: nobody has spoken to you for a while; have your state remembered, and say when all is stored."""


class Rebuild(NamedTuple):
    """To a session: what you hold in memory may be wrong; read the log again, then handle these."""

    arrived: tuple[Arrived, ...]


class ToSession(NamedTuple):
    """To the supervisor: pass this on to a session, woken up if need be."""

    session: SessionId
    message: Ordered

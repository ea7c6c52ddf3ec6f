"""The event log as the actors need it: append, read back, follow, remember how far one has come."""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol, cast
from uuid import UUID

from drlactors.domain import episode, guard, instance, model, registry, review, session

Event = session.Event | episode.Event | instance.Event | model.Event | registry.Event | review.Event | guard.Event


class Category(StrEnum):
    """What kind of thing a stream is about; a stream is written ``<category>-<uuid>``."""

    SESSION = "session"
    EPISODE = "episode"
    INSTANCE = "instance"
    MODEL = "model"
    REGISTRY = "registry"
    REVIEW = "review"
    GUARD = "guard"


class Stream(NamedTuple):
    category: Category
    id: UUID

    def __str__(self) -> str:
        return f"{self.category}-{self.id}"


class Append(NamedTuple):
    """Events of one stream that belong together: all of them are stored, in one row, or none."""

    stream: Stream
    after: int  # the version that they follow: the number of events stored before; 0 begins the stream
    events: tuple[Event, ...]
    at_us: int  # when it was decided, microseconds since 1970
    causation: str  # the id of the message that caused it
    traceparent: str = ""  # W3C; empty when nobody traces


class Entry(NamedTuple):
    """An append as it was stored."""

    position: int  # in the order of the whole log: grows, may skip, never changes
    stream: Stream
    first_version: int  # of its first event; the next has first_version + 1
    events: tuple[Event, ...]
    at_us: int
    causation: str
    traceparent: str

    @property
    def version(self) -> int:
        """The stream's version after this entry."""
        return self.first_version + len(self.events) - 1

    @property
    def of_session(self) -> tuple[session.Event, ...]:
        """The events of an entry in a session's stream: there are no others in one."""
        return cast(tuple[session.Event, ...], self.events)

    @property
    def of_episode(self) -> tuple[episode.Event, ...]:
        """The events of an entry in an episode's stream: there are no others in one."""
        return cast(tuple[episode.Event, ...], self.events)

    @property
    def of_model(self) -> tuple[model.Event, ...]:
        """The events of an entry in a model's stream: there are no others in one."""
        return cast(tuple[model.Event, ...], self.events)

    @property
    def of_registry(self) -> tuple[registry.Event, ...]:
        """The events of an entry in the registry's stream: there are no others in one."""
        return cast(tuple[registry.Event, ...], self.events)

    @property
    def of_review(self) -> tuple[review.Event, ...]:
        """The events of an entry in a review's stream: there are no others in one."""
        return cast(tuple[review.Event, ...], self.events)

    @property
    def of_guard(self) -> tuple[guard.Event, ...]:
        """The events of an entry in a guard's stream: there are no others in one."""
        return cast(tuple[guard.Event, ...], self.events)


class Kept(NamedTuple):
    """One event as it is stored: for whoever has to show what the log holds, not what this program makes of it."""

    position: int
    version: int
    at_us: int
    causation: str
    traceparent: str
    kind: str  # "session.started:1", as it was stored: older than this program's, where ``event`` was brought up
    fields: bytes
    event: Event


class Snapshot(NamedTuple):
    version: int
    state: session.State


class LogError(Exception):
    """The event log could not do what was asked."""


class LogUnreachable(LogError):
    """The event log cannot be used now. What was asked was not done, or will be found done when asked again."""


class EventUnreadable(LogError):
    """An event in the log is of a name or version that this program does not know."""


class LogAway(NamedTuple):
    """Told by whoever follows the log and cannot use it now; what there is to do is done when they can."""

    why: str


class EventLog(Protocol):
    """Durable, ordered, append-only. All methods may be called from any thread; all of them block."""

    def append(self, appends: Sequence[Append], positions: Mapping[str, int] | None = None) -> list[int | None]:
        """Store all that is not stale, and the named positions, in one transaction that is on disk on return.

        Returns the log position of each append, None for a stale one: its stream has other events at that version.
        Repeating an append that was stored returns the position it has. A position that is lower than the one
        remembered is not taken. An append that follows a stale one of the same call is stale too; across calls the
        writer has to see to that. Raises LogUnreachable, and ValueError for an append of no events.
        """
        ...

    def read(self, after: int, limit: int) -> list[Entry]:
        """The next entries of all streams in the order of their positions, without gaps that could still fill.

        At most ``limit``, fewer when they are large; none only at the end.
        """
        ...

    def turns(self, after: int, limit: int) -> list[Entry]:
        """The next entries by which it changes what a session taught, in the order of the log, at most ``limit``.

        A session's end, answers to its actions that came later, and every entry of an episode.
        """
        ...

    def stream(self, stream: Stream, after: int = 0) -> Iterator[Entry]:
        """The entries of one stream that begin after this version, in order."""
        ...

    def kept(self, stream: Stream) -> Iterator[Kept]:
        """The events of one stream as they are stored, in order."""
        ...

    def subscribe(self, after: int) -> "Subscription":
        """Everything after a position, as it comes."""
        ...

    def forget(self, stream: Stream) -> None:
        """Nobody writes to it for now: nothing that speeds that up need be kept in memory."""
        ...

    def existing(self, streams: Sequence[Stream]) -> set[Stream]:
        """Those of the streams that hold anything: one question for thousands."""
        ...

    def open_sessions(self) -> dict[Stream, int]:
        """The sessions that were started and neither ended nor lost, each with when its last entry was decided (us)."""
        ...

    def open_episodes(self) -> dict[Stream, int]:
        """The episodes that have no verdict, each with when its last entry was decided (us)."""
        ...

    def newest_episodes(self, limit: int) -> list[Stream]:
        """The episodes that began last, the newest first."""
        ...

    def open_reviews(self) -> list[Stream]:
        """The reviews that were opened and not closed, in no order."""
        ...

    def head(self) -> int:
        """The last position, 0 of an empty log."""
        ...

    def position(self, name: str) -> int:
        """How far the named reader has come; 0 for a new one."""
        ...

    def save_snapshot(self, stream: Stream, snapshot: Snapshot) -> None:
        """Remember a session's state, so that loading it need not read its whole stream."""
        ...

    def snapshot(self, stream: Stream) -> Snapshot | None:
        """The newest one that this program can read."""
        ...

    def close(self) -> None: ...


class Subscription(Protocol):
    """Batches of entries; blocks while there are none, ends after ``close`` (which any thread may call).

    Raises LogUnreachable; iterating again goes on behind the last batch that was given.
    """

    def __iter__(self) -> Iterator[list[Entry]]: ...

    def close(self) -> None: ...

"""What the log needs of the place where its rows are kept."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

from eventsourcing.persistence import Notification, StoredEvent

#: How the topics of the rows begin in which a session begins, and is over: each of these events is alone in its row.
STARTED, OVER = "session.started:", ("session.ended:", "session.lost:")
#: And those in which a review begins, and is over.
OPENED, CLOSED = "review.opened:", ("review.closed:",)
#: And those in which a stage begins. A verdict stands in one row with what it follows from.
ENTERED, COMPLETED = "episode.stage-entered:", "episode.completed:"
#: And those that change what a session taught; of the answers to actions only those that came after its end.
TURNS, ANSWERS = (*OVER, "episode."), ("session.feedback-received:", "session.action-failed:")


class Place(NamedTuple):
    """A version of a stream."""

    stream: UUID
    version: int


class StoredSnapshot(NamedTuple):
    version: int
    state: bytes


class Rows(Protocol):
    """May be used from any thread. Raises the eventsourcing library's errors."""

    def insert(self, rows: Sequence[StoredEvent], positions: Mapping[str, int]) -> Sequence[int]:
        """All rows and positions or none, visible in one moment and behind all that were visible before.

        Gives the rows' positions in the log. Raises IntegrityError when there is a row at one of the places.
        A position that is lower than the one there is not taken.
        """
        ...

    def starting_at(self, places: Sequence[Place]) -> list[Notification]:
        """The rows that start at these places, as far as there are any."""
        ...

    def holding(self, places: Sequence[Place]) -> list[Notification]:
        """For each place the last row that starts there or before, as far as there is any."""
        ...

    def after(self, position: int, limit: int) -> list[Notification]:
        """The next rows in the order of the log: at most ``limit``, fewer when they are large."""
        ...

    def of_stream(self, place: Place, limit: int) -> list[Notification]:
        """The stream's rows that start after the place, in order."""
        ...

    def turns(self, position: int, limit: int) -> list[Notification]:
        """The next rows of ``TURNS``, and of ``ANSWERS`` in streams that hold a row of ``OVER``."""
        ...

    def open_sessions(self) -> list[UUID]:
        """The streams that hold a row of ``STARTED`` and none of ``OVER``."""
        ...

    def open_episodes(self) -> list[UUID]:
        """The streams that hold a row that begins with ``ENTERED`` and none with ``COMPLETED`` in it."""
        ...

    def newest_episodes(self, limit: int) -> list[UUID]:
        """The streams that begin with ``ENTERED``, the newest first."""
        ...

    def open_reviews(self) -> list[UUID]:
        """The streams that hold a row of ``OPENED`` and none of ``CLOSED``."""
        ...

    def head(self) -> int: ...

    def reader_position(self, name: str) -> int: ...

    def save_snapshot(self, stream: UUID, revision: str, snapshot: StoredSnapshot) -> None:
        """Replaces one of a lower version."""
        ...

    def snapshot(self, stream: UUID, revision: str) -> StoredSnapshot | None: ...

    def reconnect(self) -> None:
        """Forget connections: one of them broke."""
        ...

    def close(self) -> None: ...

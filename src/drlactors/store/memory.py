"""An event log that lasts as long as its process: for tests, and for trying things out."""

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from eventsourcing.persistence import Notification, StoredEvent
from eventsourcing.popo import POPOProcessRecorder

from drlactors.store.batch import stream_of
from drlactors.store.catalogue import CATALOGUE, Catalogue
from drlactors.store.row_log import RowLog
from drlactors.store.rows import (
    ANSWERS,
    CLOSED,
    COMPLETED,
    ENTERED,
    OPENED,
    OVER,
    STARTED,
    TURNS,
    Place,
    StoredSnapshot,
)


class MemoryRecorder(POPOProcessRecorder):
    """The library's recorder in plain Python objects, with what the log asks of ``Rows``."""

    def __init__(self) -> None:
        super().__init__()
        self._reader_positions: dict[str, int] = {}
        self._snapshots: dict[tuple[UUID, str], StoredSnapshot] = {}

    def insert(self, rows: Sequence[StoredEvent], positions: Mapping[str, int]) -> Sequence[int]:
        with self._database_lock:
            ids = self.insert_events(rows)
            for name, position in positions.items():
                self._reader_positions[name] = max(position, self._reader_positions.get(name, position))
        return ids or []

    def starting_at(self, places: Sequence[Place]) -> list[Notification]:
        return [row for place in places for row in self._rows(place, gt=place.version - 1)]

    def holding(self, places: Sequence[Place]) -> list[Notification]:
        return [row for place in places for row in self._rows(place, desc=True)]

    def after(self, position: int, limit: int) -> list[Notification]:
        return list(self.select_notifications(position, limit, inclusive_of_start=False))

    def of_stream(self, place: Place, limit: int) -> list[Notification]:
        stored = self.select_events(place.stream, gt=place.version, limit=limit)
        return [self._numbered(row) for row in stored]

    def turns(self, position: int, limit: int) -> list[Notification]:
        over = {stream_of(row) for row in self._stored_events if row.topic.startswith(OVER)}
        rows = self._stored_events[position:]
        found = [row for row in rows if row.topic.startswith(TURNS) or self._late(row, over)]
        return [self._numbered(row) for row in found[:limit]]

    @staticmethod
    def _late(row: StoredEvent, over: set[UUID]) -> bool:
        return row.topic.startswith(ANSWERS) and stream_of(row) in over

    def open_sessions(self) -> list[UUID]:
        return self._begun(STARTED, lambda topic: topic.startswith(OVER))

    def open_episodes(self) -> list[UUID]:
        return self._begun(ENTERED, lambda topic: COMPLETED in topic)

    def newest_episodes(self, limit: int) -> list[UUID]:
        begun = [row for row in self._stored_events if row.topic.startswith(ENTERED) and row.originator_version == 1]
        return [stream_of(row) for row in reversed(begun)][:limit]

    def open_reviews(self) -> list[UUID]:
        return self._begun(OPENED, lambda topic: topic.startswith(CLOSED))

    def _begun(self, begins: str, over: Callable[[str], bool]) -> list[UUID]:
        ended = {stream_of(row) for row in self._stored_events if over(row.topic)}
        begun = {stream_of(row): None for row in self._stored_events if row.topic.startswith(begins)}
        return [stream for stream in begun if stream not in ended]

    def head(self) -> int:
        return self.max_notification_id() or 0

    def reader_position(self, name: str) -> int:
        return self._reader_positions.get(name, 0)

    def save_snapshot(self, stream: UUID, revision: str, snapshot: StoredSnapshot) -> None:
        with self._database_lock:
            old = self._snapshots.get((stream, revision))
            if old is None or old.version < snapshot.version:
                self._snapshots[stream, revision] = snapshot

    def snapshot(self, stream: UUID, revision: str) -> StoredSnapshot | None:
        return self._snapshots.get((stream, revision))

    def reconnect(self) -> None:
        """Nothing to reconnect to."""

    def close(self) -> None:
        """Nothing to close."""

    def _rows(self, place: Place, *, gt: int | None = None, desc: bool = False) -> list[Notification]:
        stored = self.select_events(place.stream, gt=gt, lte=place.version, desc=desc, limit=1)
        return [self._numbered(row) for row in stored]

    def _numbered(self, row: StoredEvent) -> Notification:
        index = self._stored_events_index[str(row.originator_id)][row.originator_version]
        return Notification(
            id=index + 1,
            originator_id=row.originator_id,
            originator_version=row.originator_version,
            topic=row.topic,
            state=row.state,
        )


class MemoryEventLog(RowLog):
    """Keeps the contract of the real one, through the same rows."""

    def __init__(self, *, catalogue: Catalogue = CATALOGUE) -> None:
        super().__init__(MemoryRecorder(), catalogue)

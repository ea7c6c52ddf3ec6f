"""The event log as the port has it, over rows wherever they are kept."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeVar
from uuid import UUID

from eventsourcing.persistence import IntegrityError, Notification, StoredEvent

from drlactors.ports.log import Append, Category, Entry, Kept, LogError, LogUnreachable, Snapshot, Stream
from drlactors.store import snapshots
from drlactors.store.batch import Batch, place_of, stream_of
from drlactors.store.catalogue import CATALOGUE, Catalogue
from drlactors.store.errors import ForeignStream, in_words_of_the_port
from drlactors.store.mapper import Mapper
from drlactors.store.rows import Place, Rows
from drlactors.store.seams import Seams
from drlactors.store.subscription import PolledSubscription

#: Rows of one stream, or last rows of streams, that are fetched at a time.
STREAM_PAGE = 256
#: Above every version of a stream.
LAST_VERSION = (1 << 63) - 1

_T = TypeVar("_T")


class RowLog:
    """What the event logs have in common; ``ports.EventLog`` says what each method does."""

    def __init__(self, rows: Rows, catalogue: Catalogue = CATALOGUE) -> None:
        self._rows = rows
        self._mapper = Mapper(catalogue)
        self._seams = Seams()
        self._subscriptions: set[PolledSubscription] = set()
        self._subscriptions_lock = threading.Lock()

    def append(self, appends: Sequence[Append], positions: Mapping[str, int] | None = None) -> list[int | None]:
        rows = [self._mapper.row(append) for append in appends]
        # Trying again is safe whatever became of the first attempt: rows that were stored are found and recognised.
        stored = self._reach(lambda: self._store(appends, rows, positions or {}))
        if stored:
            with self._subscriptions_lock:
                for subscription in self._subscriptions:
                    subscription.wake()
        return stored

    def read(self, after: int, limit: int) -> list[Entry]:
        return [self._mapper.entry(row) for row in self._reach(lambda: self._rows.after(after, limit))]

    def turns(self, after: int, limit: int) -> list[Entry]:
        return [self._mapper.entry(row) for row in self._reach(lambda: self._rows.turns(after, limit))]

    def stream(self, stream: Stream, after: int = 0) -> Iterator[Entry]:
        for row in self._of_stream(stream, after):
            entry = self._mapper.entry(row)
            self._seams.add(Place(stream.id, entry.version))
            yield entry

    def kept(self, stream: Stream) -> Iterator[Kept]:
        for row in self._of_stream(stream, 0):
            yield from self._mapper.kept(row)

    def _of_stream(self, stream: Stream, after: int) -> Iterator[Notification]:
        while True:
            page = self._reach(partial(self._rows.of_stream, Place(stream.id, after), STREAM_PAGE))
            for row in page:
                found = Stream(self._mapper.category(row), stream.id)
                if found != stream:
                    raise ForeignStream(f"{stream} was asked for, but this id belongs to {found}.")
                after = row.originator_version
                yield row
            if len(page) < STREAM_PAGE:
                return

    def subscribe(self, after: int) -> PolledSubscription:
        subscription = PolledSubscription(self.read, after, self._forget)
        with self._subscriptions_lock:
            self._subscriptions.add(subscription)
        return subscription

    def forget(self, stream: Stream) -> None:
        self._seams.forget(stream.id)

    def existing(self, streams: Sequence[Stream]) -> set[Stream]:
        places = [Place(stream.id, LAST_VERSION) for stream in streams]
        found = {row.originator_id for row in self._reach(lambda: self._rows.holding(places))} if places else set()
        return {stream for stream in streams if stream.id in found}

    def open_sessions(self) -> dict[Stream, int]:
        return self._last(Category.SESSION, self._reach(self._rows.open_sessions))

    def open_episodes(self) -> dict[Stream, int]:
        return self._last(Category.EPISODE, self._reach(self._rows.open_episodes))

    def newest_episodes(self, limit: int) -> list[Stream]:
        return [Stream(Category.EPISODE, found) for found in self._reach(lambda: self._rows.newest_episodes(limit))]

    def open_reviews(self) -> list[Stream]:
        return [Stream(Category.REVIEW, found) for found in self._reach(self._rows.open_reviews)]

    def head(self) -> int:
        return self._reach(self._rows.head)

    def position(self, name: str) -> int:
        return self._reach(lambda: self._rows.reader_position(name))

    def save_snapshot(self, stream: Stream, snapshot: Snapshot) -> None:
        assert stream.category is Category.SESSION
        self._reach(lambda: self._rows.save_snapshot(stream.id, snapshots.REVISION, snapshots.stored(snapshot)))

    def snapshot(self, stream: Stream) -> Snapshot | None:
        stored = self._reach(lambda: self._rows.snapshot(stream.id, snapshots.REVISION))
        return None if stored is None else snapshots.restored(stored)

    def close(self) -> None:
        with self._subscriptions_lock:
            subscriptions = list(self._subscriptions)
        for subscription in subscriptions:
            subscription.close()
        self._rows.close()

    def _last(self, category: Category, streams: Sequence[UUID]) -> dict[Stream, int]:
        """Each with when its last entry was decided (us)."""
        last: dict[Stream, int] = {}
        for first in range(0, len(streams), STREAM_PAGE):
            places = [Place(stream, LAST_VERSION) for stream in streams[first : first + STREAM_PAGE]]
            for row in self._reach(partial(self._rows.holding, places)):
                last[Stream(category, stream_of(row))] = self._mapper.at_us(row)
        return last

    def _forget(self, subscription: PolledSubscription) -> None:
        with self._subscriptions_lock:
            self._subscriptions.discard(subscription)

    def _reach(self, ask: Callable[[], _T]) -> _T:
        """Ask; where the connection was broken, which is noticed only now, ask once more on a new one."""
        try:
            with in_words_of_the_port():
                return ask()
        except LogUnreachable:
            self._rows.reconnect()
            with in_words_of_the_port():
                return ask()

    def _store(
        self, appends: Sequence[Append], rows: Sequence[StoredEvent], positions: Mapping[str, int]
    ) -> list[int | None]:
        """Insert what may be stored; where other rows are in the way, learn which, and judge again."""
        batch = Batch(appends, rows)
        self._find_seams(batch)
        while True:
            chosen, stored, repeats = batch.judge()
            try:
                inserted = self._rows.insert([rows[index] for index in chosen], positions)
                break
            except IntegrityError as error:
                in_the_way = {place_of(row): row for row in self._rows.starting_at(batch.starts(chosen))}
                if not in_the_way:
                    raise LogError(f"The log refuses rows for which there is room: {error}") from error
                batch.rows_there = {**batch.rows_there, **in_the_way}
        for index, position in zip(chosen, inserted, strict=True):
            stored[index] = position
        for index, first in repeats.items():
            stored[index] = stored[first]
        for place in batch.ends(chosen):
            self._seams.add(place)
        return stored

    def _find_seams(self, batch: Batch) -> None:
        before = batch.before()
        batch.seams = {place for place in before if self._seams.knows(place)}
        if unknown := [place for place in before if place not in batch.seams]:
            batch.seams |= {
                Place(stream_of(row), self._mapper.last_version(row)) for row in self._rows.holding(unknown)
            }

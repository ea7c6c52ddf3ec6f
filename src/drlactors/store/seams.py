"""Where the rows of a stream end: what an append may follow."""

import threading
from uuid import UUID

from drlactors.store.rows import Place


class Seams:
    """The newest seam seen of each stream: a version at which one row ends, and the next may begin.

    Rows are never deleted, so a seam stays one for ever; it need not be the stream's end. Two writers that follow the
    same seam collide in the primary key.
    """

    def __init__(self, capacity: int = 65_536) -> None:
        self._newest: dict[UUID, int] = {}  # a forgotten one costs one lookup
        self._capacity = capacity
        self._lock = threading.Lock()

    def knows(self, place: Place) -> bool:
        return place.version == 0 or self._newest.get(place.stream) == place.version

    def __len__(self) -> int:
        return len(self._newest)

    def forget(self, stream: UUID) -> None:
        with self._lock:
            self._newest.pop(stream, None)

    def add(self, place: Place) -> None:
        with self._lock:
            newest = self._newest.pop(place.stream, 0)
            self._newest[place.stream] = max(newest, place.version)
            if len(self._newest) > self._capacity:
                del self._newest[next(iter(self._newest))]

"""Which appends of a batch may be stored, and what becomes of each."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from eventsourcing.persistence import Notification, StoredEvent

from drlactors.ports.log import Append
from drlactors.store.rows import Place


class Batch:
    """Judges the appends of one batch in their order, again after each thing that is learned about the log.

    An append is stored when it begins at a seam (``seams``, or the end of an earlier append of the batch that is
    stored) and nothing is there (``rows_there``). One that follows a stale append of the batch is stale with it, also
    where the log happens to have a seam at that version: it was decided on events that never came to be.
    """

    def __init__(self, appends: Sequence[Append], rows: Sequence[StoredEvent]) -> None:
        self.rows = rows
        self.seams: set[Place] = set()
        self.rows_there: Mapping[Place, Notification] = {}
        self._before = [Place(append.stream.id, append.after) for append in appends]
        self._starts = [Place(append.stream.id, append.after + 1) for append in appends]
        self._ends = [Place(append.stream.id, append.after + len(append.events)) for append in appends]

    def before(self) -> list[Place]:
        """Where appends begin that no other append of the batch leads to."""
        ends = set(self._ends)
        return [place for place in self._before if place not in ends]

    def judge(self) -> tuple[list[int], list[int | None], dict[int, int]]:
        """What to store (indices), the positions of what is stored already, and repeats in the batch (of which)."""
        chosen: list[int] = []
        positions: list[int | None] = [None] * len(self.rows)
        repeats: dict[int, int] = {}
        taken: dict[Place, int] = {}
        seams, never = set(self.seams), set[Place]()
        for index, (before, start, end) in enumerate(zip(self._before, self._starts, self._ends, strict=True)):
            row = self.rows[index]
            if (there := self.rows_there.get(start)) is not None and same(there, row):
                positions[index] = there.id
                seams.add(end)
            elif start in taken and same(self.rows[taken[start]], row):
                repeats[index] = taken[start]
            elif there is None and start not in taken and before in seams and before not in never:
                chosen.append(index)
                taken[start] = index
                seams.add(end)
            else:
                never.add(end)
        return chosen, positions, repeats

    def starts(self, indices: Iterable[int]) -> list[Place]:
        return [self._starts[index] for index in indices]

    def ends(self, indices: Iterable[int]) -> list[Place]:
        return [self._ends[index] for index in indices]


def same(there: StoredEvent, row: StoredEvent) -> bool:
    return there.state == row.state and there.topic == row.topic


def stream_of(row: StoredEvent) -> UUID:
    assert isinstance(row.originator_id, UUID)  # the library also knows streams that are named by text
    return row.originator_id


def place_of(row: StoredEvent) -> Place:
    return Place(stream_of(row), row.originator_version)

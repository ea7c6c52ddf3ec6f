"""The ring of a replay buffer: a transition is one row of bytes, and the newest overwrites the oldest.

One row, because a batch is then one gather of whole cache lines instead of one for each column. Transitions are named
by their numbers, counted from the first that was ever added: a slot is used again, a number is not.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from drlactors.domain.action import Action
from drlactors.learner.batch import Batch, Experiences, Int64s
from drlactors.learner.packing import FINE, passes, row_type, unwritten

Arrays = dict[str, npt.NDArray[Any]]

#: Which session a transition came from does not outlive its set.
_STORED = Experiences._fields[:-1]
_FLOATS = ("s_tm1", "r_t", "discount_t", "s_t", "propensity")
#: Row m: whether mask m permits each action.
_PERMITTED = (np.arange(256)[:, None] >> np.arange(len(Action)) & 1).astype(np.bool_)


class NonFiniteExperience(ValueError):
    """One NaN or infinity in a batch ruins a network for good, so the set that holds it is refused as a whole."""

    def __init__(self, column: str, row: int, session: int) -> None:
        super().__init__(f"{column} of row {row} (session {session}) is not finite: nothing was added")
        self.row, self.session = row, session


class Drawn:
    """Where the rows of a batch are gathered: the arrays are made once, and the batch looks into them."""

    def __init__(self, batch: int, features: int) -> None:
        row = row_type(features)
        self.rows = unwritten(batch, row.itemsize)
        column = self.rows.view(row)[:, 0]
        self.slots = np.zeros(batch, dtype=np.int64)
        self.a_tm1 = column["a_tm1"]
        self.masks = np.zeros((batch, len(Action)), dtype=np.bool_), np.zeros((batch, len(Action)), dtype=np.bool_)
        self.masks_stored = column["mask_tm1"], column["mask_t"]
        self.batch = Batch(
            s_tm1=column["s_tm1"],
            a_tm1=np.zeros(batch, dtype=np.int64),
            r_t=column["r_t"],
            discount_t=column["discount_t"],
            s_t=column["s_t"],
            mask_tm1=self.masks[0],
            mask_t=self.masks[1],
            propensity=column["propensity"],
            weights=np.ones(batch, dtype=np.float32),
            indices=np.zeros(batch, dtype=np.int64),
        )


class Rows:
    """``capacity`` rows of ``2 * features * 4 + 15`` bytes, rounded up to 64: 256 bytes each for 30 features.

    Memory is taken from the system as rows are first written. Not safe for threads.
    """

    def __init__(self, capacity: int, features: int) -> None:
        self.capacity, self.features = capacity, features
        self.added = 0  # transitions, ever
        self._size = 0
        self._row = row_type(features)
        self._rows = unwritten(capacity, self._row.itemsize)
        self._words = self._rows.view(np.uint32)
        self._first_fault, self._put = passes()

    def __len__(self) -> int:
        return self._size

    @property
    def oldest(self) -> int:
        """The number of the oldest transition that is still there."""
        return self.added - self._size

    @property
    def row_bytes(self) -> int:
        return self._row.itemsize

    def extend(self, experiences: Experiences) -> None:
        """All or, when ``NonFiniteExperience`` or ``ValueError`` says what is wrong with them, none."""
        slot, free = self.added % self.capacity, self.capacity - self._size
        columns: tuple[npt.NDArray[Any], ...] = experiences[:-1]
        try:
            fault = self._put(self._words, slot, free, self.features, *columns)
        except TypeError:
            fault = self._put(self._words, slot, free, self.features, *_contiguous(columns))
        if fault != FINE:
            raise self._refusal(experiences, fault)
        count = len(experiences.a_tm1)
        self.added += count
        self._size = min(self._size + count, self.capacity)

    def clear(self) -> None:
        """Forget all; numbers go on."""
        self._size = 0

    def gather(self, drawn: Drawn) -> Batch:
        """The batch of the transitions whose numbers are in ``drawn.batch.indices``."""
        batch = drawn.batch
        np.remainder(batch.indices, self.capacity, out=drawn.slots)
        # "clip" writes straight to ``out``; the default would gather into a buffer of its own first.
        self._rows.take(drawn.slots, 0, drawn.rows, "clip")
        np.copyto(batch.a_tm1, drawn.a_tm1)
        for stored, mask in zip(drawn.masks_stored, drawn.masks, strict=True):
            _PERMITTED.take(stored, 0, mask, "clip")
        return batch

    def drawn(self, batch: int) -> Drawn:
        return Drawn(batch, self.features)

    def numbers(self) -> Int64s:
        """Of all that is there, the oldest first."""
        return np.arange(self.oldest, self.added)

    def state(self) -> Arrays:
        """Copies: ``rows`` as bytes, the oldest first, the number of transitions ever ``added``, and ``features``."""
        at = self.oldest % self.capacity
        rows = np.concatenate([self._rows[at : at + self._size], self._rows[: max(0, at + self._size - self.capacity)]])
        return {"rows": rows, "added": np.array(self.added), "features": np.array(self.features)}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """In place of all that is there; of more than fits, the newest. Trusts the bytes: ``faults`` looks at them."""
        rows, added, features = state["rows"], int(state["added"]), int(state["features"])
        if features != self.features or rows.shape[1:] != (self.row_bytes,) or rows.dtype != np.uint8:
            raise ValueError(f"a state of {features} features in rows of {rows.shape[1:]} bytes does not fit this ring")
        if len(rows) > added:
            raise ValueError(f"a state of {len(rows)} rows says that {added} were ever added")
        kept = rows[-self.capacity :]
        at = (added - len(kept)) % self.capacity
        end = min(len(kept), self.capacity - at)
        self._rows[at : at + end] = kept[:end]
        self._rows[: len(kept) - end] = kept[end:]
        self.added, self._size = added, len(kept)

    def faults(self) -> list[str]:
        """What must never be: empty after every call, or there is an error in here."""
        found = []
        columns = self.state()["rows"].view(self._row)[:, 0]
        stored = tuple(np.ascontiguousarray(columns[name]) for name in _STORED)
        if (row := self._first_fault(self.features, self._size, *stored)) != FINE:
            found.append(f"transition {self.oldest + row} would have been refused")
        if not 0 <= self._size <= min(self.added, self.capacity):
            found.append(f"{self._size} of {self.added} transitions in a ring of {self.capacity}")
        return found

    def _refusal(self, experiences: Experiences, row: int) -> ValueError:
        shape = (len(experiences.a_tm1),)
        for name in _STORED:
            found, wanted = getattr(experiences, name).shape, shape + self._row[name].shape
            if found != wanted:
                return ValueError(f"{name} has the shape {found}, not {wanted}")
        for name in _FLOATS:
            if not np.isfinite(getattr(experiences, name)[row]).all():
                return NonFiniteExperience(name, row, int(experiences.session[row]))
        if not 0 <= (action := experiences.a_tm1[row]) < len(Action):
            return ValueError(f"row {row} has no such action as {action}")
        return ValueError(f"in s_t of row {row} nothing is permitted, so that it has no best action")


def _contiguous(columns: tuple[npt.NDArray[Any], ...]) -> tuple[npt.NDArray[Any], ...]:
    """What the passes take, if it was only the order of the memory that they did not like."""
    wanted = row_type(1)
    for name, column in zip(_STORED, columns, strict=True):
        if column.dtype != wanted[name].base or column.ndim != 1 + wanted[name].ndim:
            raise ValueError(f"{name} is {column.dtype} in {column.ndim} dimensions, not {wanted[name].base}")
    return tuple(map(np.ascontiguousarray, columns))

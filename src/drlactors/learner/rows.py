"""The ring of a replay buffer: a transition is one row of bytes, and the newest overwrites the oldest.

One row, because a batch is then one gather of whole cache lines instead of one for each column. Transitions are named
by their numbers, counted from the first that was ever added: a slot is used again, a number is not.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from drlactors.domain.action import Action
from drlactors.learner.batch import Batch, Experiences, Int64s

Arrays = dict[str, npt.NDArray[Any]]

_CACHE_LINE_BYTES = 64
_ONE = ("a_tm1", "mask_tm1", "mask_t")  # a byte each, at the end of a row
_NUMBERS = ("r_t", "discount_t", "propensity")  # float32
_STATES = ("s_tm1", "s_t")  # float32, (features,)
_FLOATS = _STATES + _NUMBERS
_STORED = Experiences._fields[:-1]  # which session a transition came from does not outlive its set
_ACTIONS = bytes(Action)
#: Row m: whether mask m permits each action.
_PERMITTED = (np.arange(256)[:, None] >> np.arange(len(Action)) & 1).astype(np.bool_)


class NonFiniteExperience(ValueError):
    """One NaN or infinity in a batch ruins a network for good, so the set that holds it is refused as a whole."""

    def __init__(self, column: str, row: int, session: int) -> None:
        super().__init__(f"{column} of row {row} (session {session}) is not finite: nothing was added")
        self.row, self.session = row, session


class Drawn:
    """Where the rows of a batch are gathered: the arrays are made once, and the batch looks into them."""

    def __init__(self, batch: int, row: np.dtype[np.void]) -> None:
        self.rows = _zeros(batch, row.itemsize)
        column = self.rows.view(row)[:, 0]
        self.slots = np.zeros(batch, dtype=np.int64)
        self.masks = np.zeros((batch, 2, len(Action)), dtype=np.bool_)
        self.masks_stored = self.rows[:, row.fields["mask_tm1"][1] : row.fields["mask_t"][1] + 1]  # type: ignore[index]
        self.a_tm1_stored = column["a_tm1"]
        self.batch = Batch(
            s_tm1=column["s_tm1"],
            a_tm1=np.zeros(batch, dtype=np.int64),
            r_t=column["r_t"],
            discount_t=column["discount_t"],
            s_t=column["s_t"],
            mask_tm1=self.masks[:, 0],
            mask_t=self.masks[:, 1],
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
        self._row = _layout(features)
        self._rows = _zeros(capacity, self._row.itemsize)
        self._columns = self._columns_of(self._rows)

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
        self._check(experiences)
        count = len(experiences.a_tm1)
        if count > self.capacity:  # what would be overwritten at once is only counted
            experiences = experiences.select(slice(-self.capacity, None))
            self.added += count - self.capacity
            count = self.capacity
        at = self.added % self.capacity
        fits = min(count, self.capacity - at)
        for column, values in zip(self._columns.values(), _stored(experiences), strict=True):
            column[at : at + fits] = values[:fits]
            if fits < count:
                column[: count - fits] = values[fits:]
        self.added += count
        self._size = min(self._size + count, self.capacity)

    def gather(self, drawn: Drawn) -> Batch:
        """The batch of the transitions whose numbers are in ``drawn.batch.indices``."""
        batch = drawn.batch
        np.remainder(batch.indices, self.capacity, out=drawn.slots)
        # "clip" writes straight to ``out``; the default would gather into a buffer of its own first.
        self._rows.take(drawn.slots, 0, drawn.rows, "clip")
        np.copyto(batch.a_tm1, drawn.a_tm1_stored)
        _PERMITTED.take(drawn.masks_stored, 0, drawn.masks, "clip")
        return batch

    def drawn(self, batch: int) -> Drawn:
        return Drawn(batch, self._row)

    def numbers(self) -> Int64s:
        """Of all that is there, the oldest first."""
        return np.arange(self.oldest, self.added)

    def state(self) -> Arrays:
        """Copies: ``rows`` as bytes, the oldest first, the number of transitions ever ``added``, and ``features``."""
        rows = self._rows.take(self.numbers() % self.capacity, 0)
        return {"rows": rows, "added": np.array(self.added), "features": np.array(self.features)}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """In place of all that is there; of more than fits, the newest."""
        rows, added, features = np.ascontiguousarray(state["rows"]), int(state["added"]), int(state["features"])
        if features != self.features or rows.shape[1:] != (self.row_bytes,) or rows.dtype != np.uint8:
            raise ValueError(f"a state of {features} features in rows of {rows.shape[1:]} bytes does not fit this ring")
        if len(rows) > added:
            raise ValueError(f"a state of {len(rows)} rows says that {added} were ever added")
        if faults := _faults(self._columns_of(rows)):
            raise ValueError("; ".join(faults))
        kept = rows[-self.capacity :]
        at = (added - len(kept)) % self.capacity
        end = min(len(kept), self.capacity - at)
        self._rows[:] = 0
        self._rows[at : at + end] = kept[:end]
        self._rows[: len(kept) - end] = kept[end:]
        self.added, self._size = added, len(kept)

    def faults(self) -> list[str]:
        """What must never be: empty after every call, or there is an error in here."""
        unused = np.ones(self.capacity, dtype=np.bool_)
        unused[self.numbers() % self.capacity] = False
        left_over = ["a row that is not in use is not empty"] * bool(self._rows[unused].any())
        return _faults(self._columns) + left_over

    def _columns_of(self, rows: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
        """Views of the stored columns, in the order of ``_STORED``."""
        columns = rows.view(self._row)[:, 0]
        return {name: columns[name] for name in _STORED}

    def _check(self, experiences: Experiences) -> None:
        count = len(experiences.a_tm1)
        for (name, column), values in zip(self._columns.items(), _stored(experiences), strict=True):
            shape = (count, self.features) if name in _STATES else (count,)
            if values.shape != shape or values.dtype != column.dtype:
                raise ValueError(f"{name} is {values.dtype} {values.shape}, not {column.dtype} {shape}")
        with np.errstate(over="ignore"):
            infected = [name for name in _FLOATS if not _finite(getattr(experiences, name))]
        for name in infected:
            row = int(np.argwhere(~np.isfinite(getattr(experiences, name)))[0, 0])
            raise NonFiniteExperience(name, row, int(experiences.session[row]))
        if unknown := experiences.a_tm1.tobytes().translate(None, _ACTIONS):
            raise ValueError(f"no such action as {unknown[0]}")
        if 0 in experiences.mask_t.tobytes():
            raise ValueError("in some s_t nothing is permitted, so that it has no best action")


def _faults(columns: Mapping[str, npt.NDArray[Any]]) -> list[str]:
    """What ``extend`` would have refused."""
    unknown = set(columns["a_tm1"].tobytes().translate(None, _ACTIONS))
    not_finite = [name for name in _FLOATS if not np.isfinite(columns[name]).all()]
    return [f"no such action as {number}" for number in unknown] + [f"{name} is not finite" for name in not_finite]


def _stored(experiences: Experiences) -> tuple[npt.NDArray[Any], ...]:
    return experiences[:-1]  # in the order of _STORED


def _layout(features: int) -> np.dtype[np.void]:
    """Floats first, so that they are aligned; single bytes after them; then up to the next cache line."""
    formats = [*[("<f4", (features,))] * len(_STATES), *["<f4"] * len(_NUMBERS), "i1", "u1", "u1"]
    floats = [0, features, *range(2 * features, 2 * features + len(_NUMBERS))]
    end = 4 * (2 * features + len(_NUMBERS))
    lines = -(-(end + len(_ONE)) // _CACHE_LINE_BYTES)
    return np.dtype(
        {
            "names": [*_STATES, *_NUMBERS, *_ONE],
            "formats": formats,
            "offsets": [*(4 * at for at in floats), *range(end, end + len(_ONE))],
            "itemsize": lines * _CACHE_LINE_BYTES,
        }
    )


def _zeros(rows: int, row_bytes: int) -> npt.NDArray[np.uint8]:
    """Rows of bytes that begin at cache lines; pages that were never written take no memory."""
    memory = np.zeros(rows * row_bytes + _CACHE_LINE_BYTES, dtype=np.uint8)
    skipped = -memory.ctypes.data % _CACHE_LINE_BYTES
    return memory[skipped : skipped + rows * row_bytes].reshape(rows, row_bytes)


def _finite(values: npt.NDArray[np.float32]) -> bool:
    flat = values.ravel()
    # One pass without a temporary: a sum of squares is finite only if all are; if it is not, it may have overflowed.
    return isfinite(flat.dot(flat)) or bool(np.isfinite(flat).all())

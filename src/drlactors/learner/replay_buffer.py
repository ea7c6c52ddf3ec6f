"""The replay buffer: keeps the newest transitions, and draws from them uniformly.

Thread-safe: one learner samples while followers of the log add.
"""

from collections.abc import Mapping
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from drlactors.learner.batch import Batch, Experiences
from drlactors.learner.draws import Draws
from drlactors.learner.rows import Arrays, Drawn, Rows

#: With fewer, what is drawn is too much alike.
LEAST_CAPACITY = 10_000


class ReplayBuffer:
    """``capacity`` transitions, first in, first out; 256 bytes each for 30 features, taken as they come.

    A million takes 256 MB; the arrays of a drawn batch come on top, once for each size of batch.
    """

    def __init__(self, features: int, *, seed: int, capacity: int = 100_000) -> None:
        if capacity < LEAST_CAPACITY:
            raise ValueError(f"a replay buffer holds at least {LEAST_CAPACITY} transitions, not {capacity}")
        self._lock = Lock()
        self._seed = seed
        self._rows = Rows(capacity, features)
        self._sizes: dict[int, tuple[Drawn, Draws]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def capacity(self) -> int:
        return self._rows.capacity

    @property
    def added(self) -> int:
        """Transitions that were ever added."""
        return self._rows.added

    def ready(self, batch: int) -> bool:
        """Whether there is enough for training to begin."""
        return len(self) >= batch

    def extend(self, experiences: Experiences) -> None:
        """Add all, in order. Raises ``NonFiniteExperience`` or ``ValueError``, and then has added none."""
        with self._lock:
            self._rows.extend(experiences)

    def clear(self) -> None:
        """Forget all; the transitions' numbers go on."""
        with self._lock:
            self._rows.clear()

    def sample(self, batch: int, update: int) -> Batch:
        """``batch`` transitions, uniformly and with replacement; the same for the same seed, update, and contents.

        The arrays of the batch are the buffer's own: the next sample of this size overwrites them. So the views that
        a caller makes of them (tensors) can be made once as well. ``indices`` are the transitions' numbers.
        """
        with self._lock:
            drawn, draws = self._of_size(batch)
            # No draw reaches the end: u is at most 1 - 2**-53, and its product with a size never rounds up to the size.
            drawn.batch.indices[:] = draws(update) * len(self._rows)
            np.add(drawn.batch.indices, self._rows.oldest, out=drawn.batch.indices)
            return self._rows.gather(drawn)

    def state(self) -> Arrays:
        """A copy of everything, as arrays that any tensor file takes; ``restore`` goes on from it exactly."""
        with self._lock:
            return self._rows.state()

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take the contents of ``state`` instead of one's own; of more than the capacity, the newest."""
        with self._lock:
            self._rows.restore(state)

    def faults(self) -> list[str]:
        """What must never be: empty after every call, or there is an error in here."""
        with self._lock:
            return self._rows.faults()

    def _of_size(self, batch: int) -> tuple[Drawn, Draws]:
        if not len(self._rows):
            raise ValueError("an empty replay buffer has nothing to draw")
        found = self._sizes.get(batch)
        if found is None:
            found = self._sizes[batch] = (self._rows.drawn(batch), Draws(self._seed, batch))
        return found

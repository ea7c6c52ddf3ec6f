"""Prioritised replay (Schaul et al. 2016, the proportional variant): transitions that surprise are drawn more often.

Thread-safe like the uniform buffer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from drlactors.learner.batch import Batch, Experiences, Float32s, Int64s
from drlactors.learner.replay_buffer import ReplayBuffer
from drlactors.learner.rows import Arrays
from drlactors.learner.sum_tree import SumTree


@dataclass(frozen=True, slots=True, kw_only=True)
class Prioritisation:
    """The names and, as defaults, the values of the paper's table 3 (proportional variant)."""

    alpha: float = 0.6  # 0: uniform
    beta: float = 0.4  # how much of the bias is corrected at update 0; all of it (1) from ``beta_updates`` on
    beta_updates: int = 100_000
    epsilon: float = 1e-6  # added to every error, so that none is never drawn again

    def beta_at(self, update: int) -> float:
        return self.beta + (1 - self.beta) * min(1.0, update / self.beta_updates)


_AS_PUBLISHED = Prioritisation()


class PrioritisedReplayBuffer(ReplayBuffer):
    """P(i) = p_i^alpha / sum of p_k^alpha, with p_i = |TD error| + epsilon (equation 1, section 3.3).

    What is new has the highest priority that any transition ever had. 32 bytes a transition, at most, on top.
    """

    def __init__(
        self, features: int, *, seed: int, capacity: int = 100_000, prioritisation: Prioritisation = _AS_PUBLISHED
    ) -> None:
        super().__init__(features, seed=seed, capacity=capacity)
        self._how = prioritisation
        self._tree = SumTree(capacity)
        self._highest = 1.0  # p^alpha

    def extend(self, experiences: Experiences) -> None:
        with self._lock:
            before = self._rows.added
            self._rows.extend(experiences)
            slots = np.arange(max(before, self._rows.oldest), self._rows.added) % self.capacity
            self._tree.set(slots, np.full(len(slots), self._highest))

    def clear(self) -> None:
        """As of the uniform buffer; the highest priority stays what it was."""
        with self._lock:
            self._rows.clear()
            self._tree = SumTree(self.capacity)

    def sample(self, batch: int, update: int) -> Batch:
        """One transition from each of ``batch`` equal shares of the sum (appendix B.2.1), with ``weights``.

        Weights are importance weights by the largest of the batch (section 3.4), beta as it is at ``update``.
        """
        with self._lock:
            drawn, draws = self._of_size(batch)
            slots = self._tree.find((np.arange(batch) + draws(update)) * (self._tree.total / batch))
            priorities = self._tree.priorities[slots]
            # (N P(i))^-beta by its largest: N and the sum of priorities cancel.
            np.power(
                priorities.min() / priorities, self._how.beta_at(update), out=drawn.batch.weights, casting="unsafe"
            )
            indices, newest = drawn.batch.indices, self._rows.added - 1
            np.subtract(newest, slots, out=indices)
            np.remainder(indices, self.capacity, out=indices)  # how old each is
            np.subtract(newest, indices, out=indices)
            return self._rows.gather(drawn)

    def update_priorities(self, indices: Int64s, td_errors: Float32s) -> None:
        """Of the transitions of a batch, from their errors; those that have been overwritten since are left out."""
        priorities = (np.abs(td_errors.astype(np.float64)) + self._how.epsilon) ** self._how.alpha
        highest = float(priorities.max())
        if not isfinite(highest):  # NaN outlasts max
            raise ValueError("a TD error is not finite: no priority was changed")
        with self._lock:
            kept = indices >= self._rows.oldest
            self._tree.set(indices[kept] % self.capacity, priorities[kept])
            self._highest = max(self._highest, highest)

    def state(self) -> Arrays:
        with self._lock:
            priorities = self._tree.priorities[self._rows.numbers() % self.capacity]
            return self._rows.state() | {"priorities": priorities, "highest": np.array(self._highest)}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        priorities = np.asarray(state["priorities"], dtype=np.float64)
        if len(priorities) != len(state["rows"]):
            raise ValueError(f"{len(priorities)} priorities for {len(state['rows'])} rows")
        with self._lock:
            self._rows.restore(state)
            self._tree = SumTree(self.capacity)
            self._tree.set(self._rows.numbers() % self.capacity, priorities[-self.capacity :])
            self._highest = float(state["highest"])

    def faults(self) -> list[str]:
        with self._lock:
            found = self._rows.faults() + self._tree.faults()
            drawable = np.flatnonzero(self._tree.priorities)
            if not np.array_equal(drawable, np.sort(self._rows.numbers() % self.capacity)):
                found.append("what can be drawn is not what is there")
            if self._tree.priorities.max() > self._highest:
                found.append("a priority is higher than the highest")
            return found

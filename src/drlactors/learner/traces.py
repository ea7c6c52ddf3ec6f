"""Recorded sessions as arrays, and how strongly a policy wants to stop each of them in each window.

What is recorded does not react, so a session has to be played only once to know when any threshold would have stopped
it: it is played without final actions, and what is kept is by how much the best of them was ahead of going on.
"""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from drlactors.domain.action import Action
from drlactors.domain.features import Vectors
from drlactors.learner.evaluation import Rank
from drlactors.learner.transitions import Sample, Table, Task, table

Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]
#: (sessions, windows of the longest): by how much stopping is ahead of going on; -inf where it is not permitted, and
#: behind a session's end.
Margins = npt.NDArray[np.float64]

_FINAL = np.array([action.irreversible for action in Action])


class Traces(NamedTuple):
    """n sessions; what is per window is (n, windows of the longest), filled up behind each session's end."""

    table: Table
    rows: Indices  # the table's row when nothing was done about the sample; -1 behind the end
    seconds: npt.NDArray[np.float64]  # from the session's start to the window's end, lost windows included
    malicious: Bools  # (n,)
    artifacts: npt.NDArray[np.str_]  # (n,)
    days: tuple[date | None, ...]  # n
    levels: int  # of isolation: as many rows of the table belong to a window

    @property
    def there(self) -> Bools:
        """Where there is a window."""
        return self.rows >= 0

    @property
    def lengths_s(self) -> npt.NDArray[np.float64]:
        """(n,): how long each session lasted."""
        lasted: npt.NDArray[np.float64] = self.seconds.max(axis=1)
        return lasted

    def select(self, sessions: Bools) -> "Traces":
        chosen = np.flatnonzero(sessions)
        few = self.table._replace(first=self.table.first[chosen], malicious=self.table.malicious[chosen])
        return Traces(
            few,
            self.rows[chosen],
            self.seconds[chosen],
            self.malicious[chosen],
            self.artifacts[chosen],
            tuple(self.days[n] for n in chosen),
            self.levels,
        )

    def own_table(self) -> Table:
        """The table less the rows of other sessions."""
        kept = (np.sort(self.rows[self.there])[:, None] + np.arange(self.levels)).ravel()
        place = np.full(len(self.table.vectors) + 1, -1, dtype=np.intp)  # one more: the place of -1, a true end
        place[kept] = np.arange(len(kept))
        whole = self.table
        return Table(
            whole.vectors[kept],
            whole.permitted[kept],
            whole.rewards[kept],
            place[whole.following[kept]],
            whole.ended_s[kept],
            whole.stopped[kept],
            place[whole.first],
            whole.malicious,
        )

    def vectors(self) -> Vectors:
        """The states of all windows that are there, session by session, when nothing was done about the sample."""
        return self.table.vectors[self.rows[self.there]]

    def spread(self, values: npt.NDArray[np.float64]) -> Margins:
        """Values of ``vectors()`` as margins: in their places, where stopping is permitted there."""
        margins = np.full(self.rows.shape, -np.inf)
        margins[self.there] = values
        permitted = self.table.permitted[self.rows, Action.TERMINATE] & self.there
        return np.where(permitted, margins, -np.inf)


def traces(samples: Sequence[Sample], task: Task) -> Traces:
    """Of sessions that have windows. Raises ValueError for one that has none."""
    made = table(samples, task)
    lengths = [len(sample.windows) for sample in samples]
    rows = np.full((len(samples), max(lengths)), -1, dtype=np.intp)
    seconds = np.zeros(rows.shape)
    levels = task.rules.isolation_steps + 1
    for n, sample in enumerate(samples):
        rows[n, : lengths[n]] = made.first[n] + levels * np.arange(lengths[n])
        elapsed_ms = np.cumsum([window.window_ms for window in sample.windows])
        lost_ms = [(window.seq - at) * window.window_ms for at, window in enumerate(sample.windows)]
        seconds[n, : lengths[n]] = (elapsed_ms + lost_ms) / 1000
    return Traces(
        made,
        rows,
        seconds,
        made.malicious,
        np.array([sample.artifact for sample in samples]),
        tuple(sample.day for sample in samples),
        levels,
    )


def margins(rank: Rank, over: Traces, reviews: int) -> Margins:
    """Of a policy that takes its best reversible action in every window; ``reviews``: how many a session may have."""
    found = np.full(over.rows.shape, -np.inf)
    here, alive, asked = over.table.first.copy(), np.arange(len(over.malicious)), np.zeros(len(over.malicious))
    for at in range(over.rows.shape[1]):
        if not alive.size:
            break
        rows = here[alive]
        permitted = over.table.permitted[rows]
        permitted[:, Action.REVIEW] &= asked[alive] < reviews
        values = np.where(permitted, rank(over.table.vectors[rows]), -np.inf)
        going = np.where(_FINAL, -np.inf, values)
        found[alive, at] = np.where(_FINAL, values, -np.inf).max(axis=1) - going.max(axis=1)
        chosen = going.argmax(axis=1)
        asked[alive] += chosen == Action.REVIEW
        here[alive] = over.table.following[rows, chosen]
        alive = alive[here[alive] >= 0]
    return found


def stops(wanted: Margins, threshold: float) -> Indices:
    """(n,): the first window in which stopping is ahead by more than the threshold; -1 where it never is."""
    above = wanted > threshold
    return np.where(above.any(axis=1), above.argmax(axis=1), -1)

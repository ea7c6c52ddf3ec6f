"""Shadows: candidates that rank live windows beside the policy that acts, and act on nothing."""

from collections import deque
from collections.abc import Mapping, Sequence
from threading import Event, Lock, Thread
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from drlactors.domain.action import Action
from drlactors.domain.features import Vectors
from drlactors.domain.model import Pairing
from drlactors.ports.policy import Policy, PolicyError, RankedBatch, Values

Counts = npt.NDArray[np.int64]


class Batch(NamedTuple):
    """What was ranked together, and by whom."""

    vectors: Vectors
    values: Values
    policy: str
    masks: npt.NDArray[np.intp]  # by row: what was permitted when the row was asked for


class Tally(NamedTuple):
    """What a candidate would have chosen, beside one policy, since the last time that it was asked."""

    candidate: str
    beside: str
    pairings: tuple[Pairing, ...]
    passed_by: int
    failed: int


class _Beside:
    """Sums of one candidate beside one policy."""

    def __init__(self) -> None:
        self.counts: Counts = np.zeros((len(Action), len(Action)), dtype=np.int64)  # [chosen, instead]
        self.passed_by = 0
        self.failed = 0


class Shadows:
    """Ranks on a thread of its own what ``offer`` was given; never more than ``most_waiting`` windows wait.

    The line that answers only appends to a list. When the thread is behind, new batches pass the candidates by, and
    are counted. ONNX Runtime runs without the interpreter's lock; the few lines around it share that lock with the
    line, which is the whole of what a shadow costs it.
    """

    def __init__(self, most_waiting: int) -> None:
        self._most_waiting = most_waiting
        self._waiting: deque[Batch] = deque()
        self._offered = self._taken = 0  # rows; each is written by one thread only
        self._news, self._closed = Event(), Event()
        self._lock = Lock()  # of what follows
        self._candidates: Mapping[str, Policy] = {}
        self._sums: dict[tuple[str, str], _Beside] = {}
        self._thread = Thread(target=self._run, name="shadows", daemon=True)
        self._thread.start()

    def follow(self, candidates: Sequence[Policy]) -> None:
        """These are the candidates from now on."""
        with self._lock:
            self._candidates = {policy.info.id: policy for policy in candidates}

    def offer(self, vectors: Vectors, ranked: RankedBatch, masks: Sequence[tuple[int, int]]) -> None:
        """A batch that was answered; ``masks``: what was permitted, and for how many rows. For one thread only."""
        rows = len(vectors)
        if self._offered - self._taken + rows > self._most_waiting:
            self._pass_by(ranked.policy, rows)
            return
        self._offered += rows
        permitted = np.repeat([mask for mask, _ in masks], [count for _, count in masks])
        self._waiting.append(Batch(vectors, ranked.values, ranked.policy, permitted))
        self._news.set()

    def take(self) -> list[Tally]:
        """What was counted since the last time."""
        with self._lock:
            sums, self._sums = self._sums, {}
        return [
            Tally(candidate, beside, pairings(found.counts), found.passed_by, found.failed)
            for (candidate, beside), found in sums.items()
        ]

    def close(self) -> None:
        self._closed.set()
        self._news.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.is_set():
            self._news.wait()
            self._news.clear()
            while self._waiting and not self._closed.is_set():
                batch = self._waiting.popleft()
                with self._lock:
                    candidates = self._candidates
                for name, policy in candidates.items():
                    self._rank(name, policy, batch)
                self._taken += len(batch.vectors)

    def _rank(self, name: str, policy: Policy, batch: Batch) -> None:
        try:
            values = policy.rank(batch.vectors)
        except PolicyError:
            with self._lock:
                self._of(name, batch.policy).failed += len(batch.vectors)
            return
        chosen, instead = choices(batch.values, batch.masks), choices(values, batch.masks)
        with self._lock:
            np.add.at(self._of(name, batch.policy).counts, (chosen, instead), 1)

    def _pass_by(self, policy: str, rows: int) -> None:
        with self._lock:
            for name in self._candidates:
                self._of(name, policy).passed_by += rows

    def _of(self, candidate: str, beside: str) -> _Beside:
        return self._sums.setdefault((candidate, beside), _Beside())


def choices(values: Values, masks: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """``domain.permission.best`` for all rows at once: the permitted action of the highest value, the lowest number."""
    permitted = (masks[:, None] >> np.arange(values.shape[1])) & 1 == 1
    best: npt.NDArray[np.intp] = np.where(permitted, values, -np.inf).argmax(axis=1)
    return best


def pairings(counts: Counts) -> tuple[Pairing, ...]:
    """Those that occurred."""
    return tuple(
        Pairing(Action(chosen), Action(instead), int(counts[chosen, instead]))
        for chosen, instead in np.argwhere(counts).tolist()
    )

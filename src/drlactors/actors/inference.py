"""The inference actor: everything that is waiting is ranked as one batch."""

from functools import partial
from typing import Any

import numpy as np

from drlactors.actors.dispatched import DispatchedActor
from drlactors.actors.line import Line
from drlactors.actors.messages import Rank, Ranked
from drlactors.domain.action import Action
from drlactors.domain.features import Vectors
from drlactors.ports.policy import RankedBatch, Ranker

#: Ranked in 1 ms: larger runs are no faster by the row.
RUN_ROWS = 512


class InferenceActor(DispatchedActor):
    """Owns no rule and no model: ``ranker`` has both, and falls back from the one to the other."""

    turn = 1024

    def __init__(self, line: Line, ranker: Ranker) -> None:
        super().__init__(line.main)
        self._line = line
        self._ranker = ranker

    def on_batch(self, messages: list[Any]) -> None:
        """Everything that is waiting, in runs of at most ``RUN_ROWS``: no run is late only because it was long."""
        run: list[Rank] = []
        rows = 0
        for rank in messages:
            if run and rows + len(rank.rows) > RUN_ROWS:
                self._rank(run)
                run, rows = [], 0
            run.append(rank)
            rows += len(rank.rows)
        self._rank(run)

    def _rank(self, ranks: list[Rank]) -> None:
        line = self._line
        began_s = line.clock.monotonic_s()
        vectors = line.schema.vectors([row for rank in ranks for row in rank.rows])
        ranked = self._ranker.rank(vectors, began_s - min(rank.asked_s for rank in ranks))
        values = list(map(tuple, ranked.values.tolist()))
        packed, width = vectors.tobytes(), vectors.shape[1] * vectors.itemsize
        first = 0
        for rank in ranks:
            last = first + len(rank.rows)
            rank.reply_to.tell(
                Ranked(
                    rank.group,
                    values[first:last],
                    [packed[at * width : (at + 1) * width] for at in range(first, last)],
                    ranked.policy,
                    line.schema.id,
                    partial(_because, ranked, vectors[first:last]),
                )
            )
            first = last
        masks = [(rank.mask, len(rank.rows)) for rank in ranks]
        if line.shadows is not None:
            line.shadows.offer(vectors, ranked, masks)
        line.observer.decided(_counts(ranked, masks), ranked.policy, line.clock.monotonic_s() - began_s)


def _because(ranked: RankedBatch, vectors: Vectors, index: int, action: Action) -> tuple[str, ...]:
    return ranked.because(vectors[index : index + 1], action)


def _counts(ranked: RankedBatch, masks: list[tuple[int, int]]) -> list[int]:
    """How often each action is the best of those permitted, by what was permitted and for how many rows."""
    permitted = np.repeat(*np.array(masks).T).reshape(-1, 1) >> np.arange(len(Action)) & 1
    best = np.where(permitted, ranked.values, -np.inf).argmax(axis=1)
    counts: list[int] = np.bincount(best, minlength=len(Action)).tolist()
    return counts

"""The inference actor: everything that is waiting is ranked as one batch."""

from typing import Any

from drlactors.actors.dispatched import DispatchedActor
from drlactors.actors.line import Line
from drlactors.actors.messages import Rank, Ranked
from drlactors.domain.action import Action
from drlactors.domain.permission import best
from drlactors.ports.policy import Ranker

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
        counts = [0] * len(Action)
        first = 0
        for rank in ranks:
            last = first + len(rank.rows)
            because: dict[int, tuple[Action, tuple[str, ...]]] = {}
            for index in range(first, last):
                action = best(values[index], rank.mask)
                counts[action] += 1
                if action.carried_out:
                    because[index - first] = action, self._ranker.because(vectors[index : index + 1], action)
            rank.reply_to.tell(
                Ranked(
                    rank.group,
                    values[first:last],
                    [packed[at * width : (at + 1) * width] for at in range(first, last)],
                    ranked.policy,
                    line.schema.id,
                    because,
                )
            )
            first = last
        if line.shadows is not None:
            line.shadows.offer(vectors, ranked, [(rank.mask, len(rank.rows)) for rank in ranks])
        line.observer.decided(counts, ranked.policy, line.clock.monotonic_s() - began_s)

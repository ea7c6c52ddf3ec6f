"""Thresholds that a person can read, tuned on recorded sessions: a baseline that an expert would bring."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from drlactors.learner.evaluation import Rank, play
from drlactors.learner.transitions import Sample, Task, table

T = TypeVar("T")

#: Passes over the neighbours: on the shipped recordings nothing changes after the third.
PASSES = 4


def tuned(
    first: T,
    neighbours: Callable[[T], Iterable[T]],
    rank_of: Callable[[T], Rank],
    samples: Sequence[Sample],
    task: Task,
) -> T:
    """The thresholds of the highest mean reward that climbing from ``first`` finds, one neighbour after the other."""
    traces = table([sample for sample in samples if sample.windows], task)
    if not len(traces.first):
        return first

    def worth(thresholds: T) -> float:
        return float(play(rank_of(thresholds), traces, task.rules.reviews).reward.mean())

    best, most = first, worth(first)
    for _ in range(PASSES):
        before = best
        for one in neighbours(before):
            if (found := worth(one)) > most:
                best, most = one, found
        if best == before:
            break
    return best

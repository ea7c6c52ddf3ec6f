"""What a ranking of actions would have done in recorded sessions.

Recorded behaviour does not react to actions: every figure made here supposes that the sample would have done the same.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from drlactors.domain.action import Action
from drlactors.domain.features import Vectors
from drlactors.learner.transitions import Sample, Table, Task, table

Rank = Callable[[Vectors], npt.NDArray[np.float32]]

#: Stands in ``Played.actions`` where a session was over.
OVER = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Of sessions played to their end, or to the first final action, which is the verdict "malicious"."""

    sessions: int
    accuracy: float
    false_positive_rate: float
    false_negative_rate: float
    mean_decision_s: float  # of malicious sessions that were stopped: seconds from the start; 0 when none was
    mean_reward: float  # sum of undiscounted rewards of a session
    reviews: int


class Played(NamedTuple):
    """n sessions, played to their ends, in the order of the table's."""

    malicious: npt.NDArray[np.bool_]  # (n,): the truth
    stopped: npt.NDArray[np.bool_]  # (n,): by a final action, or by a person who was asked
    ended_s: npt.NDArray[np.float32]  # (n,): from the session's start to its end
    reward: npt.NDArray[np.float64]  # (n,): undiscounted sum
    reviews: npt.NDArray[np.intp]  # (n,)
    actions: npt.NDArray[np.int8]  # (n, choices of the longest session): in their order, OVER behind the end


def play(rank: Rank, traces: Table, reviews: int) -> Played:
    """Takes the best permitted action in every window of every session; every action succeeds.

    All sessions advance together, and the states of one step are ranked as one batch. ``reviews``: how many a session
    may have (``Rules.reviews``). Ties and what is no number are decided as ``domain.permission.best`` does.
    """
    sessions = len(traces.first)
    here = traces.first.copy()
    alive = np.arange(sessions)
    stopped = np.zeros(sessions, dtype=np.bool_)
    ended_s = np.zeros(sessions, dtype=np.float32)
    reward = np.zeros(sessions)
    asked = np.zeros(sessions, dtype=np.intp)
    steps: list[npt.NDArray[np.int8]] = []
    while alive.size:
        rows = here[alive]
        permitted = traces.permitted[rows]
        permitted[:, Action.REVIEW] &= asked[alive] < reviews
        values = rank(traces.vectors[rows])
        chosen = np.where(permitted & (values > -np.inf), values, -np.inf).argmax(axis=1)
        reward[alive] += traces.rewards[rows, chosen]
        asked[alive] += chosen == Action.REVIEW
        here[alive] = traces.following[rows, chosen]
        stopped[alive] = traces.stopped[rows, chosen]
        ended_s[alive] = traces.ended_s[rows, chosen]
        step = np.full(sessions, OVER, dtype=np.int8)
        step[alive] = chosen
        steps.append(step)
        alive = alive[here[alive] >= 0]
    actions = np.stack(steps, axis=1) if steps else np.zeros((sessions, 0), dtype=np.int8)
    return Played(traces.malicious, stopped, ended_s, reward, asked, actions)


def evaluate(rank: Rank, samples: Iterable[Sample], task: Task) -> Evaluation:
    """The figures of every sample that has any windows."""
    return figures(play(rank, table([sample for sample in samples if sample.windows], task), task.rules.reviews))


def figures(played: Played) -> Evaluation:
    """What the sessions came to."""
    caught = played.stopped & played.malicious
    wrong = int((played.stopped & ~played.malicious).sum())
    sessions, malicious = len(played.malicious), int(played.malicious.sum())
    missed = malicious - int(caught.sum())
    return Evaluation(
        sessions=sessions,
        accuracy=1 - (wrong + missed) / max(sessions, 1),
        false_positive_rate=wrong / max(sessions - malicious, 1),
        false_negative_rate=missed / max(malicious, 1),
        mean_decision_s=float(played.ended_s[caught].mean()) if caught.any() else 0.0,
        mean_reward=float(played.reward.sum()) / max(sessions, 1),
        reviews=int(played.reviews.sum()),
    )

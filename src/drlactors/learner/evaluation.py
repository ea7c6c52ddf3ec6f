"""What a ranking of actions would have done in recorded sessions."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drlactors.domain import reward
from drlactors.domain.action import Action
from drlactors.domain.features import Vectors, row
from drlactors.domain.permission import best, permitted
from drlactors.domain.session import DECIDER, INITIAL, ActionSelected, FeedbackReceived, Record
from drlactors.learner.transitions import Sample, Task, start

Rank = Callable[[Vectors], npt.NDArray[np.float32]]


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


@dataclass(frozen=True, slots=True)
class _Played:
    malicious: bool
    stopped_s: float | None
    reward: float
    reviews: int


def evaluate(rank: Rank, samples: Iterable[Sample], task: Task) -> Evaluation:
    """Plays the best permitted action in every window of every sample that has any; every action succeeds."""
    played = [_play(rank, sample, task) for sample in samples if sample.windows]
    malicious = [one for one in played if one.malicious]
    benign = [one for one in played if not one.malicious]
    caught_s = [one.stopped_s for one in malicious if one.stopped_s is not None]
    wrong = sum(one.stopped_s is not None for one in benign)
    missed = len(malicious) - len(caught_s)
    return Evaluation(
        sessions=len(played),
        accuracy=1 - (wrong + missed) / max(len(played), 1),
        false_positive_rate=wrong / max(len(benign), 1),
        false_negative_rate=missed / max(len(malicious), 1),
        mean_decision_s=sum(caught_s) / max(len(caught_s), 1),
        mean_reward=sum(one.reward for one in played) / max(len(played), 1),
        reviews=sum(one.reviews for one in played),
    )


def _play(rank: Rank, sample: Sample, task: Task) -> _Played:
    weights, malicious = task.weights, sample.malicious
    state = DECIDER.fold(DECIDER.decide(start(sample, task.rules), INITIAL))
    total = 0.0
    for at, window in enumerate(sample.windows):
        if at:
            total += reward.of_time(weights, window.window_ms / 1000, state.response.isolation, malicious=malicious)
        state = DECIDER.fold(DECIDER.decide(Record(window), state), state)
        values = rank(task.schema.vectors([row(state, window)]))[0].tolist()
        mask = permitted(state)
        action = best(values, mask)
        total += reward.of_action(weights, action, malicious=malicious, failed=False)
        chosen = ActionSelected(
            seq=window.seq,
            action=action,
            values=tuple(values),
            mask=mask,
            state_vector=b"",
            policy="",
            schema=task.schema.id,
            because=(),
            propensity=1.0,
        )
        state = DECIDER.evolve(state, chosen)
        if action.irreversible:
            return _Played(malicious, state.progress.elapsed_ms / 1000, total, state.response.reviews)
        if action is not Action.CONTINUE:
            state = DECIDER.evolve(state, FeedbackReceived(seq=window.seq, success=True, outcome="", message=""))
    total += reward.of_end(weights, malicious=malicious, stopped=False)
    return _Played(malicious, None, total, state.response.reviews)

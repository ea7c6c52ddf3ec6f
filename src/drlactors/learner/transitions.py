"""Recorded windows as a table of every permitted choice: what fitted Q iteration learns from.

What was recorded does not react to us, so what each action would have led to is known as far as the reward goes: a
final action ends with the truth's reward; anything else leads to the next window, with one step of isolation more or
without. Each window therefore stands in the table once for each level of isolation. A recording cannot show what a
person would have answered: ``Task.review_windows`` supposes it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from functools import partial
from typing import NamedTuple
from uuid import UUID

import numpy as np
import numpy.typing as npt

from drlactors.domain import reward
from drlactors.domain.action import Action
from drlactors.domain.features import COLUMNS, FeatureSchema, Row, Vectors, row
from drlactors.domain.ids import EpisodeId
from drlactors.domain.permission import Rules, permitted
from drlactors.domain.response import Response
from drlactors.domain.session import DECIDER, INITIAL, Artifact, Record, Start, State
from drlactors.domain.telemetry import Window

_ISOLATION = COLUMNS.index("isolation")


class Sample(NamedTuple):
    """A recorded session with its truth."""

    windows: tuple[Window, ...]
    malicious: bool
    artifact: str  # sha256: sessions of one artifact are never both learned from and tested on
    stage: int = 1  # 1 or 2
    day: date | None = None  # of the run, for splits by date; None: not known


class Task(NamedTuple):
    """What is to be learned: the rules of the game, not how it is learned.

    With ``review_windows``, asking a person is waiting for one who knows the truth: nothing else is done for so many
    windows; then a malicious sample is terminated and a benign one released. The sample that ends before is as if
    nobody had been asked. (That asking is one choice with all that follows keeps it a function of the state, which does
    not show that a question is open.) With None nobody answers: a review costs, and brings nothing.
    """

    schema: FeatureSchema
    rules: Rules
    weights: reward.Weights
    gamma: float  # a window
    review_windows: int | None = None  # 1 or more


class Table(NamedTuple):
    """Row n: a state, and for each action whether it is permitted, its reward and where it leads.

    Whether there is a review left is for who plays to know: a row permits it if the rules ever do.
    """

    vectors: Vectors  # (rows, features)
    permitted: npt.NDArray[np.bool_]  # (rows, actions)
    rewards: npt.NDArray[np.float32]  # (rows, actions): undiscounted, where the choice takes several windows
    following: npt.NDArray[np.intp]  # (rows, actions): the next row; -1 is a true end
    ended_s: npt.NDArray[np.float32]  # (rows, actions): from the session's start to that end; NaN where it goes on
    stopped: npt.NDArray[np.bool_]  # (rows, actions): whether the sample is stopped thereby
    first: npt.NDArray[np.intp]  # (sessions,): the row in which each session begins
    malicious: npt.NDArray[np.bool_]  # (sessions,)


def table(samples: Iterable[Sample], task: Task) -> Table:
    """All windows of all samples at all levels of isolation. Raises ValueError for a sample without windows."""
    rows: list[Row] = []
    masks: list[int] = []
    elapsed_ms: list[int] = []
    first: list[int] = []
    malicious: list[bool] = []
    levels = range(task.rules.isolation_steps + 1)
    for sample in samples:
        if not sample.windows:
            raise ValueError(f"a session of {sample.artifact} has no windows")
        first.append(len(elapsed_ms))
        malicious.append(sample.malicious)
        for state, window in zip(recorded(sample, task.rules), sample.windows, strict=True):
            seen = row(state, window)
            rows += [(*seen[:_ISOLATION], level, *seen[_ISOLATION + 1 :]) for level in levels]
            masks += [permitted(state._replace(response=Response(isolation=level))) for level in levels]
            elapsed_ms.append(state.progress.elapsed_ms)
    bits = np.array(masks, dtype=np.intp).reshape(-1, 1) >> np.arange(len(Action))
    starts, truth = np.array(first, dtype=np.intp), np.array(malicious, dtype=np.bool_)
    return Table(
        task.schema.vectors(rows),
        (bits & 1).astype(np.bool_),
        *_outcomes(np.array(elapsed_ms, dtype=np.int64), starts, truth, task),
        starts * len(levels),
        truth,
    )


def start(sample: Sample, rules: Rules) -> Start:
    """As a sandbox that plays the sample would start its session."""
    return Start(
        sandbox="recording",
        stage=sample.stage,
        episode=EpisodeId(UUID(int=0)),
        artifact=Artifact(sha256=sample.artifact, kind=""),
        window_ms=sample.windows[0].window_ms if sample.windows else 0,
        rules=rules,
    )


def recorded(sample: Sample, rules: Rules) -> Iterator[State]:
    """The session's state after each window, when nothing is done about it."""
    state = DECIDER.fold(DECIDER.decide(start(sample, rules), INITIAL))
    for window in sample.windows:
        state = DECIDER.fold(DECIDER.decide(Record(window), state), state)
        yield state


def split(samples: Sequence[Sample], share: float, seed: int) -> tuple[list[Sample], list[Sample]]:
    """To learn from, and to test on: about ``share`` of the artifacts of each class, at least one, whole."""
    held: set[str] = set()
    for malicious in (False, True):
        artifacts = sorted({sample.artifact for sample in samples if sample.malicious is malicious})
        order = np.random.default_rng([seed, malicious]).permutation(len(artifacts))
        held.update(artifacts[index] for index in order[: max(1, round(share * len(artifacts)))])
    return [s for s in samples if s.artifact not in held], [s for s in samples if s.artifact in held]


class _Outcomes(NamedTuple):
    """Columns of the table, (rows, actions)."""

    rewards: npt.NDArray[np.float32]
    following: npt.NDArray[np.intp]
    ended_s: npt.NDArray[np.float32]
    stopped: npt.NDArray[np.bool_]


def _outcomes(
    elapsed_ms: npt.NDArray[np.int64], first: npt.NDArray[np.intp], truth: npt.NDArray[np.bool_], task: Task
) -> _Outcomes:
    """As domain/experience.py has it: a final action or the session's end has its reward, else time its cost.

    ``elapsed_ms`` (windows,) and ``first`` (sessions,) count windows, not rows.
    """
    weights, levels, windows = task.weights, task.rules.isolation_steps + 1, len(elapsed_ms)
    lengths = np.diff(np.append(first, windows))
    last = np.repeat(first + lengths - 1, lengths)
    malicious = np.repeat(truth, lengths)
    at = np.arange(windows)

    def worth(of: Callable[[bool], float]) -> npt.NDArray[np.float64]:
        """What something is worth in each window, given the truth."""
        return np.where(malicious, of(True), of(False))

    shape = (windows, levels, len(Action))
    rewards, ended_s = np.empty(shape), np.empty(shape)
    following, stopped = np.empty(shape, dtype=np.intp), np.empty(shape, dtype=np.bool_)
    for action in Action:
        answered = task.review_windows if action is Action.REVIEW else None
        then = at + (0 if action.irreversible else 1 if answered is None else answered)
        until = np.minimum(then, last)
        ends = (then > last) | action.irreversible | (answered is not None)
        stops = ends & (action.irreversible | (malicious & (then <= last)))
        own = worth(partial(_of_action, weights, action))
        if not action.irreversible:
            own += np.where(stops, worth(partial(_of_action, weights, Action.TERMINATE)), 0.0)
            own += np.where(ends & ~stops, worth(partial(_of_end, weights)), 0.0)
        seconds = (elapsed_ms[until] - elapsed_ms[at]) / 1000
        for level in range(levels):
            isolation = level + (action is Action.ISOLATE)
            rewards[:, level, action] = own + seconds * worth(partial(_of_second, weights, isolation))
            following[:, level, action] = np.where(ends, -1, (at + 1) * levels + min(isolation, levels - 1))
        ended_s[:, :, action] = np.where(ends, elapsed_ms[until] / 1000, np.nan).reshape(-1, 1)
        stopped[:, :, action] = stops.reshape(-1, 1)
    rows = (-1, len(Action))
    return _Outcomes(
        rewards.reshape(rows).astype(np.float32),
        following.reshape(rows),
        ended_s.reshape(rows).astype(np.float32),
        stopped.reshape(rows),
    )


def _of_action(weights: reward.Weights, action: Action, malicious: bool) -> float:
    return reward.of_action(weights, action, malicious=malicious, failed=False)


def _of_second(weights: reward.Weights, isolation: int, malicious: bool) -> float:
    return reward.of_time(weights, 1.0, isolation, malicious=malicious)


def _of_end(weights: reward.Weights, malicious: bool) -> float:
    return reward.of_end(weights, malicious=malicious, stopped=False)

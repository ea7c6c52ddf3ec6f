"""Recorded windows as a table of every permitted choice: what fitted Q iteration learns from.

What was recorded does not react to us, so what each action would have led to is known as far as the reward goes: a
final action ends with the truth's reward; anything else leads to the next window, with one step of isolation more or
without. Each window therefore stands in the table once for each level of isolation. A recording cannot show what a
person would have answered: a review costs, and brings nothing here.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import NamedTuple
from uuid import UUID

import numpy as np
import numpy.typing as npt

from drlactors.domain import reward
from drlactors.domain.action import Action
from drlactors.domain.features import FeatureSchema, Row, Vectors, row
from drlactors.domain.ids import EpisodeId
from drlactors.domain.permission import Rules, permitted
from drlactors.domain.session import DECIDER, INITIAL, Artifact, Record, Response, Start, State
from drlactors.domain.telemetry import Window


class Sample(NamedTuple):
    """A recorded session with its truth."""

    windows: tuple[Window, ...]
    malicious: bool
    artifact: str  # sha256: sessions of one artifact are never both learned from and tested on
    stage: int = 1  # 1 or 2
    day: date | None = None  # of the run, for splits by date; None: not known


class Task(NamedTuple):
    """What is to be learned: the rules of the game, not how it is learned."""

    schema: FeatureSchema
    rules: Rules
    weights: reward.Weights
    gamma: float  # a window


class Table(NamedTuple):
    """Row n: a state, and for each action whether it is permitted, its reward and where it leads."""

    vectors: Vectors  # (rows, features)
    permitted: npt.NDArray[np.bool_]  # (rows, actions)
    rewards: npt.NDArray[np.float32]  # (rows, actions)
    following: npt.NDArray[np.intp]  # (rows, actions): the next row; -1 is a true end


def table(samples: Iterable[Sample], task: Task) -> Table:
    """All windows of all samples at all levels of isolation."""
    rows: list[Row] = []
    masks: list[int] = []
    rewards: list[list[float]] = []
    following: list[list[int]] = []
    levels = task.rules.isolation_steps + 1
    for sample in samples:
        states = list(recorded(sample, task.rules))
        for at, (state, window) in enumerate(zip(states, sample.windows, strict=True)):
            final = at + 1 == len(states)
            seconds = 0.0 if final else sample.windows[at + 1].window_ms / 1000
            first = len(rows)
            for level in range(levels):
                here = state._replace(response=Response(isolation=level))
                rows.append(row(here, window))
                masks.append(permitted(here))
                rewards.append([_reward(action, level, seconds, sample, task, final=final) for action in Action])
                following.append([_next(action, first, level, levels, final=final) for action in Action])
    bits = np.array(masks, dtype=np.intp).reshape(-1, 1) >> np.arange(len(Action))
    return Table(
        task.schema.vectors(rows),
        (bits & 1).astype(np.bool_),
        np.array(rewards, dtype=np.float32),
        np.array(following, dtype=np.intp),
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


def _reward(action: Action, level: int, seconds: float, sample: Sample, task: Task, *, final: bool) -> float:
    """As domain/experience.py has it: a final action or the session's end has its reward, else time its cost."""
    malicious = sample.malicious
    own = reward.of_action(task.weights, action, malicious=malicious, failed=False)
    if action.irreversible:
        return own
    if final:
        return own + reward.of_end(task.weights, malicious=malicious, stopped=False)
    return own + reward.of_time(task.weights, seconds, level + (action is Action.ISOLATE), malicious=malicious)


def _next(action: Action, first: int, level: int, levels: int, *, final: bool) -> int:
    if final or action.irreversible:
        return -1
    return first + levels + min(level + (action is Action.ISOLATE), levels - 1)

"""How methods are judged: the same splits, sessions, clock and reward for all, again for every seed.

A fifth of the artifacts of each class is tested on, a fifth chooses thresholds, the rest is learned from. A small set
is rotated until each artifact was tested on once; then a threshold is chosen on the validation margins of all sessions
but those it is applied to.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import NamedTuple

import numpy as np

from drlactors.learner import baselines, corpus, stopping
from drlactors.learner.baselines import Running
from drlactors.learner.corpus import Corpus
from drlactors.learner.evaluation import Rank
from drlactors.learner.fitted_q import FittedQ
from drlactors.learner.looks import FIXED_S, FixedTime
from drlactors.learner.methods import Method
from drlactors.learner.stopping import Evidence
from drlactors.learner.traces import Bools, Traces, traces
from drlactors.learner.transitions import Sample, Task

#: Into so many parts artifacts are split: one to test on, one to choose by, the others to learn from.
PARTS = 5


class TooFewToSplit(Exception):
    """There is not enough to judge by: each class needs five artifacts, and in a split by date one more behind it."""


class Study(NamedTuple):
    """What is evaluated, and on what."""

    draw: Callable[[int], Corpus]  # with what it leaves to chance drawn by a seed
    task: Task
    rotations: int  # 1 to PARTS: how many of the parts are tested on, for each seed
    draws: int  # how often what is left to chance is drawn for learning; 1 where nothing is
    rules: Rank
    tune: Callable[[list[Sample]], Rank]
    dqn: Method
    fitted_q: FittedQ
    since: date | None = None  # instead of parts: test on what was recorded from this day on, learn from before


class Rotation(NamedTuple):
    learned: frozenset[str]  # artifacts
    validation: frozenset[str]
    tested: frozenset[str]


def rotations(study: Study, samples: Sequence[Sample], seed: int) -> Iterator[Rotation]:
    """Each with both classes in all that it has. Raises TooFewToSplit."""
    if study.since is not None:
        before, after = corpus.by_date(samples, study.since)
        parts = _parts(before, seed)
        _check(after)
        yield Rotation(frozenset().union(*parts[1:]), parts[0], frozenset(sample.artifact for sample in after))
        return
    parts = _parts(samples, seed)
    for number in range(study.rotations):
        tested, validation = parts[number], parts[(number + 1) % PARTS]
        yield Rotation(frozenset().union(*parts) - tested - validation, validation, tested)


def _parts(samples: Sequence[Sample], seed: int) -> list[frozenset[str]]:
    parts = [tested for _, tested in corpus.folds(samples, PARTS, seed)]
    for part in parts:
        _check(part)
    return [frozenset(sample.artifact for sample in part) for part in parts]


def _check(samples: Sequence[Sample]) -> None:
    if len({sample.malicious for sample in samples}) < 2:
        raise TooFewToSplit


class Data(NamedTuple):
    """The sessions of one seed."""

    corpus: Corpus
    over: Traces  # of the corpus: validated and tested on
    drawn: tuple[Sample, ...]  # as ``learnable`` has them
    learnable: Traces

    @classmethod
    def of(cls, study: Study, seed: int) -> "Data":
        found = study.draw(seed)
        over = traces(found.samples, study.task)
        if study.draws == 1:
            return cls(found, over, found.samples, over)
        drawn = tuple(
            sample for number in range(study.draws) for sample in study.draw(1000 + seed * study.draws + number).samples
        )
        return cls(found, over, drawn, traces(drawn, study.task))


def among(over: Traces, artifacts: frozenset[str]) -> Bools:
    return np.isin(over.artifacts, sorted(artifacts))


class Fitted(NamedTuple):
    """All methods, learned from one rotation's sessions."""

    evidence: Evidence
    running: Running
    fixed: dict[int, FixedTime]
    ranks: dict[str, Rank]  # those that choose among all actions by themselves
    isolate: float


OURS, THRESHOLD = "stopping policy", "threshold stopping"
NEVER, RANDOM, RULES, TUNED = "always continue", "random", "rules", "rules, tuned"
DQN, FITTED = "plain DQN", "fitted Q network"


def name_of(at_s: int) -> str:
    return f"fixed {at_s} s"


def fit(study: Study, data: Data, rotation: Rotation, seed: int) -> Fitted:
    chosen = among(data.learnable, rotation.learned)
    learned = data.learnable.select(chosen)
    samples = [sample for sample, here in zip(data.drawn, chosen.tolist(), strict=True) if here]
    evidence = Evidence.of(learned, seed)
    ranks: dict[str, Rank] = {
        NEVER: baselines.always_continue,
        RANDOM: baselines.at_random(seed),
        RULES: study.rules,
        TUNED: study.tune(samples),
    }
    gamma = study.task.gamma
    ranks |= {
        DQN: baselines.dqn(learned, study.dqn, gamma, seed),
        FITTED: baselines.fitted_q(learned, study.fitted_q, gamma, seed),
    }
    return Fitted(
        evidence,
        Running(learned, evidence.boosting),
        {at_s: FixedTime(learned, at_s, seed) for at_s in FIXED_S},
        ranks,
        stopping.isolation(learned, study.task.weights),
    )

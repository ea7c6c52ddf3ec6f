"""What an offline training learns from, and the sessions that are held out to judge it by."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from drlactors.learner import projection
from drlactors.learner.batch import Experiences
from drlactors.learner.choices import with_stops
from drlactors.learner.logged import Streams, held_out, samples
from drlactors.learner.traces import Traces, traces
from drlactors.learner.transitions import Sample, Task, split
from drlactors.ports.decisions import Recorded

#: Of the artifacts.
HELD_OUT = 0.2


class Course(NamedTuple):
    learned: Traces | Experiences  # whole sessions where every choice is known, experiences of a log
    sessions: int  # that they are from
    held: tuple[Sample, ...]  # of other artifacts, each with at least one window


class TooFew(Exception):
    """There is not enough to learn from and to judge by: each class needs at least two artifacts with sessions."""


def of_samples(recorded: Sequence[Sample], task: Task, seed: int) -> Course:
    """Every permitted choice in recorded sessions. Raises TooFew."""
    learned, held = split([sample for sample in recorded if sample.windows], HELD_OUT, seed)
    _check([sample.malicious for sample in learned], [sample.malicious for sample in held])
    return Course(traces(learned, task), len(learned), tuple(held))


def of_log(recorded: Recorded, streams: Streams, task: Task, seed: int) -> Course:
    """The decisions of a log or an archive, and what stopping would have been worth in them. Raises TooFew."""
    labels = projection.labels(recorded)
    usable = labels.known & labels.ended & np.isin(recorded.sessions.number, recorded.decisions.session)
    held = held_out(recorded.sessions.artifact, HELD_OUT, seed)
    _check(labels.malicious[usable & ~held].tolist(), labels.malicious[usable & held].tolist())
    rows = projection.experiences(recorded, weights=task.weights, gamma=task.gamma)
    learned = with_stops(rows.select((usable & ~held)[rows.session]), labels.malicious, task.weights)
    judged = samples(streams, recorded.sessions, labels.malicious, np.flatnonzero(usable & held).tolist())
    return Course(learned, int((usable & ~held).sum()), tuple(sample for sample in judged if sample.windows))


def _check(learned: Sequence[bool], held: Sequence[bool]) -> None:
    if len(set(learned)) < 2 or len(set(held)) < 2:
        raise TooFew

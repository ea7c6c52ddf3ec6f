"""Named sets of recorded sessions, and the ways to split them by artifact.

No split ever has sessions of one artifact, whatever their stage, on both sides.
"""

from collections.abc import Iterator, Sequence, Set
from datetime import date
from hashlib import sha256
from typing import NamedTuple

from drlactors.domain.telemetry import Window
from drlactors.learner.transitions import Sample


class CorpusUnfit(Exception):
    """There are no such sessions, or they cannot be used as was asked; the message says why."""


class Corpus(NamedTuple):
    """Recorded sessions of one origin."""

    name: str
    samples: tuple[Sample, ...]
    insufficient: tuple[tuple[Window, ...], ...] = ()  # runs that show too little to have a truth: never benign
    stages_s: tuple[int, int] | None = None  # where stage 1 and stage 2 end; None: both stages were recorded


class Episode(NamedTuple):
    """An artifact in both stages; None where nothing was recorded of the second."""

    first: Sample
    second: Sample | None


def folds(samples: Sequence[Sample], count: int, seed: int) -> Iterator[tuple[tuple[Sample, ...], tuple[Sample, ...]]]:
    """Each of ``count`` parts once as what is tested on, the others as what is learned from, stratified by class.

    Artifacts of each class go to the parts in the order of a hash of the seed and the artifact. Raises CorpusUnfit
    where an artifact is both malicious and benign.
    """
    classes = list(_by_class(samples, seed))
    everything = {artifact for artifacts in classes for artifact in artifacts}
    for number in range(count):
        tested = {artifact for artifacts in classes for artifact in artifacts[number::count]}
        yield _of(samples, everything - tested), _of(samples, tested)


def by_date(samples: Sequence[Sample], day: date) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """What was recorded before the day, and from it on, less artifacts of the former; undated sessions are in neither.

    To learn from the past and be tested on what came later.
    """
    dated = [(sample, sample.day) for sample in samples if sample.day is not None]
    before = tuple(sample for sample, at in dated if at < day)
    known = {sample.artifact for sample in before}
    return before, tuple(sample for sample, at in dated if at >= day and sample.artifact not in known)


def episodes(corpus: Corpus) -> tuple[Episode, ...]:
    """The artifacts of a corpus in both stages.

    Where nothing was run in a second sandbox, the later, disjoint part of the same run stands for it: an honest
    stand-in for time that stage 1 did not have, and none for another environment, which could make the sample behave
    in another way.
    """
    if corpus.stages_s is not None:
        return tuple(_halves(sample, *corpus.stages_s) for sample in corpus.samples)
    second = {sample.artifact: sample for sample in corpus.samples if sample.stage == 2}
    return tuple(Episode(sample, second.get(sample.artifact)) for sample in corpus.samples if sample.stage == 1)


def _halves(sample: Sample, first_s: int, second_s: int) -> Episode:
    """The session until ``first_s``, and from there until ``second_s`` as one that begins anew."""
    ends_ms, elapsed_ms = [], 0
    for window in sample.windows:
        elapsed_ms += window.window_ms
        ends_ms.append(elapsed_ms)
    cut = sum(end <= first_s * 1000 for end in ends_ms)
    until = sum(end <= second_s * 1000 for end in ends_ms)
    later = sample.windows[cut:until]
    first = sample._replace(windows=sample.windows[:cut], stage=1)
    if not later:
        return Episode(first, None)
    anew = tuple(window._replace(seq=window.seq - later[0].seq) for window in later)
    return Episode(first, sample._replace(windows=anew, stage=2))


def _by_class(samples: Sequence[Sample], seed: int) -> Iterator[list[str]]:
    classes = [{sample.artifact for sample in samples if sample.malicious is truth} for truth in (False, True)]
    if both := classes[False] & classes[True]:
        raise CorpusUnfit(f"{min(both)} is both malicious and benign")
    for artifacts in classes:
        yield sorted(artifacts, key=lambda artifact: sha256(f"{seed}:{artifact}".encode()).digest())


def _of(samples: Sequence[Sample], artifacts: Set[str]) -> tuple[Sample, ...]:
    return tuple(sample for sample in samples if sample.artifact in artifacts)

"""What is found with every seed, and what it comes to: interquartile means, with intervals by resampling.

An interval tells of two chances at once. Which artifacts were recorded: sessions of an artifact are drawn together, of
each class as many artifacts as there are, the same ones for every method and seed. And what a seed decides: what is
learned from, chosen by and tested on, and how training goes. Both are resampled (Efron 1979); seeds are put together
by their interquartile mean (Agarwal et al. 2021).
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from drlactors.learner.intervals import percentile
from drlactors.learner.metrics import Floats
from drlactors.learner.report.alone import Alone
from drlactors.learner.report.calibration import Calibration
from drlactors.learner.report.detection import Detection, Figures, key
from drlactors.learner.report.judging import FPRS, rotate
from drlactors.learner.report.protocol import OURS, Data, Study
from drlactors.learner.report.robustness import Losses, Stages
from drlactors.learner.stopping import Boundary
from drlactors.learner.traces import Indices
from drlactors.learner.transitions import Sample
from drlactors.learner.trees import alone

CONFIDENCE = 0.95


class Part(Protocol):
    """Tested sessions with what is known of them, of which any may be selected, also more than once."""

    @property
    def artifacts(self) -> npt.NDArray[np.str_]: ...

    def select(self, sessions: Indices) -> "Part": ...

    def figures(self) -> Figures: ...


class Found(NamedTuple):
    """With one seed."""

    figures: Figures
    resampled: list[Figures]
    boundaries: dict[str, list[Boundary]]  # of ours, by false-positive rate: one for each rotation


def found(study: Study, seeds: Sequence[int], resamples: int) -> Iterator[Found]:
    """One after the other, each as soon as it is found."""
    data = None
    for seed in seeds:
        if data is None or study.draws > 1:
            data = Data.of(study, seed)
        with alone():
            one = _found(study, data, seed, resamples)
        yield one


def _found(study: Study, data: Data, seed: int, resamples: int) -> Found:
    rotated = rotate(study, data, seed)
    parts: dict[str, Part] = {
        "detection": Detection.of(rotated),
        "calibration": Calibration.of(data, rotated),
        "alone": Alone.of(study, data, rotated),
        "loss": Losses.of(study, data, rotated, seed),
    }
    if stages := Stages.of(study, data.corpus, rotated):
        parts["stages"] = stages
    names, often = _drawn(data.corpus.samples, resamples)
    return Found(
        _figures(parts),
        [_figures({name: _selected(part, names, counts) for name, part in parts.items()}) for counts in often],
        {key(fpr): [one.boundaries[fpr][OURS] for one in rotated] for fpr in FPRS},
    )


def _figures(parts: dict[str, Part]) -> Figures:
    return {name: part.figures() for name, part in parts.items()}


def _drawn(samples: Sequence[Sample], resamples: int) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.intp]]:
    """The artifacts' names, sorted, and (resamples, artifacts) how often each is drawn: the same for every seed."""
    dice = np.random.default_rng(0)
    truths = {sample.artifact: sample.malicious for sample in samples}
    names = np.array(sorted(truths))
    malicious = np.array([truths[name] for name in names.tolist()])
    often = np.zeros((resamples, len(names)), dtype=np.intp)
    for truth in (False, True):
        of = np.flatnonzero(malicious == truth)
        often[:, of] = dice.multinomial(len(of), np.full(len(of), 1 / len(of)), size=resamples)
    return names, often


def _selected(part: Part, names: npt.NDArray[np.str_], often: npt.NDArray[np.intp]) -> Part:
    return part.select(np.repeat(np.arange(len(part.artifacts)), often[np.searchsorted(names, part.artifacts)]))


def together(seeds: Sequence[Found]) -> Figures:
    """Every number as {mean, low, high}, every list of numbers as lists of these."""
    resamples = len(seeds[0].resampled)
    dice = np.random.default_rng(0)
    chosen = dice.integers(len(seeds), size=(resamples, len(seeds)))
    merged: Figures = _merged([[seed.figures, *seed.resampled] for seed in seeds], chosen)
    return merged


def _merged(values: list[list[Any]], chosen: npt.NDArray[np.intp]) -> Any:
    """``values``: by seed, first what was found, then by resample; ``chosen``: (resamples, seeds)."""
    first = values[0][0]
    if isinstance(first, dict):
        return {name: _merged([[one[name] for one in seed] for seed in values], chosen) for name in first}
    if isinstance(first, list):
        longest = max(len(seed[0]) for seed in values)
        every = np.array([[_padded(one, longest) for one in seed] for seed in values])
        columns = [_interval(every[..., at], chosen) for at in range(longest)]
        return {name: [column[name] for column in columns] for name in ("mean", "low", "high")}
    return _interval(np.array(values, dtype=np.float64), chosen)


def _padded(values: list[float], length: int) -> list[float]:
    """With its last value repeated: a session that is over stays over."""
    return values + values[-1:] * (length - len(values))


def _interval(values: Floats, chosen: npt.NDArray[np.intp]) -> dict[str, float | None]:
    """``values``: (seeds, 1 + resamples). JSON knows no NaN and no infinity."""
    replicates = interquartile(values[chosen, 1 + np.arange(len(chosen))[:, None]])
    whole = percentile(float(interquartile(values[:, 0])), replicates, CONFIDENCE)
    names = "mean", "low", "high"
    return {name: round(value, 4) if np.isfinite(value) else None for name, value in zip(names, whole, strict=True)}


def interquartile(values: Floats) -> Floats:
    """The mean of the middle half along the last axis: of what is a number there, and NaN where nothing is."""
    ordered = np.sort(np.where(np.isfinite(values), values, np.nan), axis=-1)  # NaN comes last
    known = np.isfinite(ordered).sum(axis=-1, keepdims=True)
    at, cut = np.arange(values.shape[-1]), known // 4
    middle = (at >= cut) & (at < known - cut)
    found: Floats = np.where(
        known[..., 0] > 0, np.where(middle, ordered, 0.0).sum(axis=-1) / np.maximum(middle.sum(axis=-1), 1), np.nan
    )
    return found

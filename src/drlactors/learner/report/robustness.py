"""What two stages come to, and what is left when telemetry is lost."""

from typing import Any

import numpy as np
import numpy.typing as npt

from drlactors.learner.corpus import episodes
from drlactors.learner.metrics import point
from drlactors.learner.report.judging import HEADLINE, Rotated, applied, judged, pooled
from drlactors.learner.report.protocol import OURS, THRESHOLD, Data, Study, among
from drlactors.learner.traces import Bools, Traces, stops, traces
from drlactors.learner.transitions import Sample

LOSSES = (0.01, 0.05, 0.20)


def stages(study: Study, seed: int, rotated: list[Rotated]) -> dict[str, Any]:
    """False negatives and positives of stage 1, and after both stages, of the artifacts that were in both."""
    pairs = [
        (pair.first, pair.second)
        for pair in episodes(study.draw(seed))
        if pair.first.windows and pair.second is not None and pair.second.windows
    ]
    if not pairs:
        return {}
    both = [traces([pair[stage] for pair in pairs], study.task) for stage in (0, 1)]
    stopped: dict[str, list[list[Bools]]] = {}
    truths = []
    for one in rotated:
        here = [judged(one.fitted, over.select(among(over, one.rotation.tested)), study) for over in both]
        truths.append(here[0].malicious)
        for name, boundary in one.boundaries[HEADLINE].items():
            stopped.setdefault(name, []).append([stops(applied(name, boundary, stage), 0.0) >= 0 for stage in here])
    malicious = np.concatenate(truths)
    found: dict[str, Any] = {}
    for name, parts in stopped.items():
        first, second = (np.concatenate([part[stage] for part in parts]) for stage in (0, 1))
        found[name] = {
            "fnr_1": float((~first[malicious]).mean()),
            "fnr": float((~(first | second)[malicious]).mean()),
            "fpr_1": float(first[~malicious].mean()),
            "fpr": float((first | second)[~malicious].mean()),
        }
    return found


def losses(study: Study, data: Data, rotated: list[Rotated], seed: int) -> dict[str, Any]:
    """When some windows never arrive: under the rule that then forbids to stop, and were it not there."""
    dice = np.random.default_rng(seed)
    free = study.task._replace(rules=study.task.rules._replace(lost_windows_before_final=1 << 30))
    found: dict[str, Any] = {}
    for loss in LOSSES:
        thinned = [_thinned(sample, loss, dice) for sample in data.samples]
        over = traces(thinned, free)
        allowed = _lost(thinned, over) <= study.task.rules.lost_windows_before_final
        places = [among(over, one.rotation.tested) for one in rotated]
        parts = [judged(one.fitted, over.select(here), study) for one, here in zip(rotated, places, strict=True)]
        every, permitted = pooled(parts), np.concatenate([allowed[here] for here in places])
        for name in (OURS, THRESHOLD):
            wanted = np.concatenate(
                [applied(name, one.boundaries[HEADLINE][name], part) for one, part in zip(rotated, parts, strict=True)]
            )
            found.setdefault(name, {})[f"{loss:g}"] = {
                kind: point(stops(margins, 0.0), every.seconds, every.malicious)._asdict()
                for kind, margins in (("free", wanted), ("ruled", np.where(permitted, wanted, -np.inf)))
            }
    return found


def _thinned(sample: Sample, loss: float, dice: np.random.Generator) -> Sample:
    """Each window lost with this chance; where all are, the last one arrives."""
    arrived = dice.random(len(sample.windows)) >= loss
    windows = tuple(window for window, here in zip(sample.windows, arrived.tolist(), strict=True) if here)
    return sample._replace(windows=windows or sample.windows[-1:])


def _lost(samples: list[Sample], over: Traces) -> npt.NDArray[np.intp]:
    """(sessions, windows): how many windows were lost so far."""
    lost = np.zeros(over.rows.shape, dtype=np.intp)
    for n, sample in enumerate(samples):
        lost[n, : len(sample.windows)] = [window.seq - at for at, window in enumerate(sample.windows)]
    return lost

"""What is left of it in two stages, and when telemetry is lost."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from drlactors.learner.corpus import Corpus, episodes
from drlactors.learner.metrics import Floats, mean, point
from drlactors.learner.report.detection import key
from drlactors.learner.report.judging import HEADLINE, Rotated, applied, judged, pooled
from drlactors.learner.report.protocol import OURS, THRESHOLD, Data, Study, among
from drlactors.learner.traces import Bools, Indices, Margins, Traces, stops, traces
from drlactors.learner.transitions import Sample

LOSSES = (0.01, 0.05, 0.20)


class Stages(NamedTuple):
    """The tested artifacts that were in both stages, and which of them each method stopped in the first, the second.

    By the boundaries that validation chose on whole sessions: nothing was learned or chosen for a second stage.
    """

    first: dict[str, Bools]
    second: dict[str, Bools]
    malicious: Bools
    artifacts: npt.NDArray[np.str_]

    @classmethod
    def of(cls, study: Study, corpus: Corpus, rotated: list[Rotated]) -> "Stages | None":
        """None where nothing was in both."""
        first: dict[str, list[Bools]] = {}
        second: dict[str, list[Bools]] = {}
        seen = []
        for one in rotated:
            pairs = [
                (pair.first, pair.second)
                for pair in episodes(corpus)
                if pair.first.artifact in one.rotation.tested
                and pair.first.windows
                and pair.second is not None
                and pair.second.windows
            ]
            if not pairs:
                continue
            for stage, stopped in enumerate((first, second)):
                here = judged(one.fitted, traces([pair[stage] for pair in pairs], study.task), study)
                for name, boundary in one.boundaries[HEADLINE].items():
                    stopped.setdefault(name, []).append(stops(applied(name, boundary, here), 0.0) >= 0)
            seen.append(here)
        if not seen:
            return None
        return cls(
            {name: np.concatenate(parts) for name, parts in first.items()},
            {name: np.concatenate(parts) for name, parts in second.items()},
            np.concatenate([here.malicious for here in seen]),
            np.concatenate([here.artifacts for here in seen]),
        )

    def select(self, sessions: Indices) -> "Stages":
        first, second = ({name: of[sessions] for name, of in part.items()} for part in (self.first, self.second))
        return Stages(first, second, self.malicious[sessions], self.artifacts[sessions])

    def figures(self) -> dict[str, Any]:
        found = {}
        for name, first in self.first.items():
            either = first | self.second[name]
            found[name] = {
                "fnr_1": mean(~first[self.malicious]),
                "fnr": mean(~either[self.malicious]),
                "fpr_1": mean(first[~self.malicious]),
                "fpr": mean(either[~self.malicious]),
            }
        return found


class Losses(NamedTuple):
    """The tested sessions when some windows never arrive: under the rule that then forbids to stop, and without it."""

    wanted: dict[str, dict[str, dict[str, Margins]]]  # by method, share that is lost, and "ruled" or "free"
    seconds: dict[str, Floats]  # by the share
    malicious: Bools
    artifacts: npt.NDArray[np.str_]

    @classmethod
    def of(cls, study: Study, data: Data, rotated: list[Rotated], seed: int) -> "Losses":
        tested = frozenset().union(*(one.rotation.tested for one in rotated))
        whole = [sample for sample in data.corpus.samples if sample.artifact in tested]
        dice, rules = np.random.default_rng(seed), study.task.rules
        free = study.task._replace(rules=rules._replace(lost_windows_before_final=1 << 30))
        wanted: dict[str, dict[str, dict[str, Margins]]] = {OURS: {}, THRESHOLD: {}}
        seconds = {}
        for loss in LOSSES:
            thinned = [_thinned(sample, loss, dice) for sample in whole]
            over = traces(thinned, free)
            allowed = _lost(thinned, over) <= rules.lost_windows_before_final
            places = [among(over, one.rotation.tested) for one in rotated]
            parts = [judged(one.fitted, over.select(here), study) for one, here in zip(rotated, places, strict=True)]
            every, permitted = pooled(parts), np.concatenate([allowed[here] for here in places])
            for name, of in wanted.items():
                margins = np.concatenate(
                    [
                        applied(name, one.boundaries[HEADLINE][name], part)
                        for one, part in zip(rotated, parts, strict=True)
                    ]
                )
                of[key(loss)] = {"ruled": np.where(permitted, margins, -np.inf), "free": margins}
            seconds[key(loss)] = every.seconds
        return cls(wanted, seconds, every.malicious, every.artifacts)

    def select(self, sessions: Indices) -> "Losses":
        wanted = {
            name: {loss: {kind: margins[sessions] for kind, margins in kinds.items()} for loss, kinds in of.items()}
            for name, of in self.wanted.items()
        }
        seconds = {loss: of[sessions] for loss, of in self.seconds.items()}
        return Losses(wanted, seconds, self.malicious[sessions], self.artifacts[sessions])

    def figures(self) -> dict[str, Any]:
        return {
            name: {
                loss: {
                    kind: point(stops(margins, 0.0), self.seconds[loss], self.malicious)._asdict()
                    for kind, margins in kinds.items()
                }
                for loss, kinds in of.items()
            }
            for name, of in self.wanted.items()
        }


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

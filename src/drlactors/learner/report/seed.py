"""What one seed finds: every figure of every method, before they are put together over seeds."""

from typing import Any

import numpy as np

from drlactors.domain.action import Action
from drlactors.learner.baselines import FIXED_S
from drlactors.learner.evaluation import OVER, Played, play
from drlactors.learner.metrics import (
    auc,
    brier,
    calibration_error,
    detected_by,
    matched,
    point,
    precision,
    reliability,
    saved,
)
from drlactors.learner.report.judging import FPRS, HEADLINE, Judged, Rotated, over_all, pooled, rotate
from drlactors.learner.report.protocol import OURS, Data, Study, among
from drlactors.learner.report.robustness import losses, stages
from drlactors.learner.stopping import StoppingPolicy
from drlactors.learner.traces import Margins, stops

BASE_RATES = (0.5, 0.1, 0.01)
TIMEOUTS_S = (60.0, 120.0, 200.0)
#: Points of curves over seconds.
TIMES = 81

#: By name, nested by what they are of: numbers, and lists of numbers.
Figures = dict[str, Any]


def of_seed(study: Study, seed: int) -> Figures:
    data = Data.of(study, seed)
    rotated = rotate(study, data, seed)
    tested = pooled([one.tested for one in rotated])
    of_methods: Figures = {}
    for name in tested.methods:
        headline = over_all(rotated, name, HEADLINE).max(axis=1)
        of_methods[name] = {"auc": auc(np.nan_to_num(headline, neginf=-1e9), tested.malicious)} | {
            key(fpr): _at(over_all(rotated, name, fpr), tested, fpr) for fpr in FPRS
        }
    return {
        "sessions": len(tested.malicious),
        "malicious": int(tested.malicious.sum()),
        "methods": of_methods,
        "boundaries": {key(fpr): [list(one.boundaries[fpr][OURS]) for one in rotated] for fpr in FPRS},
        "calibration": _calibration(rotated, data),
        "by_itself": _by_itself(study, data, rotated),
        "stages": stages(study, seed, rotated),
        "loss": losses(study, data, rotated, seed),
    }


def key(number: float) -> str:
    """Of JSON objects."""
    return f"{number:g}"


def _at(wanted: Margins, tested: Judged, fpr: float) -> Figures:
    """At the threshold that has this rate on the tested sessions; else at the one that validation chose."""
    seconds, malicious = tested.seconds, tested.malicious
    stopped = stops(wanted, 0.0)
    at = point(stopped, seconds, malicious)
    grid_s = np.linspace(0, np.ceil(seconds.max()), TIMES)
    return {
        "matched": matched(wanted, seconds, malicious, fpr)._asdict(),
        "chosen": at._asdict(),
        "precision": {key(rate): precision(at.tpr, at.fpr, rate) for rate in BASE_RATES},
        "saved": {
            key(timeout): {key(rate): saved(stopped, seconds, malicious, timeout, rate) for rate in BASE_RATES}
            for timeout in TIMEOUTS_S
        },
        "curve": {
            "seconds": grid_s.tolist(),
            "tpr": detected_by(stopped, seconds, malicious, grid_s).tolist(),
            "fpr": detected_by(stopped, seconds, ~malicious, grid_s).tolist(),
        },
        "confusion": {
            truth: {"stopped": int(((stopped >= 0) & of).sum()), "released": int(((stopped < 0) & of).sum())}
            for truth, of in (("malicious", malicious), ("benign", ~malicious))
        },
    }


def _calibration(rotated: list[Rotated], data: Data) -> Figures:
    """Of what scores hold for the probability of malice after some seconds."""
    found: Figures = {}
    overs = [data.over.select(among(data.over, one.rotation.tested)) for one in rotated]
    truths = np.concatenate([over.malicious for over in overs])
    for at_s in FIXED_S:
        for name in ("forest", "boosting", "fixed"):
            parts = []
            for one, over in zip(rotated, overs, strict=True):
                fixed, vectors = one.fitted.fixed[at_s], one.fitted.fixed[at_s].vectors(over)
                score = one.fitted.evidence.forest if name == "forest" else one.fitted.evidence.boosting
                parts.append(fixed.probability(over) if name == "fixed" else score.probability(vectors))
            probabilities = np.concatenate(parts)
            bars = reliability(probabilities, truths)
            found.setdefault(name, {})[key(at_s)] = {
                "auc": auc(probabilities, truths),
                "brier": brier(probabilities, truths),
                "ece": calibration_error(bars),
                "bars": [list(bar) for bar in bars],
            }
    return found


def _by_itself(study: Study, data: Data, rotated: list[Rotated]) -> Figures:
    """What those do that choose among all five actions, when nobody sets a threshold for them; ours at its own."""
    found: Figures = {}
    for name in (OURS, *rotated[0].fitted.ranks):
        played: list[Played] = []
        for one in rotated:
            over = data.over.select(among(data.over, one.rotation.tested))
            rank = one.fitted.ranks.get(name)
            if rank is None:
                boundary = one.boundaries[HEADLINE][OURS]
                rank = StoppingPolicy(one.fitted.evidence, study.task.schema, boundary, one.fitted.isolate).rank
            played.append(play(rank, over.table, study.task.rules.reviews))
        malicious = np.concatenate([one.malicious for one in played])
        stopped = np.concatenate([one.stopped for one in played])
        ended_s = np.concatenate([one.ended_s for one in played])
        caught = malicious & stopped
        found[name] = {
            "reward": float(np.concatenate([one.reward for one in played]).mean()),
            "tpr": float(stopped[malicious].mean()),
            "fpr": float(stopped[~malicious].mean()),
            "mean_s": float(ended_s[caught].mean()) if caught.any() else np.nan,
            "mix": _mix(played),
        }
    return found


def _mix(played: list[Played]) -> list[list[float]]:
    """For each window: the share of sessions that each action was chosen for, and last that of those that were over."""
    longest = max(one.actions.shape[1] for one in played)
    padded = [
        np.pad(one.actions, ((0, 0), (0, longest - one.actions.shape[1])), constant_values=OVER) for one in played
    ]
    every = np.concatenate(padded)
    return [[float((every[:, at] == action).mean()) for action in (*Action, OVER)] for at in range(longest)]

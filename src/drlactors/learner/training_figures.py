"""What trainings with several seeds came to, as plain numbers for JSON and for drawing."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from drlactors.domain.action import Action
from drlactors.learner.charts import Axes, Band, curves, matrix, shares
from drlactors.learner.evaluation import Played
from drlactors.learner.offline import Trained

Floats = npt.NDArray[np.float64]
Plain = dict[str, Any]

#: Points in time between the start and the last end, for curves over seconds.
TIMES = 60


def plain(trained: Sequence[Trained]) -> Plain:
    """Bands are the least, the mean and the most of the seeds. Every seed has held out artifacts of its own."""
    played = [one.played for one in trained]
    return {
        "seeds": len(trained),
        "held_out_sessions": [len(one.malicious) for one in played],
        "learning_curve": _curve(trained),
        "stopped_by_second": _stopped(played),
        "confusion": _confusion(played),
        "actions_by_window": _actions(played),
    }


def _curve(trained: Sequence[Trained]) -> Plain:
    updates = [point.updates for point in trained[0].curve]
    rewards = np.array([[point.held.mean_reward for point in one.curve] for one in trained])
    losses = np.array([[point.loss for point in one.curve] for one in trained])
    return {"updates": updates, "reward": _band(rewards), "loss": _band(losses)}


def _stopped(played: Sequence[Played]) -> Plain:
    """The share of malicious and of benign sessions that were stopped by then."""
    last = max((float(one.ended_s.max(initial=0.0)) for one in played), default=0.0)
    seconds = np.linspace(0, last, TIMES)

    def shares(one: Played, malicious: bool) -> Floats:
        of = one.malicious == malicious
        by = one.stopped[of, None] & (one.ended_s[of, None] <= seconds)
        found: Floats = by.sum(axis=0) / max(int(of.sum()), 1)
        return found

    return {
        "seconds": seconds.round(3).tolist(),
        "malicious": _band(np.array([shares(one, True) for one in played])),
        "benign": _band(np.array([shares(one, False) for one in played])),
    }


def _confusion(played: Sequence[Played]) -> Plain:
    """Sessions of all seeds together, by truth and by what was done about them."""
    malicious = np.concatenate([one.malicious for one in played])
    stopped = np.concatenate([one.stopped for one in played])
    return {
        truth: {"stopped": int((stopped & of).sum()), "released": int((~stopped & of).sum())}
        for truth, of in (("malicious", malicious), ("benign", ~malicious))
    }


def _actions(played: Sequence[Played]) -> Plain:
    """Of the sessions that still run in a window, the share for which each action was chosen."""
    windows = max(one.actions.shape[1] for one in played)
    counts = np.zeros((len(Action), windows))
    for one in played:
        for action in Action:
            counts[action, : one.actions.shape[1]] += (one.actions == action).sum(axis=0)
    shares = counts / np.maximum(counts.sum(axis=0), 1)
    return {action.name.lower(): shares[action].round(4).tolist() for action in Action}


def _band(values: Floats) -> Plain:
    """Of (seeds, points)."""
    low, mean, high = values.min(axis=0), values.mean(axis=0), values.max(axis=0)
    return {"low": low.round(5).tolist(), "mean": mean.round(5).tolist(), "high": high.round(5).tolist()}


def drawn(figures: Plain) -> dict[str, str]:
    """The same as SVG, by the name of the file."""
    curve, stopped = figures["learning_curve"], figures["stopped_by_second"]
    seeds = f"{figures['seeds']} seeds" if figures["seeds"] > 1 else "1 seed"
    actions = figures["actions_by_window"]
    windows = list(range(1, len(actions["continue"]) + 1))
    return {
        "learning-curve.svg": curves(
            Axes(f"Held-out sessions while training, {seeds}", "updates", "mean reward of a session"),
            curve["updates"],
            {"reward": Band(**curve["reward"])},
        ),
        "stopped-by-second.svg": curves(
            Axes(f"Held-out sessions stopped, {seeds}", "seconds since the start", "share"),
            stopped["seconds"],
            {name: Band(**stopped[name]) for name in ("malicious", "benign")},
        ),
        "confusion.svg": matrix(f"Held-out sessions, {seeds} together", figures["confusion"]),
        "actions.svg": shares(Axes("Actions in sessions that still run", "window", "share"), windows, actions),
    }

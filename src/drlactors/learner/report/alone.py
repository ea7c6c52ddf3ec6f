"""What those do that choose among all five actions by themselves, when nobody sets a threshold for them."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from drlactors.domain.action import Action
from drlactors.learner.evaluation import OVER, Played, Rank, play
from drlactors.learner.metrics import mean
from drlactors.learner.report.judging import HEADLINE, Rotated
from drlactors.learner.report.protocol import OURS, Data, Study, among
from drlactors.learner.stopping import StoppingPolicy
from drlactors.learner.traces import Indices


class Alone(NamedTuple):
    """The tested sessions, played by every policy; ours at the boundary that validation chose."""

    played: dict[str, Played]
    artifacts: npt.NDArray[np.str_]

    @classmethod
    def of(cls, study: Study, data: Data, rotated: list[Rotated]) -> "Alone":
        parts: dict[str, list[Played]] = {}
        artifacts = []
        for one in rotated:
            over = data.over.select(among(data.over, one.rotation.tested))
            artifacts.append(over.artifacts)
            for name, rank in ({OURS: _ours(study, one)} | one.fitted.ranks).items():
                parts.setdefault(name, []).append(play(rank, over.table, study.task.rules.reviews))
        return cls({name: _together(played) for name, played in parts.items()}, np.concatenate(artifacts))

    def select(self, sessions: Indices) -> "Alone":
        played = {name: Played._make(column[sessions] for column in one) for name, one in self.played.items()}
        return Alone(played, self.artifacts[sessions])

    def figures(self) -> dict[str, Any]:
        return {name: _figures(played) for name, played in self.played.items()}


def _ours(study: Study, one: Rotated) -> Rank:
    boundary = one.boundaries[HEADLINE][OURS]
    return StoppingPolicy(one.fitted.evidence, study.task.schema, boundary, one.fitted.isolate).rank


def _together(parts: list[Played]) -> Played:
    longest = max(part.actions.shape[1] for part in parts)
    padded = [
        part._replace(
            actions=np.pad(part.actions, ((0, 0), (0, longest - part.actions.shape[1])), constant_values=OVER)
        )
        for part in parts
    ]
    return Played(*map(np.concatenate, zip(*padded, strict=True)))


def _figures(played: Played) -> dict[str, Any]:
    malicious, stopped = played.malicious, played.stopped
    return {
        "reward": mean(played.reward),
        "tpr": mean(stopped[malicious]),
        "fpr": mean(stopped[~malicious]),
        "mean_s": mean(played.ended_s[malicious & stopped]),
        "actions": {action.name.lower(): _share(played, action) for action in Action} | {"over": _share(played, OVER)},
    }


def _share(played: Played, action: int) -> list[float]:
    """For each window: the share of the sessions."""
    return [mean(chosen == action) for chosen in played.actions.T]

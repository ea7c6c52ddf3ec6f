"""What a model's metadata says of how it was made: all that its bytes depend on, beside data."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from drlactors.domain import reward
from drlactors.learner.transitions import Task

Plain = dict[str, int | float | str]


def hyperparameters(settings: Mapping[str, Any], task: Task) -> Plain:
    """Flat; the layers have a field of their own, and flags are 0 or 1."""
    plain: Plain = {"gamma": task.gamma, "reward_version": reward.VERSION}
    plain |= {name: _plain(value) for name, value in settings.items() if name != "hidden"}
    plain |= {f"reward_{name}": value for name, value in asdict(task.weights).items()}
    plain |= {f"rules_{name}": value for name, value in task.rules._asdict().items() if name != "exploration"}
    return plain


def _plain(value: bool | int | float | str) -> int | float | str:
    return int(value) if isinstance(value, bool) else value

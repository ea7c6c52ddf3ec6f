"""A policy: what each action is worth for each state vector."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from drlactors.domain.action import Action
from drlactors.domain.features import Vectors

Values = npt.NDArray[np.float32]  # shape (windows, actions), finite, in the order of Action


class PolicyError(Exception):
    """The policy could not be loaded or gave no usable answer."""


class PolicyInfo(NamedTuple):
    id: str  # digest of a model, or name and version of the rules: recorded with each decision
    schema: str  # id of the feature schema that it was made for
    path: str  # where it was loaded from; empty for rules


class Policy(Protocol):
    """Ranks; never permits. The same vector gives the same bits, alone or among others, as long as the program runs."""

    @property
    def info(self) -> PolicyInfo: ...

    def rank(self, vectors: Vectors) -> Values:
        """Values for all rows. Raises PolicyError when any value is not finite."""
        ...

    def because(self, vector: Vectors, action: Action) -> tuple[str, ...]:
        """What drove this action's value for one vector of shape (1, features), strongest first, at most three."""
        ...


class RankedBatch(NamedTuple):
    """Values, and whose they are."""

    values: Values
    policy: str
    because: Callable[[Vectors, Action], tuple[str, ...]]  # as Policy's, by the one that ranked them


class Ranker(Protocol):
    """The policy in charge with its fallback: always answers."""

    def rank(self, vectors: Vectors, waited_s: float) -> RankedBatch:
        """Values for all rows, by the rules where the model is missing, broken or late; they waited ``waited_s``."""
        ...

"""Learning as the learner actor needs it: somebody who takes in the log, trains on it, and judges what came of that."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from drlactors.domain.model import Evaluate, Train
from drlactors.ports.log import LogAway


class CannotLearn(Exception):
    """Training cannot begin or go on, and trying again would not help; the message says why."""


class Hindered(NamedTuple):
    """A candidate can be neither put away nor judged now: a disk is full, or a model broken. It is tried again."""

    why: str


class Step(NamedTuple):
    """What some updates came to."""

    updates: int  # done in all; as before when there was too little to learn from
    loss: float  # mean of the newest ones; not a number before the first one
    epsilon: float  # with which the agent would explore; not a number where there is none


class Trainer(Protocol):
    """Trains one network, and decides nothing about models. For one thread; every method may raise LogError.

    All that it holds is of the log up to ``position``, and is in its checkpoints together with the position: killed
    anywhere, it is what it was at ``keep``, or at a checkpoint of its own after that.
    """

    @property
    def position(self) -> int:
        """Of the log, up to which experiences were taken in."""
        ...

    @property
    def updates(self) -> int:
        """Done in all."""
        ...

    def news(self) -> int:
        """Sessions behind ``position`` that have ended and whose truth is known."""
        ...

    def take_in(self) -> int:
        """Take in what the log has now, in place of what was: the experiences that there are to learn from.

        They are a function of the log, so that nothing is in there twice, and what was corrected is as it is now.
        """
        ...

    def learn(self, updates: int) -> Step:
        """So many updates more. Raises CannotLearn."""
        ...

    def keep(self) -> None:
        """Make a checkpoint of this moment."""
        ...

    def digest(self) -> str:
        """The sha256 of the ONNX file that the network makes as it is now."""
        ...

    def publish(self, version: int) -> Train:
        """Put that file into the folder of models, verified as a serving plane does. Raises PolicyError."""
        ...

    def judge(self, sha256: str, in_charge: str) -> Evaluate:
        """The gate's answer on a published model, against what is in charge; empty is what the configuration names.

        Raises PolicyError.
        """
        ...


class Round(NamedTuple):
    """Told once a candidate's evaluation is recorded, and what followed from it."""

    sha256: str
    version: int
    evaluated: Evaluate
    in_charge: bool  # whether it is, now


#: What whoever watches a learner is told.
Told = Step | Round | CannotLearn | LogAway | Hindered
Watch = Callable[[Told], None]

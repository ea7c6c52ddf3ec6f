"""A training that is killed: killed.py FOLDER POINT trains without end, and at POINT kills itself."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from drlactors.learner.occurrences import CheckpointWritten, Occurrence
from drlactors.learner.prioritised import PrioritisedReplayBuffer
from drlactors.learner.replay_buffer import ReplayBuffer
from drlactors.learner.training import Training
from tests.unit.learner import mdp
from tests.unit.learner.test_training import FEATURES, training

#: The checkpoint at which it is killed, so that there is one before it.
SECOND = 2


def buffer() -> ReplayBuffer:
    """Prioritised: what was learned is part of its state, too."""
    made = PrioritisedReplayBuffer(FEATURES, seed=3)
    made.extend(mdp.random_experiences(500))
    return made


def make(heard: list[Any], folder: Path | None) -> Training:
    return training(heard, buffer(), folder=folder)


class Told(list[Any]):
    """Tells each checkpoint on standard output."""

    def append(self, occurrence: Occurrence) -> None:
        if isinstance(occurrence, CheckpointWritten):
            print(occurrence.updates, flush=True)


def die_while_renaming(point: str) -> None:
    """As a power cut would: nothing is flushed, nobody is told."""
    rename, renamed = Path.replace, 0

    def replace(self: Path, target: Path) -> Path:
        nonlocal renamed
        renamed += 1
        if point == "before-rename" and renamed == SECOND:
            os.kill(os.getpid(), signal.SIGKILL)
        done = rename(self, target)
        if point == "after-rename" and renamed == SECOND:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    Path.replace = replace  # type: ignore[assignment,method-assign]


if __name__ == "__main__":
    die_while_renaming(sys.argv[2])
    made = make(Told(), Path(sys.argv[1]))
    while True:
        made.learn(7)

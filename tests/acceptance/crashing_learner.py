"""`drlactors learn ...` that kills itself at a chosen point: crashing_learner.py POINT TIME ARGUMENTS."""

import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from drlactors.cli.app import app
from drlactors.inference import folder
from drlactors.learner.learning import LogTrainer
from drlactors.ports.learning import Step
from drlactors.store.log import PostgresEventLog
from drlactors.wiring import access

POINT, TIME = sys.argv[1], int(sys.argv[2])
write_whole = vars(folder)["write_whole"]
learn = LogTrainer.learn
reached: Counter[str] = Counter()


def reach(point: str) -> None:
    """Die here if this is the place, and the time, as a power cut would."""
    reached[point] += 1
    if (point, reached[point]) == (POINT, TIME):
        os.kill(os.getpid(), signal.SIGKILL)


class CrashingLog(PostgresEventLog):
    def append(self, appends: Any, positions: Any = None) -> Any:
        stored = super().append(appends, positions)
        reach("after an append")
        return stored


def crashing_write(place: Path, content: bytes) -> None:
    reach("export")
    write_whole(place, content)


def crashing_learn(self: LogTrainer, updates: int) -> Step:
    reach("training")
    return learn(self, updates)


vars(access).update(PostgresEventLog=CrashingLog)
vars(folder).update(write_whole=crashing_write)
setattr(LogTrainer, "learn", crashing_learn)  # noqa: B010  # a method that is assigned is an error to mypy
app()(sys.argv[3:])

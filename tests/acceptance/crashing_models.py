"""`drlactors models ...` that kills itself at a chosen point: crashing_models.py POINT ARGUMENTS."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from drlactors.cli.app import app
from drlactors.inference import folder
from drlactors.store.log import PostgresEventLog
from drlactors.wiring import access

POINT = sys.argv[1]
write_whole = vars(folder)["write_whole"]


def reach(point: str) -> None:
    """Die here if this is the place, as a power cut would."""
    if point == POINT:
        os.kill(os.getpid(), signal.SIGKILL)


class CrashingLog(PostgresEventLog):
    def append(self, appends: Any, positions: Any = None) -> Any:
        category = appends[0].stream.category
        reach(f"before {category}")
        stored = super().append(appends, positions)
        reach(f"after {category}")
        return stored


def crashing_write(place: Path, content: bytes) -> None:
    reach(f"before copying {place.suffix}")
    write_whole(place, content)
    reach(f"after copying {place.suffix}")


vars(access).update(PostgresEventLog=CrashingLog)
vars(folder).update(write_whole=crashing_write)
app()(sys.argv[2:])

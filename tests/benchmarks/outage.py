"""A minute without the pattern database, under load: what decisions take meanwhile, and when the queue is empty.

As the specification has it: the database is asked again every 30 s. DRLACTORS_BENCH_DOWN_S is another length.
"""

import os
import tempfile
from pathlib import Path
from statistics import median
from typing import TypedDict

from tests.acceptance.harness import servers
from tests.acceptance.outage import SESSIONS, WINDOWS, outage

DOWN_S = float(os.environ.get("DRLACTORS_BENCH_DOWN_S", "60"))
WAVES = 5


class Measurement(TypedDict):
    name: str
    value: float
    unit: str
    compared_with: str


def run() -> list[Measurement]:
    os.environ["DRLACTORS_PATTERNS__FOLLOW"] = "true"
    with tempfile.TemporaryDirectory() as folder:
        for nats, log in servers(Path(folder)):
            ended = outage(Path(folder), nats, log, down_s=DOWN_S, waves=WAVES)
    if ended.faults:
        raise SystemExit("\n".join(ended.faults))
    before_s, meanwhile_s = ended.before_s[1:], ended.meanwhile_s
    waves = f"of {SESSIONS} sessions of {WINDOWS} windows"
    return [
        Measurement(
            name="a wave decided, database away",
            value=median(meanwhile_s) * 1000,
            unit="ms",
            compared_with=f"{median(before_s) * 1000:.0f} ms with it; {len(meanwhile_s)} waves {waves}",
        ),
        Measurement(
            name="slowest wave, database away",
            value=max(meanwhile_s) * 1000,
            unit="ms",
            compared_with=f"{max(before_s) * 1000:.0f} ms with it; the process that makes patterns was killed in one",
        ),
        Measurement(
            name="waited in the queue", value=ended.waiting, unit="changes", compared_with=f"{DOWN_S:.0f} s away"
        ),
        Measurement(
            name="queue empty after",
            value=ended.emptied_s,
            unit="s",
            compared_with="the database's start; it is asked every 30 s. All there, once, in order",
        ),
    ]

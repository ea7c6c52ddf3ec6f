"""Sessions whose class shows in every window: malicious ones delete files."""

from hashlib import sha256

import numpy as np

from drlactors.domain.telemetry import Telemetry, Window
from drlactors.learner.transitions import Sample


def sample(number: int, *, malicious: bool, windows: int = 6) -> Sample:
    dice = np.random.default_rng([number, malicious])
    return Sample(
        tuple(
            Window(
                seq=seq,
                window_ms=250,
                observed_us=0,
                telemetry=Telemetry(
                    syscall_count=int(dice.integers(100, 5000)),
                    file_read_count=int(dice.integers(0, 50)),
                    file_write_count=int(dice.integers(40, 90) if malicious else dice.integers(0, 20)),
                    file_delete_count=int(dice.integers(20, 60) if malicious else dice.integers(0, 2)),
                    cpu_usage=float(dice.random()),
                ),
            )
            for seq in range(windows)
        ),
        malicious,
        sha256(bytes([number, malicious])).hexdigest(),
    )


SAMPLES = [sample(number, malicious=malicious) for number in range(20) for malicious in (False, True)]

"""A task and recorded sessions for tests: which windows they hold does not matter, only how they differ."""

from collections.abc import Sequence
from hashlib import sha256

from drlactors.domain.features import FeatureSchema
from drlactors.domain.permission import Rules
from drlactors.domain.reward import Weights
from drlactors.domain.telemetry import Telemetry, Window
from drlactors.learner.transitions import Sample, Task

TASK = Task(
    schema=FeatureSchema(),
    rules=Rules(
        isolation_steps=2,
        isolation_before_quarantine=1,
        reviews=1,
        windows_before_final=2,
        lost_windows_before_final=0,
    ),
    weights=Weights(
        right_verdict=1.0,
        wrong_verdict=2.0,
        missed=1.5,
        released=0.5,
        second=0.002,
        damage=0.05,
        isolation_hinders=0.3,
        disturbance=0.05,
        review=0.2,
        failed_action=0.1,
    ),
    gamma=0.99,
)


def sample(name: str, *, malicious: bool = False, lasts_ms: Sequence[int] = (1000,) * 5) -> Sample:
    """A session of windows that last so long; each holds more system calls than the one before."""
    windows = tuple(
        Window(seq=seq, window_ms=ms, observed_us=0, telemetry=Telemetry(syscall_count=10**seq))
        for seq, ms in enumerate(lasts_ms)
    )
    return Sample(windows, malicious, sha256(name.encode()).hexdigest())

"""What happens while a network is trained, as records: whoever trains gets each of them, in order."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Progressed:
    """So many updates are done; means are over those since the last look, without skipped ones."""

    updates: int
    loss: float
    norm: float  # of the gradients, before they were shortened
    learning_rate: float
    batch: int
    epsilon: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSkipped:
    """The loss or the gradient of a batch was not finite: it changed no weight."""

    update: int
    loss: float
    norm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GradientExploded:
    """A gradient was far too long. It was shortened as any other, and the learning rate is lower from here on."""

    update: int
    norm: float
    learning_rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledBack:
    """Too many batches were skipped: weights and moments are again those of an earlier update, the rate is lower."""

    update: int
    to: int
    learning_rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchHalved:
    """Memory did not suffice: updates take smaller batches from here on."""

    update: int
    batch: int
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointWritten:
    updates: int
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointNotWritten:
    """The disk refused; training goes on, and the checkpoint before stays the last one."""

    updates: int
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointRefused:
    """A file that is no sound checkpoint was passed over; the one before it was tried."""

    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FingerprintChanged:
    """Resumed where other bits are computed: sound, but not the weights that the interrupted run would have made."""

    was: str
    is_now: str


Occurrence = (
    Progressed
    | BatchSkipped
    | GradientExploded
    | RolledBack
    | BatchHalved
    | CheckpointWritten
    | CheckpointNotWritten
    | CheckpointRefused
    | FingerprintChanged
)
Heard = Callable[[Occurrence], None]

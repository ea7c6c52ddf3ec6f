"""Sessions of the log as they are judged by: which of them nobody learns from, and what was seen in each."""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Protocol
from uuid import UUID

import numpy as np
import numpy.typing as npt

from drlactors.domain.session import TelemetryRecorded
from drlactors.learner.transitions import Sample
from drlactors.ports.decisions import Sessions
from drlactors.ports.log import Category, Entry, Stream


class Streams(Protocol):
    """The log, or its archive."""

    def stream(self, stream: Stream, after: int = 0) -> Iterator[Entry]:
        """As ``ports.EventLog.stream``."""
        ...


def held_out(artifacts: npt.NDArray[np.bytes_], share: float, seed: int = 0) -> npt.NDArray[np.bool_]:
    """Which sessions nobody learns from, (n,): those of about this share of the artifacts.

    By a hash of the seed and the artifact: however the log grows, what was held out once is held out for ever.
    """
    distinct, of = np.unique(artifacts, return_inverse=True)
    drawn = [int.from_bytes(sha256(b"%d:%b" % (seed, artifact)).digest()[:8], "big") for artifact in distinct.tolist()]
    chosen: npt.NDArray[np.bool_] = (np.array(drawn, dtype=np.uint64) < np.uint64(share * (2**64 - 1)))[of]
    return chosen


def samples(
    streams: Streams, sessions: Sessions, malicious: npt.NDArray[np.bool_], rows: Iterable[int]
) -> list[Sample]:
    """The sessions in these rows, with their truth, as they were recorded.

    A session that was stopped ends there: nobody knows what would have come after. Whoever is judged by it is taken
    to have missed what they would have stopped later, so that waiting longer than the log did looks worse than it is.
    """
    found = []
    for row in rows:
        stream = Stream(Category.SESSION, UUID(bytes=sessions.id[row].tobytes()))
        windows = tuple(
            event.window
            for entry in streams.stream(stream)
            for event in entry.of_session
            if isinstance(event, TelemetryRecorded)
        )
        artifact = sessions.artifact[row].decode()
        found.append(Sample(windows, bool(malicious[row]), artifact, int(sessions.stage[row])))
    return found

"""An attack pattern: what one session has to teach about its sample, derived from the session's events."""

from collections.abc import Iterable
from enum import StrEnum
from math import isfinite
from string import hexdigits
from struct import unpack
from typing import NamedTuple

from drlactors.domain import reward
from drlactors.domain.action import Action
from drlactors.domain.attack import Recognised, recognise
from drlactors.domain.calibration import leaning
from drlactors.domain.experience import experiences
from drlactors.domain.ids import EpisodeId, SessionId
from drlactors.domain.session import (
    ActionFailed,
    ActionSelected,
    Artifact,
    Ended,
    EndReason,
    Event,
    FeedbackReceived,
    Outcome,
    OutcomeReported,
    SessionLost,
    Started,
    TelemetryRecorded,
)
from drlactors.domain.telemetry import Window

#: Raised with every change of what a pattern is made of: stored ones of another revision are made again.
REVISION = 2
#: Of a pattern for which nobody has asked a calibration.
UNCALIBRATED = 0.5
#: A sandbox's clock that says an earlier time counts from something else: 1990, in microseconds.
EARLIEST_US = 631_152_000_000_000
#: How far ahead of ours it may be: by a time zone, or a little more. One that is further ahead is wrong.
AHEAD_US = 86_400_000_000


class Truth(StrEnum):
    """What a sample turned out to be."""

    MALICIOUS = "malicious"
    BENIGN = "benign"


class AttackPattern(NamedTuple):
    """One for each session that ended; benign ones too: they are neighbours to compare with."""

    session: SessionId
    episode: EpisodeId
    stage: int
    sandbox: str
    artifact: Artifact
    seq: int  # the deciding window: the one whose answer stopped the sample, else the last that was answered
    state_vector: bytes  # what the policy saw then: little-endian float32 in [0, 1], in the order of the feature schema
    schema: str  # the feature schema's id: vectors of different ones are never compared
    action: Action  # the answer to the deciding window
    policy: str
    leaning: float  # how far that policy leaned to stopping the sample then, in (0, 1): an order, not a chance
    reward: float | None  # of all steps, not discounted; None while the truth is not known
    attack: Recognised  # what its telemetry looks like, whatever the sample is: a backup may look like ransomware
    truth: Truth | None  # as it is known today; a correction changes it
    confidence: float  # the chance, in [0, 1], that the sample is malicious by what that policy held of it then
    started_us: int  # and the next two: by the log's clock. A finished report's are of its import
    decided_us: int  # the deciding window was answered
    ended_us: int
    first_seen_us: int | None  # by the sandbox's clock: its first window began. None where it said none that can be
    last_seen_us: int | None  # its last window ended; None together with the other

    @property
    def features(self) -> tuple[float, ...]:
        """The state vector as numbers."""
        return unpack(f"<{len(self.state_vector) // 4}f", self.state_vector)

    def faults(self) -> list[str]:
        """What cannot be; empty for one that ``pattern_of`` made."""
        found = []
        if not self.state_vector or len(self.state_vector) % 4:
            found.append(f"a state vector of {len(self.state_vector)} bytes")
        elif not all(0 <= value <= 1 for value in self.features):
            found.append("a state vector that leaves [0, 1]")
        if not self.schema:
            found.append("no feature schema")
        if not (0 <= self.leaning <= 1 and 0 <= self.confidence <= 1):
            found.append(f"leaning {self.leaning}, confidence {self.confidence}")
        if self.reward is not None and not isfinite(self.reward):
            found.append(f"reward {self.reward}")
        if len(self.artifact.sha256) != 64 or not set(self.artifact.sha256) <= set(hexdigits):
            found.append(f"artifact {self.artifact.sha256!r}")
        if self.seq < 0 or self.stage not in (1, 2):
            found.append(f"window {self.seq} of stage {self.stage}")
        if not 0 <= self.started_us <= self.decided_us <= self.ended_us:
            found.append(f"started {self.started_us}, decided {self.decided_us}, ended {self.ended_us}")
        if (self.first_seen_us, self.last_seen_us) != (None, None):
            first_us, last_us = self.first_seen_us or 0, self.last_seen_us or 0
            if not EARLIEST_US <= first_us <= last_us <= self.ended_us + AHEAD_US:
                found.append(f"first seen {self.first_seen_us}, last seen {self.last_seen_us}")
        return found


def pattern_of(
    session: SessionId, lived: Iterable[tuple[int, Event]], *, malicious: bool | None, weights: reward.Weights
) -> AttackPattern | None:
    """Of a session's events, each with when it was decided (us since 1970), and its truth (``domain/truth.py``).

    None of a session that still runs or was lost, whose sample failed to run, or in which nothing was decided: there
    is nothing to learn from what was not seen.
    """
    timed = list(lived)
    started: Started | None = None
    started_us = ended_us = 0
    choices: list[tuple[ActionSelected, int]] = []
    failed: set[int] = set()
    for at_us, event in timed:
        match event:
            case Started():
                started, started_us = event, at_us
            case ActionSelected():
                choices.append((event, at_us))
            case FeedbackReceived(seq=seq, success=False) | ActionFailed(seq=seq):
                failed.add(seq)
            case FeedbackReceived(seq=seq):
                failed.discard(seq)  # a late success outweighs having been given up on
            case SessionLost() | Ended(EndReason.FAILED) | OutcomeReported(Outcome.FAILED):
                return None
            case Ended():
                ended_us = at_us
    if started is None or not choices or not ended_us:
        return None
    stopped = [each for each in choices if each[0].action.irreversible and each[0].seq not in failed]
    chosen, decided_us = stopped[0] if stopped else choices[-1]
    events = [event for _, event in timed]
    windows = [event.window for event in events if isinstance(event, TelemetryRecorded)]
    first_seen_us, last_seen_us = seen_us(windows, ended_us)
    return AttackPattern(
        session=session,
        episode=started.episode,
        stage=started.stage,
        sandbox=started.sandbox,
        artifact=started.artifact,
        seq=chosen.seq,
        state_vector=chosen.state_vector,
        schema=chosen.schema,
        action=chosen.action,
        policy=chosen.policy,
        leaning=leaning(chosen.values),
        reward=None if malicious is None else _reward(events, malicious=malicious, weights=weights),
        attack=recognise(windows),
        truth=None if malicious is None else Truth.MALICIOUS if malicious else Truth.BENIGN,
        confidence=UNCALIBRATED,
        started_us=started_us,
        decided_us=decided_us,
        ended_us=ended_us,
        first_seen_us=first_seen_us,
        last_seen_us=last_seen_us,
    )


def seen_us(windows: Iterable[Window], ended_us: int) -> tuple[int, int] | tuple[None, None]:
    """When a sample ran by its sandbox's clock, from the first window's begin to the latest end of one.

    Nobody vouches for that clock. What it cannot have said is passed over: nothing (0), a count from the start of the
    run, and what comes more than ``AHEAD_US`` after ``ended_us``, when by the log's clock it was over. A sample that
    sets it back in the middle shortens nothing.
    """
    spans = [(window.observed_us - window.window_ms * 1000, window.observed_us) for window in windows]
    sane = [
        (first_us, last_us) for first_us, last_us in spans if EARLIEST_US <= first_us <= last_us <= ended_us + AHEAD_US
    ]
    return (sane[0][0], max(last_us for _, last_us in sane)) if sane else (None, None)


def _reward(events: list[Event], *, malicious: bool, weights: reward.Weights) -> float | None:
    """The sum over the session's steps; None of one that was decided under two feature schemas, which has no steps."""
    steps = experiences(events, malicious=malicious, weights=weights, gamma=1.0)
    return sum(step.r_t for step in steps) if steps else None

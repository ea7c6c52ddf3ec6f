"""Given events, when a command, then events: how a decider's rules are told."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from drlactors.domain.action import Action
from drlactors.domain.ids import EpisodeId
from drlactors.domain.permission import Rules
from drlactors.domain.session import DECIDER, ActionSelected, Artifact, Command, Event, Select, Start, Started
from drlactors.domain.session import TelemetryRecorded as Recorded
from drlactors.domain.telemetry import Telemetry, Window

RULES = Rules(
    isolation_steps=3, isolation_before_quarantine=1, reviews=1, windows_before_final=1, lost_windows_before_final=0
)
EPISODE = EpisodeId(UUID(int=7))
ARTIFACT = Artifact(sha256="ab" * 32, kind="elf")


def when(command: Command, *, given: Sequence[Event] = ()) -> tuple[Event, ...]:
    """What a session decides, after these events."""
    return DECIDER.decide(command, DECIDER.fold(given))


def start(**changed: Any) -> Start:
    plain: dict[str, Any] = {
        "sandbox": "sandbox-1",
        "stage": 1,
        "episode": EPISODE,
        "artifact": ARTIFACT,
        "window_ms": 250,
        "rules": RULES,
    }
    return Start(**(plain | changed))


def started(**changed: Any) -> Started:
    return Started(**start(**changed)._asdict())


def window(seq: int, **seen: Any) -> Window:
    return Window(seq=seq, window_ms=250, observed_us=1_000_000 + seq, telemetry=Telemetry(**seen))


def recorded(seq: int, **seen: Any) -> Recorded:
    return Recorded(window(seq, **seen))


def select(seq: int = 0, **worth: float) -> Select:
    """A choice by what each action is worth: ``select(terminate=9.0)``."""
    values = [0.0] * len(Action)
    for name, value in worth.items():
        values[Action[name.upper()]] = value
    return Select(
        seq=seq,
        values=tuple(values),
        state_vector=b"",
        policy="policy",
        schema="schema",
        because=(),
        propensity=1.0,
    )


def selected(action: Action, seq: int = 0) -> ActionSelected:
    return ActionSelected(
        seq=seq,
        action=action,
        values=(),
        mask=0b11111,
        state_vector=b"",
        policy="policy",
        schema="schema",
        because=(),
        propensity=1.0,
    )

"""A pattern as a row of the table, and back."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np

from drlactors.domain.action import Action
from drlactors.domain.attack import AttackType, Recognised
from drlactors.domain.calibration import Calibration, bin_of
from drlactors.domain.ids import EpisodeId, SessionId
from drlactors.domain.pattern import AttackPattern, Truth
from drlactors.domain.session import Artifact

#: In the order of the row.
COLUMNS: tuple[tuple[str, str], ...] = (
    ("session", "uuid"),
    ("episode", "uuid"),
    ("stage", "smallint"),
    ("sandbox", "text"),
    ("artifact", "text"),
    ("artifact_kind", "text"),
    ("seq", "bigint"),
    ("features", "vector"),
    ("schema", "text"),
    ("action", "smallint"),
    ("policy", "text"),
    ("leaning", "double precision"),
    ("reward", "double precision"),
    ("attack", "text"),
    ("techniques", "text[]"),
    ("rules", "text[]"),
    ("truth", "text"),
    ("started_us", "bigint"),
    ("decided_us", "bigint"),
    ("ended_us", "bigint"),
    ("first_seen_us", "bigint"),
    ("last_seen_us", "bigint"),
)
SELECTED = ", ".join(name for name, _ in COLUMNS)
_DERIVED = (("families", "text[]"), ("bin", "smallint"), ("position", "bigint"))
COLUMN_NAMES = [name for name, _ in (*COLUMNS, *_DERIVED)]
_VALUES = ", ".join(f"%s::{kind}" for _, kind in (*COLUMNS, *_DERIVED))
_CHANGED = ", ".join(f"{name} = excluded.{name}" for name in COLUMN_NAMES[1:])
UPSERT = (
    f"INSERT INTO patterns.attack_patterns ({', '.join(COLUMN_NAMES)}) VALUES ({_VALUES}) "
    f"ON CONFLICT (session) DO UPDATE SET {_CHANGED}"
).encode()


#: Of a vector in binary, before its numbers: how many there are, and two bytes for later.
_HEAD_BYTES = 4


class Stored(NamedTuple):
    """What of a pattern counts for the calibration."""

    policy: str
    bin: int
    truth: str | None

    @classmethod
    def of(cls, pattern: AttackPattern) -> "Stored":
        return cls(pattern.policy, bin_of(pattern.leaning), pattern.truth)


def row_of(pattern: AttackPattern, position: int) -> tuple[object, ...]:
    attack = pattern.attack
    return (
        pattern.session,
        pattern.episode,
        pattern.stage,
        pattern.sandbox,
        pattern.artifact.sha256,
        pattern.artifact.kind,
        pattern.seq,
        str(list(pattern.features)),  # as pgvector reads it; the shortest digits that give the same number again
        pattern.schema,
        int(pattern.action),
        pattern.policy,
        pattern.leaning,
        pattern.reward,
        attack.kind.value,
        list(attack.techniques),
        list(attack.rules),
        pattern.truth and pattern.truth.value,
        pattern.started_us,
        pattern.decided_us,
        pattern.ended_us,
        pattern.first_seen_us,
        pattern.last_seen_us,
        sorted({name for technique in attack.techniques for name in (technique, technique.partition(".")[0])}),
        bin_of(pattern.leaning),
        position,
    )


def pattern_of(row: Sequence[Any], calibration: Calibration) -> AttackPattern:
    """Of a row that was fetched in binary."""
    session, episode, stage, sandbox, sha256, kind, seq, features, schema, action, policy, leaning, reward = row[:13]
    attack, techniques, rules, truth, started_us, decided_us, ended_us, first_seen_us, last_seen_us = row[13:22]
    assert isinstance(session, UUID)
    return AttackPattern(
        session=SessionId(session),
        episode=EpisodeId(episode),
        stage=stage,
        sandbox=sandbox,
        artifact=Artifact(sha256, kind),
        seq=seq,
        state_vector=np.frombuffer(features, ">f4", offset=_HEAD_BYTES).astype("<f4").tobytes(),
        schema=schema,
        action=Action(action),
        policy=policy,
        leaning=leaning,
        reward=reward,
        attack=Recognised(AttackType(attack), tuple(techniques), tuple(rules)),
        truth=None if truth is None else Truth(truth),
        confidence=calibration.confidence(policy, leaning),
        started_us=started_us,
        decided_us=decided_us,
        ended_us=ended_us,
        first_seen_us=first_seen_us,
        last_seen_us=last_seen_us,
    )

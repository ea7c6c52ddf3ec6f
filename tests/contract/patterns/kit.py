"""Patterns to store, and stores to put them in."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import UUID

import numpy as np

from drlactors.domain.action import Action
from drlactors.domain.attack import AttackType, Recognised
from drlactors.domain.calibration import leaning
from drlactors.domain.ids import EpisodeId, SessionId
from drlactors.domain.pattern import AttackPattern, Truth
from drlactors.domain.session import Artifact
from drlactors.patterns.postgres import PostgresPatterns
from drlactors.ports.patterns import Change
from drlactors.store.connections import Connections
from drlactors.store.migrations import migrate

MIGRATIONS = Path(__file__).parents[3] / "eventstore" / "patterns" / "migrations"
KINDS = (AttackType.RANSOMWARE, AttackType.INJECTION, AttackType.NONE)
TECHNIQUES = (("T1486",), ("T1055.003", "T1059"), (), ("T1055", "T1486"))
#: Notes what comes in which order, whoever writes it.
ARRIVALS = b"""
CREATE TABLE arrivals (number bigserial, session uuid, position bigint);
CREATE FUNCTION arrive() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO arrivals (session, position) VALUES (NEW.session, NEW.position); RETURN NULL; END';
CREATE TRIGGER arrive AFTER INSERT OR UPDATE ON patterns.attack_patterns FOR EACH ROW EXECUTE FUNCTION arrive();
"""


#: When patterns were decided, from then on.
ERA_US = 1_767_225_600_000_000
#: Years before, samples ran that have been decided since: in another order, and of some it is not known.
RAN_US = ERA_US - 5 * 365 * 86_400_000_000


def pattern(number: int, *, schema: str = "schema-a", features: int = 5) -> AttackPattern:
    """The same one for the same number; numbers near each other share most of what can be asked for."""
    random = np.random.default_rng(number)
    values = random.standard_normal(len(Action))
    decided_us = ERA_US + 1_000_000 * (number // 2)  # two at a time
    first_seen_us = RAN_US + 1_000_000 * (number * 7 % 50) if number % 4 else None
    return AttackPattern(
        session=SessionId(UUID(int=number)),
        episode=EpisodeId(UUID(int=number // 2)),
        stage=1 + number % 2,
        sandbox=f"sandbox-{number % 3}",
        artifact=Artifact(f"{number % 7:064x}", "elf"),
        seq=number,
        state_vector=(random.integers(0, 4, features) / 4).astype("<f4").tobytes(),  # equal ones, and equal distances
        schema=schema,
        action=Action(number % 5),
        policy=f"policy-{number % 2}",
        leaning=leaning(values.tolist()),
        reward=float(random.standard_normal()),
        attack=Recognised(KINDS[number % 3], TECHNIQUES[number % 4], ("rule",)),
        truth=(Truth.MALICIOUS, Truth.BENIGN, None)[number % 3],
        confidence=0.5,
        started_us=decided_us - 5,
        decided_us=decided_us,
        ended_us=decided_us + 7,
        first_seen_us=first_seen_us,
        last_seen_us=first_seen_us and first_seen_us + 60_000_000,
    )


def changes(*patterns: AttackPattern, first: int = 1) -> list[Change]:
    return [Change(position, each.session, each) for position, each in enumerate(patterns, first)]


@contextmanager
def postgres_patterns(dsn: str, log: str = "") -> Iterator[PostgresPatterns]:
    with closing(Connections(dsn)) as connections:
        migrate(connections, MIGRATIONS, "patterns")
    with closing(PostgresPatterns(dsn, log=log)) as store:
        yield store

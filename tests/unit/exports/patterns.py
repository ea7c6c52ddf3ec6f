"""Patterns of every kind."""

from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from drlactors.domain.action import Action
from drlactors.domain.attack import RULES, TECHNIQUES, AttackType, Recognised
from drlactors.domain.ids import EpisodeId, SessionId
from drlactors.domain.pattern import AHEAD_US, EARLIEST_US, AttackPattern, Truth
from drlactors.domain.session import Artifact
from drlactors.exports.producer import Producer

PRODUCER = Producer("site-1", "0.1.0")
DECIDED_US = 1_790_000_000_123_456
RAN_US = 1_580_000_000_654_321

#: Whatever a sandbox may call itself or an artifact.
NAMES = st.text(min_size=1, max_size=30) | st.sampled_from(
    ["=cmd|' /C calc'!A0", "@SUM(1)", "-2+3", "\t=1", 'a"b,c\r\nd']
)
MOMENTS = st.integers(1_600_000_000_000_000, 2_000_000_000_000_000)


def pattern(number: int = 0, **changed: Any) -> AttackPattern:
    """A ransomware's session; another one for another number."""
    plain = AttackPattern(
        session=SessionId(UUID(int=number + 1)),
        episode=EpisodeId(UUID(int=1_000_000_000 + number)),
        stage=1,
        sandbox="sandbox-1",
        artifact=Artifact(f"{number + 171:064x}", "elf"),
        seq=7,
        state_vector=bytes(120),
        schema="features-1",
        action=Action.TERMINATE,
        policy="ab" * 32,
        leaning=0.9,
        reward=0.75,
        attack=Recognised(AttackType.RANSOMWARE, ("T1055.003", "T1486"), ("overwritten-documents",)),
        truth=Truth.MALICIOUS,
        confidence=0.87,
        started_us=DECIDED_US - 2_000_000,
        decided_us=DECIDED_US,
        ended_us=DECIDED_US + 500_000,
        first_seen_us=RAN_US,
        last_seen_us=RAN_US + 60_000_000,
    )
    return plain._replace(**changed)


@st.composite
def patterns(draw: st.DrawFn) -> AttackPattern:
    """Any that there may be."""
    started_us = draw(MOMENTS)
    decided_us = started_us + draw(st.integers(0, 10**10))
    first_seen_us = draw(st.none() | st.integers(EARLIEST_US, decided_us))
    ran_us = draw(st.integers(0, AHEAD_US))
    techniques = draw(st.lists(st.sampled_from([*TECHNIQUES]), unique=True, max_size=4))
    rules = draw(st.lists(st.sampled_from([rule.id for rule in RULES]), unique=True, max_size=3))
    return AttackPattern(
        session=SessionId(draw(st.uuids())),
        episode=EpisodeId(draw(st.uuids())),
        stage=draw(st.sampled_from((1, 2))),
        sandbox=draw(NAMES),
        artifact=Artifact(draw(st.text("0123456789abcdef", min_size=64, max_size=64)), draw(NAMES)),
        seq=draw(st.integers(0, 1 << 40)),
        state_vector=draw(st.binary(min_size=4, max_size=8).map(lambda drawn: bytes(4 * len(drawn)))),
        schema=draw(NAMES),
        action=draw(st.sampled_from(Action)),
        policy=draw(NAMES),
        leaning=draw(st.floats(0, 1)),
        reward=draw(st.none() | st.floats(-100, 100)),
        attack=Recognised(draw(st.sampled_from(AttackType)), tuple(sorted(techniques)), tuple(rules)),
        truth=draw(st.none() | st.sampled_from(Truth)),
        confidence=draw(st.floats(0, 1)),
        started_us=started_us,
        decided_us=decided_us,
        ended_us=decided_us + draw(st.integers(0, 10**10)),
        first_seen_us=first_seen_us,
        last_seen_us=None if first_seen_us is None else first_seen_us + ran_us,
    )

"""Recorded decisions as columns: all that the learner has to know of the log, without the telemetry."""

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from drlactors.ports.log import EventLog

Int64s = npt.NDArray[np.int64]

#: Above every position of a log.
END = (1 << 63) - 1


class Decisions(NamedTuple):
    """n decisions. Those of one session are in their order; whether sessions are interleaved is not said."""

    position: Int64s  # (n,): of the decision's entry in the log
    session: Int64s  # (n,): the session's number
    seq: Int64s  # (n,): of the window that was answered
    elapsed_ms: Int64s  # (n,): telemetry seen of the session so far
    propensity: npt.NDArray[np.float32]  # (n,)
    policy: npt.NDArray[np.uint16]  # (n,): index into ``Recorded.policies``
    isolation: npt.NDArray[np.uint16]  # (n,): steps in force after the choice
    action: npt.NDArray[np.uint8]  # (n,)
    mask: npt.NDArray[np.uint8]  # (n,): bit a is set when action a was permitted
    state: npt.NDArray[np.float32]  # (n, features): what the policy saw


class Kind(IntEnum):
    """What a fact says of its subject, and by which value. The numbers are a stored format: they never change."""

    REPORTED = 0  # a session's outcome: 0 benign, 1 malicious, 2 failed to run
    ENDED = 1  # a session's end: 1 where its sample failed to run, else 0
    LOST = 2  # a session was given up; 0
    FAILED = 3  # the action for this window could not be carried out
    CARRIED_OUT = 4  # it was in the end, after it had been given up on
    MIXED = 5  # a session was decided under a second feature schema; 0
    ENTERED = 6  # a session entered this episode
    VERDICT = 7  # an episode was completed: 0 benign, 1 malicious, 2 nothing was concluded
    CORRECTED = 8  # a person corrected it: 0 benign, 1 malicious
    ORDERED = 9  # whether a final action stands in a session that was ordered, not chosen: 0 no, 1 yes


BENIGN, MALICIOUS, NOTHING = 0, 1, 2


class Facts(NamedTuple):
    """k facts about sessions and episodes, in the order of the log: a later one outweighs an earlier one."""

    position: Int64s  # (k,)
    subject: Int64s  # (k,): number of the session, or of the episode
    kind: npt.NDArray[np.uint8]  # (k,): a Kind
    value: Int64s  # (k,)


class Sessions(NamedTuple):
    """m sessions in the order of their starts. The number of a session is the position of its start."""

    number: Int64s  # (m,): ascending
    started_us: Int64s  # (m,): microseconds since 1970
    stage: npt.NDArray[np.uint8]  # (m,)
    id: npt.NDArray[np.void]  # (m,): 16 bytes, a UUID
    artifact: npt.NDArray[np.bytes_]  # (m,): sha256 in hexadecimal


class Recorded(NamedTuple):
    """What a stretch of the log holds. Sessions and facts are those of all feature schemas, decisions those of one."""

    schema: str
    policies: tuple[str, ...]  # that ``Decisions.policy`` counts; there may be more than occur
    decisions: Decisions
    facts: Facts
    sessions: Sessions


class DecisionSource(Protocol):
    """Where recorded decisions come from."""

    def recorded(self, schema: str, *, after: int = 0, through: int = END) -> Recorded:
        """All that stands behind position ``after``, up to and with ``through``: what would have been read then."""
        ...


def joined(stretches: Sequence[Recorded]) -> Recorded:
    """Stretches of one log, of one schema, in its order, as one. Raises ValueError without any."""
    if len(stretches) == 1:
        return stretches[0]
    if len({stretch.schema for stretch in stretches}) != 1:
        raise ValueError("stretches of one feature schema can be joined")
    policies: dict[str, int] = {}
    decisions = []
    for stretch in stretches:
        codes = [policies.setdefault(policy, len(policies)) for policy in stretch.policies]
        coded = np.array(codes, dtype=np.uint16)[stretch.decisions.policy] if codes else stretch.decisions.policy
        decisions.append(stretch.decisions._replace(policy=coded))
    decisions = [each for each in decisions if len(each.position)] or decisions[:1]  # an empty one has no width
    return Recorded(
        stretches[0].schema,
        tuple(policies),
        Decisions(*map(np.concatenate, zip(*decisions, strict=True))),
        Facts(*map(np.concatenate, zip(*(stretch.facts for stretch in stretches), strict=True))),
        Sessions(*map(np.concatenate, zip(*(stretch.sessions for stretch in stretches), strict=True))),
    )


def within(recorded: Recorded, after: int, through: int) -> Recorded:
    """What of it stands behind position ``after``, up to and with ``through``."""
    inside = [
        (positions > after) & (positions <= through)
        for positions in (recorded.decisions.position, recorded.facts.position, recorded.sessions.number)
    ]
    if all(each.all() for each in inside):
        return recorded
    return recorded._replace(
        decisions=Decisions(*_rows(recorded.decisions, inside[0])),
        facts=Facts(*_rows(recorded.facts, inside[1])),
        sessions=Sessions(*_rows(recorded.sessions, inside[2])),
    )


def _rows(columns: Iterable[npt.NDArray[Any]], inside: npt.NDArray[np.bool_]) -> list[npt.NDArray[Any]]:
    return [column[inside] for column in columns]


def position_at(log: EventLog, at_us: int) -> int:
    """The last position of what had been decided at a time; 0 when nothing had.

    Found by halving, in some twenty questions: times grow along the log, but for the milliseconds that writers differ.
    """
    low, high = 0, log.head()
    while low < high:
        middle = (low + high) // 2
        entry = log.read(middle, 1)[0]
        if entry.at_us <= at_us:
            low = entry.position
        else:
            high = middle
    return low

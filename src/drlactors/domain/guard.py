"""Guards: what keeps a policy, good or broken, from doing more than its operator lets it, over all sessions."""

from bisect import bisect_right
from collections.abc import Sequence
from enum import StrEnum
from operator import attrgetter
from typing import NamedTuple

from drlactors.domain.action import Action
from drlactors.domain.ids import SessionId
from drlactors.domain.permission import best

HOUR_US = 3_600_000_000
_CONTINUE = 1 << Action.CONTINUE
_REVIEW = 1 << Action.REVIEW
_FINAL = 1 << Action.TERMINATE | 1 << Action.QUARANTINE


class Reason(StrEnum):
    """Why an action was withheld."""

    IGNORED_ARTIFACT = "ignored-artifact"
    IGNORED_SANDBOX = "ignored-sandbox"
    MONITORED = "monitored"  # it is only recorded what would have been done
    CONSENT = "consent"  # a person has to agree first
    PER_HOUR = "per-hour"  # done too often in the last hour
    IN_A_ROW = "in-a-row"  # done to too many sessions, and no session ended without


class Withheld(NamedTuple):
    """An action that was not taken, and what was left to choose from."""

    action: Action
    reason: Reason
    left: int  # bit n: action n


class Guards(NamedTuple):
    """What the operator lets the policy do; ``configs/`` has the values, and they may change at any time."""

    monitored: frozenset[Action] = frozenset()
    consent: frozenset[Action] = frozenset()
    terminate_per_hour: int = 0  # 0: no limit, here and below
    quarantine_per_hour: int = 0
    in_a_row: int = 0
    ignored_artifacts: frozenset[str] = frozenset()  # sha256
    ignored_sandboxes: frozenset[str] = frozenset()
    isolation_lease_ms: int = 0  # of telemetry, after which isolation that nothing confirms is taken back; 0: never

    def per_hour(self, action: Action) -> int:
        return self.terminate_per_hour if action is Action.TERMINATE else self.quarantine_per_hour


# Events of a day's stream: their fields are a stored format


class ActionAdmitted(NamedTuple):
    """A final action was let through: the limits count it."""

    session: SessionId
    seq: int
    action: Action
    at_us: int


class RowBroken(NamedTuple):
    """A session ended without a final action: the row begins anew."""

    session: SessionId


Event = ActionAdmitted | RowBroken


class Tally(NamedTuple):
    """What was let through lately, over all sessions."""

    admitted: tuple[ActionAdmitted, ...] = ()  # in the last hour, the oldest first
    row: int = 0

    def after(self, event: Event) -> "Tally":
        match event:
            case RowBroken():
                return self._replace(row=0)
            case ActionAdmitted(at_us=at_us):
                first = bisect_right(self.admitted, at_us - HOUR_US, key=attrgetter("at_us"))
                return Tally((*self.admitted[first:], event), self.row + 1)


# Questions


def withheld(
    values: Sequence[float], mask: int, guards: Guards, tally: Tally, *, sha256: str, sandbox: str, now_us: int
) -> tuple[Withheld, ...]:
    """What is withheld, one after the other, until the best of what is left may be done. Going on always may."""
    found: list[Withheld] = []
    while True:
        action = best(values, mask)
        reason = _reason(action, guards, tally, sha256, sandbox, now_us)
        if reason is None:
            return tuple(found)
        mask = _left(reason, action, mask)
        found.append(Withheld(action, reason, mask))


def lets_try(guards: Guards, *, sha256: str, sandbox: str) -> bool:
    """Whether exploration may act: not where what it tries would be withheld."""
    return not (
        sha256 in guards.ignored_artifacts or sandbox in guards.ignored_sandboxes or Action.ISOLATE in guards.monitored
    )


def _reason(action: Action, guards: Guards, tally: Tally, sha256: str, sandbox: str, now_us: int) -> Reason | None:
    if action is Action.CONTINUE:
        return None
    if sha256 in guards.ignored_artifacts:
        return Reason.IGNORED_ARTIFACT
    if sandbox in guards.ignored_sandboxes:
        return Reason.IGNORED_SANDBOX
    if action in guards.monitored:
        return Reason.MONITORED
    if not action.irreversible:
        return None
    if action in guards.consent:
        return Reason.CONSENT
    most = guards.per_hour(action)
    # What lies more than an hour ahead was counted before the clock was set back: it would count for as long.
    if most and sum(one.action is action and abs(now_us - one.at_us) < HOUR_US for one in tally.admitted) >= most:
        return Reason.PER_HOUR
    return Reason.IN_A_ROW if guards.in_a_row and tally.row >= guards.in_a_row else None


def _left(reason: Reason, action: Action, mask: int) -> int:
    match reason:
        case Reason.IGNORED_ARTIFACT | Reason.IGNORED_SANDBOX | Reason.MONITORED:
            return _CONTINUE
        case Reason.CONSENT if mask & _REVIEW:
            return _REVIEW
        case Reason.CONSENT | Reason.IN_A_ROW:
            return mask & ~_FINAL | _CONTINUE
        case Reason.PER_HOUR:
            return mask & ~(1 << action) | _CONTINUE

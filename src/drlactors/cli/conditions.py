"""The conditions on patterns that commands take, as a query has them."""

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from drlactors.ports.patterns import Query

Answer = Literal["", "continue", "isolate", "terminate", "quarantine", "review"]
Known = Literal["", "malicious", "benign"]


class NotATime(Exception):
    """A time is written as 2026-11-30, 2026-11-30T12:00 or 2026-11-30T12:00:00Z; without a zone it is UTC."""


def conditions(
    *,
    type_: str,
    technique: str,
    artifact: str,
    sandbox: str,
    action: Answer,
    truth: Known,
    since: str,
    until: str,
) -> "Query":
    """Empty ones do not count. Raises NotATime, and ValueError for a kind of attack that there is not."""
    from drlactors.domain.action import Action
    from drlactors.domain.attack import AttackType
    from drlactors.domain.pattern import Truth
    from drlactors.ports.patterns import Query

    return Query(
        attack=AttackType(type_) if type_ else None,
        technique=technique,
        artifact=artifact,
        sandbox=sandbox,
        action=Action[action.upper()] if action else None,
        truth=Truth(truth) if truth else None,
        since_us=_instant_us(since) if since else None,
        until_us=_instant_us(until) if until else None,
    )


def _instant_us(text: str) -> int:
    from datetime import UTC, datetime

    try:
        said = datetime.fromisoformat(text)
    except ValueError as error:
        raise NotATime from error
    return round((said if said.tzinfo else said.replace(tzinfo=UTC)).timestamp() * 1_000_000)

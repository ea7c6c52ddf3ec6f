"""Patterns as OCSF events, one a line: the finding about each session, and behind it what was done in it."""

from collections.abc import Callable, Iterable, Iterator

from drlactors.domain.ids import SessionId
from drlactors.domain.pattern import AttackPattern
from drlactors.domain.session import Event
from drlactors.exports.ocsf.finding import finding
from drlactors.exports.ocsf.remediation import remediations
from drlactors.exports.plain import compact
from drlactors.exports.producer import Producer

#: A session's events, each with when it was decided (us since 1970).
Lived = Callable[[SessionId], Iterable[tuple[int, Event]]]


def ocsf_lines(patterns: Iterable[AttackPattern], producer: Producer, lived: Lived | None) -> Iterator[str]:
    """``lived`` reads the log; None: findings alone."""
    for pattern in patterns:
        yield _line(finding(pattern, producer))
        if lived is not None:
            yield from map(_line, remediations(pattern.session, lived(pattern.session), producer))


def _line(event: dict[str, object]) -> str:
    return compact(event) + "\n"

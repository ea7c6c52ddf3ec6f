"""The patterns that are nearest to a decision: what it can be compared with, and no part of what the policy saw.

They are looked up when somebody asks why, not while a window waits for its answer. Only what had ended before the
decision counts, so that it has the same ones whenever it is asked about; what is known of their truth is today's.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from drlactors.ports.patterns import Found, Near, PatternsError, PatternStore, Query

if TYPE_CHECKING:
    from drlactors.domain.session import ActionSelected


def precedents(store: PatternStore, decision: "ActionSelected", at_us: int, limit: int) -> tuple[Found, ...]:
    """The nearest patterns that had ended when the decision was made. Raises PatternsError."""
    near = Near(decision.state_vector, decision.schema)
    return store.page(Query(near=near, ended_before_us=at_us), limit=limit).found


def told(store: PatternStore, decision: "ActionSelected | None", at_us: int, limit: int) -> tuple[list[str], list[Any]]:
    """For people and for programs; without the pattern store, only the reason why there is nothing."""
    from drlactors.cli.patterns import plain

    if decision is None:
        return [], []
    try:
        found = precedents(store, decision, at_us, limit)
    except PatternsError as error:
        return [f"nearest patterns: {error}"], []
    return list(describe(found)), [plain(each) for each in found]


def describe(found: Sequence[Found]) -> Iterator[str]:
    """Line by line."""
    from drlactors.cli.dossier import instant

    if not found:
        yield "nearest patterns: none"
        return
    malicious = sum(each.pattern.truth == "malicious" for each in found)
    known = sum(each.pattern.truth is not None for each in found)
    yield f"nearest patterns: {malicious} malicious of {known} that are known, {len(found)} in all"
    for pattern, distance in found:
        looks = " ".join((pattern.attack.kind.value, *pattern.attack.techniques))
        yield (
            f"  {distance or 0:.3f} away: {pattern.truth or 'unknown'}, confidence {pattern.confidence:.2f}, like "
            f"{looks}; {pattern.action.name.lower()} at {instant(pattern.decided_us)} in session {pattern.session}"
        )

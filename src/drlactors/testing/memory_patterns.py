"""A pattern store that lasts as long as its process: it compares with every pattern, and so finds what is nearest."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from drlactors.domain.calibration import Calibration, Tally, bin_of
from drlactors.domain.ids import SessionId
from drlactors.domain.pattern import AttackPattern, Truth
from drlactors.ports.patterns import (
    Change,
    Counts,
    Found,
    Near,
    Page,
    PatternsOfAnotherLog,
    PatternsUnreachable,
    Place,
    Query,
)


class MemoryPatterns:
    """Keeps the contract of the real one; ``away`` makes it unreachable, ``of_another`` a store of another log."""

    def __init__(self) -> None:
        self.away = self.of_another = False
        self._patterns: dict[SessionId, AttackPattern] = {}
        self._position = 0

    def page(self, query: Query, *, limit: int, after: Place | None = None) -> Page:
        self._reach()
        found = [Found(each, _distance(query.near, each)) for each in self._patterns.values() if _holds(query, each)]
        found.sort(key=lambda each: (_key(each), each.pattern.session), reverse=query.near is None)
        if after is not None:
            behind = (after.key, after.session)
            places = [((_key(each), each.pattern.session), each) for each in found]
            found = [each for place, each in places if (place < behind if query.near is None else place > behind)]
        page, rest = found[:limit], found[limit:]
        calibrated = tuple(Found(self._calibrated(pattern), distance) for pattern, distance in page)
        return Page(calibrated, Place(_key(page[-1]), page[-1].pattern.session) if rest else None)

    def of(self, session: SessionId) -> AttackPattern | None:
        self._reach()
        found = self._patterns.get(session)
        return found and self._calibrated(found)

    def counts(self) -> Counts:
        self._reach()
        patterns = self._patterns.values()
        return Counts(
            attacks=dict(Counter((each.attack.kind, each.truth) for each in patterns)),
            actions=dict(Counter(each.action for each in patterns)),
            outcomes=tuple((*of, tally) for of, tally in sorted(self._tallies().items())),
        )

    def position(self) -> int:
        self._own()
        return self._position

    def store(self, changes: Sequence[Change], *, after: int) -> bool:
        self._own()
        if after != self._position:
            return False
        for position, session, pattern in changes:
            self._position = position
            if pattern is not None:
                self._patterns[session] = pattern
            else:
                self._patterns.pop(session, None)
        return True

    def clear(self, *, take_over: bool = False) -> None:
        self._reach()
        if take_over:
            self.of_another = False
        self._own()
        self._patterns.clear()
        self._position = 0

    def close(self) -> None:
        """Nothing to close."""

    def _reach(self) -> None:
        if self.away:
            raise PatternsUnreachable("away")

    def _own(self) -> None:
        self._reach()
        if self.of_another:
            raise PatternsOfAnotherLog

    def _calibrated(self, pattern: AttackPattern) -> AttackPattern:
        known = Calibration((*of, tally) for of, tally in self._tallies().items())
        return pattern._replace(confidence=known.confidence(pattern.policy, pattern.leaning))

    def _tallies(self) -> dict[tuple[str, int], Tally]:
        tallies: dict[tuple[str, int], Tally] = {}
        for each in self._patterns.values():
            if each.truth is not None:
                of = (each.policy, bin_of(each.leaning))
                malicious, benign = tallies.get(of, Tally())
                tallies[of] = Tally(malicious + (each.truth is Truth.MALICIOUS), benign + (each.truth is Truth.BENIGN))
        return tallies


def _holds(query: Query, pattern: AttackPattern) -> bool:
    techniques = pattern.attack.techniques
    return (
        (query.attack is None or pattern.attack.kind is query.attack)
        and (not query.technique or any(f"{each}.".startswith(f"{query.technique}.") for each in techniques))
        and query.artifact in ("", pattern.artifact.sha256)
        and query.sandbox in ("", pattern.sandbox)
        and query.action in (None, pattern.action)
        and query.truth in (None, pattern.truth)
        and (query.since_us is None or pattern.decided_us >= query.since_us)
        and (query.until_us is None or pattern.decided_us < query.until_us)
        and _ran(query, pattern.first_seen_us)
        and (query.ended_before_us is None or pattern.ended_us < query.ended_before_us)
        and (query.near is None or pattern.schema == query.near.schema)
    )


def _ran(query: Query, first_seen_us: int | None) -> bool:
    since_us, until_us = query.ran_since_us, query.ran_until_us
    if first_seen_us is None:
        return since_us is None and until_us is None
    return (since_us is None or first_seen_us >= since_us) and (until_us is None or first_seen_us < until_us)


def _distance(near: Near | None, pattern: AttackPattern) -> float | None:
    if near is None:
        return None
    wanted = np.frombuffer(near.state_vector, dtype="<f4").astype(np.float32)
    return float(np.sqrt(np.sum((np.array(pattern.features, np.float32) - wanted) ** 2, dtype=np.float64)))


def _key(found: Found) -> float:
    return found.pattern.decided_us if found.distance is None else found.distance

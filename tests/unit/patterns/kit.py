"""A follower on a log in which anything happens, and what its store has to hold in the end."""

from collections.abc import Sequence
from pathlib import Path

from drlactors.domain.ids import SessionId
from drlactors.domain.pattern import AttackPattern
from drlactors.domain.reward import Weights
from drlactors.patterns.follower import Follower, Heard
from drlactors.patterns.projector import Projector
from drlactors.patterns.queue import Queue
from drlactors.ports.log import Category, EventLog
from drlactors.ports.patterns import Change, PatternStore, Query
from drlactors.testing.memory_patterns import MemoryPatterns

WEIGHTS = Weights(
    right_verdict=10.0,
    wrong_verdict=20.0,
    missed=10.0,
    released=1.0,
    second=0.01,
    damage=0.1,
    isolation_hinders=0.5,
    disturbance=0.5,
    review=1.0,
    failed_action=0.5,
)


class ManualClock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def now_us(self) -> int:
        return int(self.now_s * 1_000_000)

    def monotonic_s(self) -> float:
        return self.now_s


class Killed(BaseException):
    """kill -9: nobody catches it."""


class Power:
    """Is cut at the given use."""

    def __init__(self, left: int = 1_000_000) -> None:
        self.left = left

    def use(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed


class MortalQueue(Queue):
    """May be killed before and after each thing that lasts."""

    def __init__(self, path: Path, power: Power) -> None:
        super().__init__(path)
        self._power = power

    def add(self, changes: Sequence[Change], reached: int) -> None:
        self._power.use()
        super().add(changes, reached)
        self._power.use()

    def settle(self, stored: int) -> None:
        self._power.use()
        super().settle(stored)
        self._power.use()


class MortalPatterns(MemoryPatterns):
    """The same; it also keeps what came, in which order."""

    def __init__(self) -> None:
        super().__init__()
        self.power = Power()
        self.came: list[tuple[int, SessionId]] = []

    def store(self, changes: Sequence[Change], *, after: int) -> bool:
        self.power.use()
        taken = super().store(changes, after=after)
        if taken:
            self.came += [change[:2] for change in changes]
        self.power.use()
        return taken


def follower(
    log: EventLog,
    store: PatternStore,
    queue: Queue,
    clock: ManualClock,
    heard: list[Heard] | None = None,
    most_waiting: int = 1_000_000,
) -> Follower:
    return Follower(
        log,
        store,
        queue,
        Projector(log, WEIGHTS),
        clock,
        retry_s=30.0,
        most_waiting=most_waiting,
        hear=(lambda _: None) if heard is None else heard.append,
    )


def work(following: Follower) -> None:
    while following.turn():
        pass


def held(store: PatternStore) -> dict[SessionId, AttackPattern]:
    page = store.page(Query(), limit=100_000)
    return {found.pattern.session: found.pattern._replace(confidence=0.5) for found in page.found}


def wanted(log: EventLog) -> dict[SessionId, AttackPattern]:
    """From the whole log at once."""
    projector = Projector(log, WEIGHTS)
    ends = [entry for entry in log.turns(0, 100_000) if entry.stream.category is Category.SESSION]
    return {each: pattern for _, each, pattern in projector.changes(ends) if pattern is not None}

"""Attack patterns as commands and exports need them: asked for by any combination of what they hold, page by page."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from drlactors.domain.action import Action
from drlactors.domain.attack import AttackType
from drlactors.domain.calibration import Tally
from drlactors.domain.ids import SessionId
from drlactors.domain.pattern import AttackPattern, Truth


class Near(NamedTuple):
    """What a pattern is to be like: compared are only those of the same feature schema."""

    state_vector: bytes  # little-endian float32
    schema: str


class Query(NamedTuple):
    """All that is given has to hold. With ``near`` the nearest come first, else the newest."""

    attack: AttackType | None = None
    technique: str = ""  # with its sub-techniques: T1055 finds T1055.003 too
    artifact: str = ""  # sha256
    sandbox: str = ""
    action: Action | None = None
    truth: Truth | None = None
    since_us: int | None = None  # decided then or later, microseconds since 1970
    until_us: int | None = None  # decided before
    ran_since_us: int | None = None  # first seen then or later, by the sandbox's clock; none of which it is not known
    ran_until_us: int | None = None  # first seen before
    ended_before_us: int | None = None  # what was known then
    near: Near | None = None


class Place(NamedTuple):
    """Where a page ended, in the order of the query. New patterns and corrections move nothing across it."""

    key: float  # the distance, or when it was decided
    session: SessionId


class Found(NamedTuple):
    pattern: AttackPattern  # with its confidence, as calibrated now
    distance: float | None  # Euclidean, between state vectors; None where nearness was not asked


class Page(NamedTuple):
    found: tuple[Found, ...]
    after: Place | None  # where the next page begins; None of the last one


class Change(NamedTuple):
    """At a position of the log, what is known of a session now. Without a pattern there is nothing to learn from it."""

    position: int
    session: SessionId
    pattern: AttackPattern | None


class Counts(NamedTuple):
    """How many patterns there are of each kind."""

    attacks: dict[tuple[AttackType, Truth | None], int]
    actions: dict[Action, int]
    outcomes: tuple[tuple[str, int, Tally], ...]  # of each policy and bin of the calibration


class PatternsError(Exception):
    """The pattern store could not do what was asked."""


class PatternsUnreachable(PatternsError):
    """The pattern store cannot be reached now. What was asked was not done, or will be found done when asked again."""


class PatternsOfAnotherLog(PatternsError):
    """These patterns are made of another event log, by another installation.

    Name a database of this one's own in patterns.url; or `drlactors patterns rebuild --take-over` throws them away.
    """

    def __str__(self) -> str:
        """The docstring is the message."""
        return " ".join((type(self).__doc__ or "").split())


class PatternStore(Protocol):
    """Where patterns are kept. All methods may be called from any thread, block, and raise PatternsError.

    They are made of one log, that of whoever stored first: of another one ``position``, ``store`` and ``clear`` raise
    PatternsOfAnotherLog, and change nothing. Anybody may ask.
    """

    def page(self, query: Query, *, limit: int, after: Place | None = None) -> Page:
        """At most ``limit`` patterns behind a place."""
        ...

    def of(self, session: SessionId) -> AttackPattern | None: ...

    def counts(self) -> Counts: ...

    def position(self) -> int:
        """How far in the log the patterns go."""
        ...

    def store(self, changes: list[Change], *, after: int) -> bool:
        """Take changes over, in their order, in one transaction with the position that they reach.

        ``after`` is the position that they follow. False, and nothing is done, when the patterns are at another one.
        """
        ...

    def clear(self, *, take_over: bool = False) -> None:
        """Forget all patterns, and begin at the log's beginning; ``take_over``: also those of another log."""
        ...

    def close(self) -> None: ...


def every(store: PatternStore, query: Query, *, page: int = 500) -> Iterator[Found]:
    """All that a query finds, in its order, a page in memory at a time."""
    after: Place | None = None
    while True:
        found, after = store.page(query, limit=page, after=after)
        yield from found
        if after is None:
            return

"""Keeps the pattern store up with the log: derives changes into the local queue, and empties it into the store."""

from collections.abc import Callable
from typing import NamedTuple

from drlactors.patterns.projector import Projector
from drlactors.patterns.queue import Queue
from drlactors.ports.clock import Clock
from drlactors.ports.log import EventLog, LogAway, LogError
from drlactors.ports.patterns import PatternsError, PatternStore

#: Turns of the log that are looked at at a time, and changes that are one transaction of the store.
TURNS, CHANGES = 64, 256


class Stored(NamedTuple):
    """Changes that the store has taken."""

    changes: int
    seconds: float
    waiting: int  # that are left in the queue


class Queued(NamedTuple):
    """Changes that were derived."""

    changes: int
    waiting: int


class Away(NamedTuple):
    """The store does not take anything; it is asked again later."""

    why: str
    waiting: int
    retry_s: float


class Back(NamedTuple):
    """It does again."""

    waiting: int


class Full(NamedTuple):
    """The queue holds as much as it may: what comes now waits in the log."""

    waiting: int


class PutBack(NamedTuple):
    """The log ends before what was made of it: it was put back, or is another one. All is made again."""

    reached: int
    head: int


Heard = Stored | Queued | Away | Back | LogAway | Full | PutBack


class Follower:
    """For one thread. ``turn`` does a small piece of work; killed at any point of it, nothing is lost or doubled.

    Derived is what the queue remembers, stored what the store remembers, each in one transaction with the position that
    it reaches; whoever starts compares the two. ``prepare`` is called before the store is used for the first time, and
    again when it was away. Several followers on one store do each other no harm: the positions make them take turns.
    """

    def __init__(
        self,
        log: EventLog,
        store: PatternStore,
        queue: Queue,
        projector: Projector,
        clock: Clock,
        *,
        retry_s: float,
        most_waiting: int,
        prepare: Callable[[], None] = lambda: None,
        hear: Callable[[Heard], None] = lambda _: None,
    ) -> None:
        self._log = log
        self._store = store
        self._queue = queue
        self._projector = projector
        self._clock = clock
        self._retry_s = retry_s
        self._most_waiting = most_waiting
        self._prepare = prepare
        self._hear = hear
        self._met = False  # the store, and the queue agrees with it
        self._away = self._log_away = self._full = False
        self._retry_at_s = clock.monotonic_s()

    def turn(self) -> bool:
        """Whether there is more to do at once."""
        stored = self._empty()
        derived = self._derive()
        return stored or derived

    def _empty(self) -> bool:
        if self._clock.monotonic_s() < self._retry_at_s:
            return False
        try:
            return self._store_some()
        except PatternsError as error:
            self._lose(error)
            return False

    def _lose(self, error: PatternsError) -> None:
        self._met, self._away, self._retry_at_s = False, True, self._clock.monotonic_s() + self._retry_s
        self._hear(Away(str(error), len(self._queue), self._retry_s))

    def _store_some(self) -> bool:
        if not self._met:
            self._prepare()
            self._queue.settle(self._store.position())
            self._met = True
        if self._away:
            self._away = False
            self._hear(Back(len(self._queue)))
        changes = self._queue.first(CHANGES)
        began_s = self._clock.monotonic_s()
        if not changes:
            self._met = self._store.position() == self._queue.base  # it may have been cleared, to begin anew
            return not self._met
        self._met = self._store.store(changes, after=self._queue.base)
        if self._met:
            self._queue.settle(changes[-1].position)
            self._hear(Stored(len(changes), self._clock.monotonic_s() - began_s, len(self._queue)))
        return True

    def _derive(self) -> bool:
        if len(self._queue) >= self._most_waiting:
            if not self._full:
                self._hear(Full(len(self._queue)))
            self._full = True
            return False
        self._full = False
        try:
            turns = self._log.turns(self._queue.reached, TURNS)
            changes = self._projector.changes(turns)
            head = self._queue.reached if turns else self._log.head()
        except LogError as error:  # also of what a newer program wrote: that one can read on
            if not self._log_away:
                self._hear(LogAway(str(error)))
            self._log_away = True
            return False
        self._log_away = False
        if head < self._queue.reached:
            self._hear(PutBack(self._queue.reached, head))
            self._queue.begin_anew()
            self._met = False
            try:
                self._store.clear()
            except PatternsError as error:  # it is found again when the store is back
                self._lose(error)
            return True
        if not turns:
            return False
        self._queue.add(changes, turns[-1].position)
        self._hear(Queued(len(changes), len(self._queue)))
        return True

"""The guard: knows what was done lately over all sessions, and withholds what the operator does not let a policy do."""

from collections.abc import Iterable
from typing import Any

from drlactors.actors.coordinator import NAME as COORDINATED
from drlactors.actors.dispatched import DispatchedActor
from drlactors.actors.line import Line
from drlactors.actors.messages import Committed, Load, Loaded, Stale, Store, Unloadable
from drlactors.domain import guard, session
from drlactors.domain.guard import ActionAdmitted, RowBroken, Tally, Withheld
from drlactors.domain.ids import DAY_US, SessionId, guard_day
from drlactors.domain.permission import best, permitted
from drlactors.domain.session import ActionSelected, Ended, SessionLost
from drlactors.ports.log import Append, Category, Entry, Stream

#: The name under which the log remembers up to where every final action is counted.
NAME = "guarded"


def day(at_us: int) -> Stream:
    """The stream of a day, by UTC: what is read at a start stays short."""
    return Stream(Category.GUARD, guard_day(at_us))


class GuardActor(DispatchedActor):
    """Counts at once, so that sessions that decide together do not pass a limit together; writes down what is on disk.

    ``withheld`` is called by session actors, and not told: they and the guard live on the main dispatcher's thread, and
    a decision cannot wait for a turn. An action that was counted and never stored counts for an hour all the same.
    """

    def __init__(self, line: Line) -> None:
        super().__init__(line.main)
        self._line = line
        self._tally = Tally()
        self._known: dict[tuple[SessionId, int], int] = {}  # counted final actions, and when, for two hours
        self._stopped: dict[SessionId, int] = {}  # the sessions that they stopped, and when
        self._waiting: list[tuple[int, guard.Event]] = []  # (position, event): to be stored
        self._storing = 0
        self._loading = False
        now_us = line.clock.now_us()
        self._day, self._version = day(now_us), 0
        for stream in (day(now_us - DAY_US), self._day):
            self._version = self._recall(line.log.stream(stream), 0)
        self._seen = line.log.position(NAME) or line.log.position(COORDINATED)
        line.followers[NAME] = self.through
        line.guard = self

    def through(self) -> int:
        """The log position up to which everything is counted. Called by the writer's thread as well."""
        return min((position for position, _ in self._waiting.copy()), default=self._seen + 1) - 1

    def withheld(
        self, state: session.State, session_id: SessionId, seq: int, values: tuple[float, ...]
    ) -> tuple[Withheld, ...]:
        """What the policy would do and may not; what it may is counted from here on."""
        started = state.started
        if started is None:
            return ()
        now_us, mask = self._line.clock.now_us(), permitted(state)
        found = guard.withheld(
            values,
            mask,
            self._line.limits.guards,
            self._tally,
            sha256=started.artifact.sha256,
            sandbox=started.sandbox,
            now_us=now_us,
        )
        action = best(values, found[-1].left if found else mask)
        if action.irreversible:
            self._count(ActionAdmitted(session_id, seq, action, now_us))
        return found

    def lets_try(self, state: session.State) -> bool:
        """Whether something reversible may be tried by chance in this session."""
        started = state.started
        return started is not None and guard.lets_try(
            self._line.limits.guards, sha256=started.artifact.sha256, sandbox=started.sandbox
        )

    def on_receive(self, message: Any) -> None:
        match message:
            case Committed(entries):
                for entry in entries:
                    if entry.position > self._seen:
                        self._hear(entry)
                        self._seen = entry.position
            case Loaded(stream, _, _, entries) if stream == self._day:
                self._version, self._loading = self._recall(entries, self._version), False
            case Stale(stream) if stream == self._day:
                self._storing, self._loading = 0, True
                self._line.writer.tell(Load(self.actor_ref, stream))
            case Unloadable(stream, reason):
                self._line.observer.note("guard.unreadable", stream=str(stream), why=reason)
        self._store()

    def _hear(self, entry: Entry) -> None:
        if entry.stream == self._day:
            self._version = entry.version
            del self._waiting[: self._storing]
            self._storing = 0
            return
        if entry.stream.category is not Category.SESSION:
            return
        session_id = SessionId(entry.stream.id)
        for event in entry.of_session:
            match event:
                case ActionSelected(seq=seq, action=action) if action.irreversible:
                    admitted = ActionAdmitted(session_id, seq, action, entry.at_us)
                    self._count(admitted)
                    self._waiting.append((entry.position, admitted))
                case Ended() | SessionLost() if self._tally.row and session_id not in self._stopped:
                    self._tally = self._tally.after(RowBroken(session_id))
                    self._waiting.append((entry.position, RowBroken(session_id)))

    def _count(self, event: guard.Event) -> None:
        if isinstance(event, ActionAdmitted):
            if (event.session, event.seq) in self._known:
                return
            self._known[event.session, event.seq] = self._stopped[event.session] = event.at_us
            _forget(self._known, event.at_us - 2 * guard.HOUR_US)
            _forget(self._stopped, event.at_us - 2 * guard.HOUR_US)
        self._tally = self._tally.after(event)

    def _store(self) -> None:
        """All that waits, as one append; what is stored twice after a crash is counted once."""
        if self._storing or self._loading or not self._waiting:
            return
        today = day(self._line.clock.now_us())
        if today != self._day:
            self._day, self._version = today, 0
        self._storing = len(self._waiting)
        events = tuple(event for _, event in self._waiting)
        append = Append(self._day, self._version, events, self._line.clock.now_us(), "guard")
        self._line.writer.tell(Store(self.actor_ref, append, (), 0, acts=True))

    def _recall(self, entries: Iterable[Entry], version: int) -> int:
        """Count what stands behind this version of a day; gives the version of its end."""
        for entry in entries:
            if entry.version > version:
                version = entry.version
                for event in entry.of_guard:
                    self._count(event)
        return version


def _forget(counted: dict[Any, int], until_us: int) -> None:
    """They are in the order in which they were counted, nearly that of their times."""
    while counted and counted[oldest := next(iter(counted))] < until_us:
        del counted[oldest]

"""A session's actor: load, decide, rank, decide, append. No rule lives here."""

from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

from drlactors.actors.dispatched import DispatchedActor
from drlactors.actors.line import Line
from drlactors.actors.messages import (
    Arrived,
    Leave,
    Left,
    Load,
    Loaded,
    Ordered,
    Rank,
    Ranked,
    Rebuild,
    Remember,
    Repeat,
    Stale,
    Store,
    Tick,
    Unloadable,
)
from drlactors.actors.reorder import Reorder
from drlactors.domain import features
from drlactors.domain.action import Action
from drlactors.domain.errors import ForeignSession, Refused
from drlactors.domain.exploration import BY_CHANCE, choice, drawn
from drlactors.domain.ids import SessionId
from drlactors.domain.permission import best, permitted
from drlactors.domain.session import (
    DECIDER,
    INITIAL,
    ActionSelected,
    Command,
    Event,
    Select,
    State,
    TelemetryLost,
    TelemetryRecorded,
)
from drlactors.ports.bus import Kind
from drlactors.ports.log import Append, Category, Stream

#: A sandbox that asks again is answered from this many of its newest events, at most this often.
REPEAT_EVENTS, REPEAT_EVERY_S = 512, 1.0


class Group(NamedTuple):
    """Windows that were recorded and wait for their values."""

    number: int
    events: list[Event]
    seqs: list[int]
    arrived: list[Arrived]


class Presence:
    """What the supervisor may see of a session; both live on the main dispatcher's thread."""

    __slots__ = ("busy", "holding", "leaving", "over")

    def __init__(self) -> None:
        self.busy = True
        self.leaving = False  # it has asked the writer whether all is stored, and nothing came since
        self.holding = False  # windows that came early: it has to hear of the time
        self.over = False


class SessionActor(DispatchedActor):
    """Handles a session's messages strictly in order: the next group begins when this one's actions are selected.

    It goes on before they are on disk. Should the log refuse them (another plane writes to the session), or a message
    break it, it forgets everything, reads the log, and handles the messages again that are not settled.
    """

    def __init__(self, line: Line, session: SessionId, presence: Presence, *, new: bool) -> None:
        super().__init__(line.main)
        self._line = line
        self.session = session
        self._stream = Stream(Category.SESSION, session)
        self._presence = presence
        self._loading = not new
        self._state: State = INITIAL
        self._version = 0
        self._remembered = 0
        self._waiting: deque[Arrived | Ordered] = deque()
        self._reorder = Reorder(next_seq=0)
        self._group: Group | None = None
        self._groups = 0
        self._handling: list[Arrived] = []
        self._careful = False
        self._repeated_s = float("-inf")
        self._unreadable = ""  # or why

    def on_start(self) -> None:
        if self._loading:
            self._line.writer.tell(Load(self.actor_ref, self._stream))

    def on_receive(self, message: Any) -> None:
        self._presence.leaving = False
        match message:
            case Arrived():
                self._enter(message)
            case Ordered():
                self._waiting.append(message)
            case Ranked():
                self._select(message)
            case Tick():
                limits = self._line.limits
                self._waiting.extend(self._reorder.expire(self._line.clock.monotonic_s(), limits.reorder_wait_s))
            case Loaded():
                self._resume(message)
            case Stale(_, settles):
                self._start_over(settles, load=not self._loading)
            case Rebuild(settles):
                self._start_over(settles, load=True)
            case Unloadable(_, reason):
                self._despair(reason)
            case Leave():
                self._leave()
                return
        self._proceed()

    def give_up(self) -> tuple[Arrived | None, list[Arrived]]:
        """What broke this actor, if that is known, and what else it had not finished; it goes on with Rebuild.

        From then on it takes one message at a time until none is waiting, so that the next time it is known.
        """
        unfinished = {arrived.sequence: arrived for arrived in (self._group.arrived if self._group else [])}
        unfinished |= {arrived.sequence: arrived for arrived in self._handling}
        broke = self._handling[-1] if self._handling else None
        if broke is None and len(unfinished) == 1:
            (broke,) = unfinished.values()
        if broke is not None:
            del unfinished[broke.sequence]
        self._group, self._handling = None, []
        self._careful = True
        self._loading = True  # nothing is handled before the log was read again: later windows would make a gap
        return broke, list(unfinished.values())

    # From messages to groups

    def _enter(self, arrived: Arrived) -> None:
        if self._unreadable:
            self._refuse(arrived, self._unreadable)
        elif self._loading:
            self._waiting.append(arrived)
        elif arrived.kind is Kind.TELEMETRY and (self._state.started is not None or self._waiting):
            limits = self._line.limits
            self._waiting.extend(self._reorder.offer(arrived, self._line.clock.monotonic_s(), limits.reorder_windows))
        else:
            self._waiting.extend(self._reorder.release())
            self._waiting.append(arrived)

    def _proceed(self) -> None:
        while self._waiting and self._group is None and not self._loading:
            front = self._waiting[0]
            if isinstance(front, Arrived) and front.kind is Kind.TELEMETRY:
                self._record()
            else:
                self._obey(self._waiting.popleft())
        self._careful = self._careful and bool(self._waiting or self._loading)
        self._presence.holding = self._reorder.holds()
        self._presence.busy = bool(
            self._waiting or self._group or self._loading or self._presence.holding or not self.actor_inbox.empty()
        )

    def _record(self) -> None:
        """Record windows from the front of the queue, then have them ranked together."""
        line = self._line
        self._groups += 1
        group = Group(self._groups, [], [], [])
        rows: list[features.Row] = []
        while self._waiting and len(rows) < line.limits.group_windows:
            front = self._waiting[0]
            if not isinstance(front, Arrived) or front.kind is not Kind.TELEMETRY:
                break
            if self._careful and group.arrived:
                break
            self._waiting.popleft()
            self._handling.append(front)
            try:
                self._check_owner(front)
                self._take(front.commands, group, rows)
            except Refused as refusal:
                self._refuse(front, str(refusal))
            else:
                group.arrived.append(front)
        if rows:
            self._group = group
            line.inference.tell(
                Rank(self.actor_ref, group.number, rows, permitted(self._state), line.clock.monotonic_s())
            )
        else:
            line.settle(tuple(arrived.sequence for arrived in group.arrived))
        self._handling.clear()

    def _take(self, commands: tuple[Command, ...], group: Group, rows: list[features.Row]) -> None:
        """Record one message's windows. The rules refuse all that is new in it, or nothing."""
        state, repeated = self._state, 0
        for command in commands:
            decided = DECIDER.decide(command, state)
            repeated += not decided
            for event in decided:
                state = DECIDER.evolve(state, event)
                group.events.append(event)
                match event:
                    case TelemetryRecorded(window):
                        rows.append(features.row(state, window))
                        group.seqs.append(window.seq)
                    case TelemetryLost(first_seq=first, last_seq=last, cause=cause):
                        self._line.observer.lost(cause, last - first + 1)
        self._state = state
        if repeated:
            self._repeat(repeated)

    def _select(self, ranked: Ranked) -> None:
        """Select an action for each window of the group, and have all of it stored as one append."""
        group = self._group
        if group is None or group.number != ranked.group:
            return  # forgotten when it started over; its messages are waiting again
        decide, evolve, state = DECIDER.decide, DECIDER.evolve, self._state
        recorded, lease_ms = len(group.events), self._line.limits.guards.isolation_lease_ms
        acts, share = False, self._explored(state)
        for index, seq in enumerate(group.seqs):
            values, vector = ranked.values[index], ranked.state_vectors[index]
            select = Select(seq, values, vector, ranked.policy, ranked.schema, (), 1.0, (), lease_ms)
            if share:
                chosen = choice(values, permitted(state), share, drawn(self.session, seq))
                select = select._replace(tried=chosen.tried, propensity=chosen.propensity)
            decided = decide(select, state)
            selected = decided[0] if decided else None
            if isinstance(selected, ActionSelected) and selected.action.carried_out:
                acts = True
                decided = decide(self._weighed(select, selected.action, state, partial(ranked.because, index)), state)
            for event in decided:
                state = evolve(state, event)
            group.events.extend(decided)
        acts = acts or len(group.events) > recorded + len(group.seqs)
        self._state, self._group = state, None
        self._store(group.events, tuple(group.arrived), len(group.seqs), acts=acts)

    def _explored(self, state: State) -> float:
        """The share of windows in which something is tried by chance; 0 where guards let nothing be tried."""
        share = state.started.rules.exploration if state.started else 0.0
        return share if share and self._line.guard.lets_try(state) else 0.0

    def _weighed(
        self, select: Select, action: Action, state: State, because: Callable[[Action], tuple[str, ...]]
    ) -> Select:
        """What would do more than go on, with what guards keep it from, and why it is still done."""
        if select.tried is not None:
            return select._replace(because=(BY_CHANCE,))
        withheld = self._line.guard.withheld(state, self.session, select.seq, select.values)
        if withheld:
            action = best(select.values, withheld[-1].left)
        return select._replace(withheld=withheld, because=because(action) if action.carried_out else ())

    # Single commands

    def _check_owner(self, arrived: Arrived) -> None:
        started = self._state.started
        if started is not None and arrived.sandbox != started.sandbox:
            raise ForeignSession

    def _obey(self, message: Arrived | Ordered) -> None:
        arrived = (message,) if isinstance(message, Arrived) else ()
        commands = message.commands if isinstance(message, Arrived) else (message.command,)
        self._handling.extend(arrived)
        state, events = self._state, list[Event]()
        try:
            for one in arrived:
                self._check_owner(one)
            for command in commands:
                decided = DECIDER.decide(command, state)
                state = DECIDER.fold(decided, state)
                events += decided
        except Refused as refusal:
            for refused in arrived:
                self._refuse(refused, str(refusal))
        else:
            self._state = state
            if events:
                self._store(events, arrived, 0, acts=True)
            else:
                self._line.settle(tuple(one.sequence for one in arrived))
        self._handling.clear()

    def _store(self, events: list[Event], arrived: tuple[Arrived, ...], windows: int, *, acts: bool) -> None:
        line = self._line
        causation, traceparent = (f"bus:{arrived[0].sequence}", arrived[0].traceparent) if arrived else ("self", "")
        append = Append(self._stream, self._version, tuple(events), line.clock.now_us(), causation, traceparent)
        self._version += len(events)
        self._presence.over = self._state.over
        line.writer.tell(Store(self.actor_ref, append, arrived, windows, acts))
        if self._version - self._remembered >= line.limits.snapshot_every_events:
            self._remember()

    def _refuse(self, arrived: Arrived, reason: str) -> None:
        """A lawful no is an answer."""
        self._line.observer.refused(reason)
        self._line.turn_away(arrived.delivery, reason)

    def _repeat(self, repeated: int) -> None:
        """Windows that were answered come again: perhaps the answer was lost on its way."""
        line = self._line
        line.observer.redelivered(repeated)
        now_s = line.clock.monotonic_s()
        if now_s - self._repeated_s >= REPEAT_EVERY_S:
            self._repeated_s = now_s
            line.writer.tell(Repeat(self.session, max(0, self._version - REPEAT_EVENTS)))

    # Beginning, starting over, leaving

    def _resume(self, loaded: Loaded) -> None:
        self._state = INITIAL if loaded.state is None else loaded.state
        self._version = self._remembered = loaded.version
        for entry in loaded.entries:
            self._state = DECIDER.fold(entry.of_session, self._state)
            self._version = entry.version
        self._presence.over = self._state.over or self._state.started is None
        self._reorder = Reorder(self._state.progress.seq + 1)
        self._loading = False
        waiting, self._waiting = self._waiting, deque()
        for message in waiting:
            if isinstance(message, Arrived):
                self._enter(message)
            else:
                self._waiting.append(message)

    def _start_over(self, arrived: Iterable[Arrived], *, load: bool) -> None:
        last, others = self.give_up()
        unfinished = others if last is None else [*others, last]
        again: list[Arrived | Ordered] = [*arrived, *unfinished, *self._waiting, *self._reorder.release()]
        self._waiting = deque(sorted(again, key=lambda one: one.sequence if isinstance(one, Arrived) else -1))
        if load:
            self._line.writer.tell(Load(self.actor_ref, self._stream))

    def _despair(self, reason: str) -> None:
        """The session cannot be read: nothing can be decided for it, and nobody else has to wait for it."""
        for message in self._waiting:
            if isinstance(message, Arrived):
                self._refuse(message, reason)
        self._waiting.clear()
        self._unreadable, self._loading, self._presence.over = reason, False, True

    def _remember(self) -> None:
        self._remembered = self._version
        self._line.writer.tell(Remember(self._stream, self._version, self._state))

    def _leave(self) -> None:
        if self._version > self._remembered and not self._state.over:
            self._remember()
        self._presence.leaving = True
        self._line.writer.tell(Left(self._stream))

"""The dispatcher: follows the log, and sends every recorded action until it is answered or given up on."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from drlactors.actors.dispatched import DispatchedActor
from drlactors.actors.line import Line
from drlactors.actors.messages import Again, Committed, Ordered, Tick, ToSession
from drlactors.codec.outbound import Decision, actions
from drlactors.domain.ids import OrderId, SessionId
from drlactors.domain.order import ActionOrdered, GiveUpOrder, OrderAnswered, OrderFailed
from drlactors.domain.session import (
    ActionFailed,
    ActionSelected,
    Ended,
    FeedbackReceived,
    GiveUp,
    SessionLost,
    TelemetryRecorded,
)
from drlactors.ports.log import Category, Entry

#: The name under which the log remembers up to where every action was sent and answered.
NAME = "dispatched"

#: What the sandbox is told.
CHOICES = (ActionSelected, ActionOrdered)

#: A session, and the window that its policy acted on, or the order that was given.
Key = tuple[SessionId, int | OrderId]


class Pending(NamedTuple):
    """An action that the sandbox has to answer."""

    position: int
    decision: Decision  # as it was sent last
    due_s: float  # when it is sent again, or given up


class DispatcherActor(DispatchedActor):
    """Going on needs no answer and is sent once: a sandbox that misses it sends its window again.

    An order that was given up is sent again when its session is heard of: a policy chooses anew in the next window,
    but nobody repeats a person's word, and a sandbox that was away would keep its program paused.
    """

    turn = 1024

    def __init__(self, line: Line) -> None:
        super().__init__(line.main)
        self._line = line
        self._pending: dict[Key, Pending] = {}
        self._held: dict[Key, Pending] = {}  # by the rate limit; in order
        self._unheard: dict[SessionId, dict[OrderId, Pending]] = {}  # orders that were given up
        self._over: set[SessionId] = set()  # that ended while actions waited for their answers
        self._allowance = line.limits.actions_burst
        self._refilled_s = self._looked_s = line.clock.monotonic_s()
        self._seen = line.log.position(NAME)
        line.followers[NAME] = self.through

    def through(self) -> int:
        """The log position up to which nothing waits any more. Called by the writer's thread as well."""
        unheard = [pending for orders in self._unheard.copy().values() for pending in orders.copy().values()]
        waiting = [each.position for each in (*self._pending.copy().values(), *self._held.copy().values(), *unheard)]
        return min(waiting, default=self._seen + 1) - 1

    def on_batch(self, messages: list[Any]) -> None:
        out: list[tuple[SessionId, bytes]] = []
        for message in messages:
            match message:
                case Committed(entries):
                    out += self._send([entry for entry in entries if entry.position > self._seen])
                    self._seen = max(self._seen, entries[-1].position)
                case Again(session, entries):
                    decisions = [decision for entry in entries for decision in _decisions(entry)]
                    out += [(session, actions(session, decisions))] if decisions else []
                case Tick():
                    out += self._send_again()
        self._line.bus.publish(out)

    def _send(self, entries: list[Entry]) -> Iterator[tuple[SessionId, bytes]]:
        for entry in entries:
            if entry.stream.category is not Category.SESSION:
                continue
            session = SessionId(entry.stream.id)
            decisions = self._unheard_of(session, entry) if session in self._unheard else []
            for decision in _decisions(entry):
                key = _key(session, decision)
                if key is None or self._admit(key, entry, decision):
                    decisions.append(decision)
            if decisions:
                yield session, actions(session, decisions)
            else:
                self._hear(session, entry)

    def _unheard_of(self, session: SessionId, entry: Entry) -> list[Decision]:
        """The orders that a session has not heard, now that it says something."""
        if not any(isinstance(event, TelemetryRecorded) for event in entry.events):
            return []
        due_s = self._line.clock.monotonic_s() + self._line.limits.retry_s[0]
        again = self._unheard.pop(session)
        for order, pending in again.items():
            decision = pending.decision._replace(attempt=1)
            self._pending[session, order] = pending._replace(decision=decision, due_s=due_s)
        return [self._pending[session, order].decision for order in again]

    def _hear(self, session: SessionId, entry: Entry) -> None:
        """Strike off what was answered, given up, or has nobody left to answer it."""
        for event in entry.events:
            match event:
                case OrderFailed(order):
                    self._give_up_for_now(session, order)
                    if not self._waits(session):
                        self._over.discard(session)
                case FeedbackReceived(seq=name) | ActionFailed(seq=name) | OrderAnswered(name):
                    self._pending.pop((session, name), None)
                    self._held.pop((session, name), None)
                    if isinstance(event, OrderAnswered) and session in self._unheard:
                        self._unheard[session].pop(event.order, None)
                    if isinstance(event, FeedbackReceived | OrderAnswered):
                        self._line.observer.feedback(event.success)
                    if session in self._over and not self._waits(session):
                        self._over.discard(session)
                case Ended():
                    self._unheard.pop(session, None)
                    if self._waits(session):
                        self._over.add(session)
                case SessionLost():
                    self._unheard.pop(session, None)
                    for waiting in (self._pending, self._held):
                        for key in [key for key in waiting if key[0] == session]:
                            self._give_up(key, waiting.pop(key), "the session was lost")
                    self._over.discard(session)

    def _admit(self, key: Key, entry: Entry, decision: Decision) -> bool:
        """Whether the action may go now; if not it waits for the rate limit, and is never dropped."""
        now_s = self._line.clock.monotonic_s()
        pending = Pending(entry.position, decision, now_s + self._line.limits.retry_s[0])
        if self._held or not self._allow(now_s):
            self._held[key] = pending
            return False
        self._pending[key] = pending
        return True

    def _allow(self, now_s: float) -> bool:
        limits = self._line.limits
        refill = (now_s - self._refilled_s) * limits.actions_per_s
        self._allowance = min(limits.actions_burst, self._allowance + refill)
        self._refilled_s = now_s
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True

    def _send_again(self) -> Iterator[tuple[SessionId, bytes]]:
        limits, now_s = self._line.limits, self._line.clock.monotonic_s()
        passed_s, self._looked_s = now_s - self._looked_s, now_s
        if not self._line.bus.listening:
            # Nothing reaches a sandbox, and no answer comes: none is given up for time in which it could not be heard.
            for key, pending in self._pending.items():
                self._pending[key] = pending._replace(due_s=pending.due_s + passed_s)
            return
        for key, held in list(self._held.items()):
            if not self._allow(now_s):
                break
            del self._held[key]
            self._pending[key] = held._replace(due_s=now_s + limits.retry_s[0])
            yield key[0], actions(key[0], [held.decision])
        for key, pending in list(self._pending.items()):
            if pending.due_s > now_s:
                continue
            sent = pending.decision.attempt  # 1 the first time, then one for each pause
            if sent > len(limits.retry_s):
                self._give_up(key, pending, f"no answer within {limits.answer_timeout_s:g} s")
                continue
            decision = pending.decision._replace(attempt=sent + 1)
            pause_s = limits.retry_s[sent] if sent < len(limits.retry_s) else limits.answer_timeout_s
            self._pending[key] = pending._replace(decision=decision, due_s=now_s + pause_s)
            self._line.observer.retried()
            yield key[0], actions(key[0], [decision])

    def _give_up_for_now(self, session: SessionId, order: OrderId) -> None:
        pending = self._pending.pop((session, order), None) or self._held.pop((session, order), None)
        if pending is not None and session not in self._over:
            self._unheard.setdefault(session, {})[order] = pending

    def _waits(self, session: SessionId) -> bool:
        return any(key[0] == session for waiting in (self._pending, self._held) for key in waiting)

    def _give_up(self, key: Key, pending: Pending, reason: str) -> None:
        session, name = key
        attempts = pending.decision.attempt
        if isinstance(name, int):
            self._pending.pop(key, None)
        else:
            self._give_up_for_now(session, name)
        given_up = GiveUp(name, attempts, reason) if isinstance(name, int) else GiveUpOrder(name, attempts, reason)
        self._line.observer.failed()
        self._line.supervisor.tell(ToSession(session, Ordered(given_up)))


def _decisions(entry: Entry) -> Iterator[Decision]:
    for version, event in enumerate(entry.events, start=entry.first_version):
        if isinstance(event, CHOICES):
            yield Decision(version, entry.at_us, event)


def _key(session: SessionId, decision: Decision) -> Key | None:
    """By what an answer names it; None for going on, which nobody answers."""
    event = decision.event
    if isinstance(event, ActionOrdered):
        return session, event.order
    return (session, event.seq) if event.action.carried_out else None

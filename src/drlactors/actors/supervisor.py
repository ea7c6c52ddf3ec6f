"""The supervisor: wakes the sessions that messages are for, restarts what breaks, buries what keeps breaking."""

import heapq
import operator
from itertools import count
from typing import Any, NamedTuple

from drlactors.actors.dispatched import DispatchedActor, Failure
from drlactors.actors.inference import InferenceActor
from drlactors.actors.line import Line
from drlactors.actors.messages import Arrived, Deliveries, Leave, Left, Ordered, Rebuild, Recalled, Ref, Tick, ToSession
from drlactors.actors.reach import SILENT_S
from drlactors.actors.session import Presence, SessionActor
from drlactors.actors.writer import WriterActor
from drlactors.codec import outbound
from drlactors.codec.inbound import Malformed, decode
from drlactors.domain.ids import SessionId, forget_names, reserved
from drlactors.domain.session import Lapse, Start
from drlactors.ports.bus import Delivery
from drlactors.ports.clock import by_monotonic_s
from drlactors.ports.log import LogUnreachable, Stream

#: How often idle and silent sessions are looked for: they have been so for seconds.
LOOK_EVERY_S = 1.0
#: A look that comes so late comes after a stop of this process, and not of its load.
LATE_S = 2 * LOOK_EVERY_S
#: So many sessions at least have left before the names of all are given back.
MOST_GONE = 256


class Ward(NamedTuple):
    """A session that is awake."""

    ref: Ref
    presence: Presence


class WriterFailed(Exception):
    """What owners have handed to the writer is neither stored nor refused, and they build on it: begin from the log."""


class SupervisorActor(DispatchedActor):
    """A session that breaks is read again from the log, after a pause that grows; a message that keeps breaking it is
    buried, and the session goes on."""

    turn = 256

    def __init__(self, line: Line) -> None:
        super().__init__(line.main)
        self._line = line
        self._wards: dict[SessionId, Ward] = {}
        self._heard_s: dict[SessionId, float] = {}  # of sessions that are not over, awake or asleep; oldest first
        self._failures: dict[int, int] = {}  # by sequence
        self._later: list[tuple[float, int, SessionId, Rebuild]] = []  # a heap, by when; the number breaks ties
        self._numbers = count()
        self._warned_s: dict[SessionId, float] = {}
        self._gone = 0  # sessions that left since the names at hand were given back
        self._looked_s = float("-inf")
        self._patient_until_s = float("-inf")
        self._log_silent = False
        self._reserved = reserved(line.instance, line.clock.now_us())

    def on_start(self) -> None:
        self._line.main.supervisor = self._line.commit.supervisor = self

    def on_receive(self, message: Any) -> None:
        match message:
            case Recalled(sessions):
                self._recall(sessions)
            case Deliveries(deliveries):
                for delivery in deliveries:
                    self._admit(delivery)
            case Left(stream):
                self._let_sleep(SessionId(stream.id))
            case ToSession(session, ordered):
                self._wake(session, new=False).ref.tell(ordered)
            case Tick():
                self._look_after()

    # What comes

    def _admit(self, delivery: Delivery) -> None:
        line = self._line
        try:
            inbound = decode(delivery.kind, delivery.session, delivery.data, line.limits.rules)
            if line.limits.known_sandboxes and inbound.sandbox not in line.limits.known_sandboxes:
                raise Malformed(f"sandbox {inbound.sandbox!r} is not known here")
        except Malformed as malformed:
            self._turn_away(delivery, str(malformed))
            return
        if inbound.defaulted:
            self._warn(delivery, inbound.defaulted)
        arrived = Arrived(
            delivery.sequence, delivery.kind, inbound.commands, delivery.traceparent, delivery, inbound.sandbox
        )
        ward = self._wards.get(delivery.session)
        if ward is None:
            first = inbound.commands[0]
            named = (delivery.session, first.episode) if isinstance(first, Start) else (delivery.session,)
            if not self._reserved.isdisjoint(named):
                self._turn_away(delivery, "this id belongs to the system itself")
                return
            # A start of a session that nobody here knows of is taken for the first: the log would refuse its append.
            ward = self._wake(delivery.session, new=isinstance(first, Start))
        ward.presence.busy = True
        self._hear(delivery.session)
        ward.ref.tell(arrived)

    def _turn_away(self, delivery: Delivery, reason: str) -> None:
        self._line.observer.dead_letter(reason)
        self._line.turn_away(delivery, reason)

    def _warn(self, delivery: Delivery, defaulted: tuple[str, ...]) -> None:
        """Count every field; tell the sandbox once a second: a broken sensor is broken in every window."""
        line = self._line
        for field in defaulted:
            line.observer.defaulted(field, 1)
        now_s = line.clock.monotonic_s()
        if now_s - self._warned_s.get(delivery.session, float("-inf")) >= 1.0:
            self._warned_s[delivery.session] = now_s
            warnings = [f"{field}: absurd value taken as missing" for field in sorted(set(defaulted))]
            line.bus.publish([(delivery.session, outbound.warning(delivery.session, warnings))])

    def _wake(self, session: SessionId, *, new: bool) -> Ward:
        ward = self._wards.get(session)
        if ward is None:
            presence = Presence()
            ward = self._wards[session] = Ward(SessionActor.start(self._line, session, presence, new=new), presence)
        return ward

    def _hear(self, session: SessionId) -> None:
        self._heard_s.pop(session, None)
        self._heard_s[session] = self._line.clock.monotonic_s()

    # The passing of time

    def _recall(self, sessions: dict[Stream, int]) -> None:
        """Sessions of an earlier run have been silent since their last entry."""
        clock = self._line.clock
        for stream, at_us in sorted(sessions.items(), key=operator.itemgetter(1)):
            self._heard_s[SessionId(stream.id)] = min(clock.monotonic_s(), by_monotonic_s(clock, at_us))

    def _look_after(self) -> None:
        limits, now_s = self._line.limits, self._line.clock.monotonic_s()
        for ward in self._wards.values():
            if ward.presence.holding:
                ward.ref.tell(Tick())
        while self._later and self._later[0][0] <= now_s:
            _, _, session, rebuild = heapq.heappop(self._later)
            self._wake(session, new=False).ref.tell(rebuild)
        if now_s - self._looked_s < LOOK_EVERY_S:
            return
        if not self._line.bus.listening or now_s - self._looked_s > max(limits.lost_after_s / 2, LATE_S):
            # Nobody was there to listen (a server is away, or this process was stopped): what the sandboxes sent
            # meanwhile is still to be delivered.
            self._patient_until_s = now_s + limits.lost_after_s / 2
        self._looked_s = now_s
        if self._line.reach.silent and not self._log_silent:
            self._line.observer.error(
                "log.unreachable", LogUnreachable(f"no answer for {SILENT_S:.0f} s, still waiting")
            )
        self._log_silent = self._line.reach.silent
        for session, ward in list(self._wards.items()):
            idle_s = now_s - self._heard_s.get(session, now_s)
            idle = not ward.presence.busy and not ward.presence.leaving
            if idle and (ward.presence.over or idle_s >= limits.idle_passivate_s) and not self._line.log_away:
                ward.ref.tell(Leave())
        for session, heard_s in list(self._heard_s.items()):
            silent_s = now_s - heard_s
            if silent_s < limits.lost_after_s or now_s < self._patient_until_s:
                break  # the rest was heard of later
            del self._heard_s[session]
            if not (session in self._wards and self._wards[session].presence.over):
                self._wake(session, new=False).ref.tell(Ordered(Lapse(silent_ms=int(silent_s * 1000))))
        if self._failures:
            through = self._line.ledger.through()
            self._failures = {sequence: times for sequence, times in self._failures.items() if sequence > through}
        if self._gone >= max(MOST_GONE, len(self._wards)):
            self._gone = 0
            forget_names()
        self._line.observer.sessions(len(self._wards), len(self._heard_s))

    def _let_sleep(self, session: SessionId) -> None:
        """All that it told the writer is stored; unless something has come for it, or come back, it leaves memory."""
        ward = self._wards.get(session)
        if ward is None or not ward.presence.leaving or not ward.ref.actor_inbox.empty():
            return
        del self._wards[session]
        self._gone += 1
        self._warned_s.pop(session, None)
        if ward.presence.over:
            self._heard_s.pop(session, None)
        ward.ref.stop(block=False)
        self._line.observer.sessions(len(self._wards), len(self._heard_s))

    # What breaks

    def failed(self, failure: Failure) -> None:
        """An actor could not handle a message: called by the dispatcher that it lives on, on its thread."""
        line = self._line
        line.observer.error("actor.failed", failure.error, actor=type(failure.actor).__name__)
        line.observer.restarted(type(failure.actor).__name__)
        if isinstance(failure.actor, InferenceActor):
            for rank in failure.message:
                rank.reply_to.tell(Rebuild(()))
        if isinstance(failure.actor, WriterActor):
            failure.actor.failed = True
            line.end(WriterFailed(f"the writer could not handle {len(failure.message)} messages: {failure.error!r}"))
        if not isinstance(failure.actor, SessionActor):
            return
        broke, again = failure.actor.give_up()
        times = 1
        if broke is not None:
            times += self._failures.pop(broke.sequence, 0)
            if times >= line.limits.failures_before_dead_letter:
                self._turn_away(broke.delivery, f"it broke the session {times} times: {failure.error!r}")
            else:
                self._failures[broke.sequence] = times
                again.append(broke)
        pause_s = min(line.limits.backoff_initial_s * 2 ** (times - 1), line.limits.backoff_max_s)
        due_s, rebuild = line.clock.monotonic_s() + pause_s, Rebuild(tuple(again))
        heapq.heappush(self._later, (due_s, next(self._numbers), failure.actor.session, rebuild))

"""The reviewer: opens a review for each question to a person, keeps its deadline, and carries out what is answered."""

import math
from collections import deque
from typing import Any, NamedTuple

from drlactors.actors.coordinator import NAME as COORDINATED
from drlactors.actors.dispatched import DispatchedActor
from drlactors.actors.line import Line
from drlactors.actors.messages import (
    Committed,
    Left,
    Load,
    Loaded,
    Ordered,
    Reopened,
    Stale,
    Store,
    Tick,
    ToSession,
    Unloadable,
)
from drlactors.domain import episode, review, session
from drlactors.domain.action import Action
from drlactors.domain.errors import Refused
from drlactors.domain.guard import Reason
from drlactors.domain.ids import EpisodeId, OrderId, ReviewId, SessionId, review_of
from drlactors.domain.order import ActionOrdered
from drlactors.domain.review import DECIDER, INITIAL, Close, Command, Lapse, Open, State
from drlactors.domain.session import ActionSelected, ActionWithheld, Ended, SessionLost
from drlactors.ports.clock import by_monotonic_s
from drlactors.ports.log import Append, Category, Entry, Event, Stream

#: The name under which the log remembers up to which position every question has its review.
NAME = "reviewed"
#: Answers come from other processes: so many reviews are looked at in each tick, in turn.
LOOK_AT = 8
#: An order that its session has not taken is given again after this: a session that was broken may have lost it.
AGAIN_S = 2.0


class Asked(NamedTuple):
    """A question as the log has it."""

    position: int
    at_us: int
    session: SessionId
    seq: int
    proposed: Action | None  # the action that needs a person's consent


class Case:
    """A review that is not closed."""

    __slots__ = (
        "asked",
        "corrected",
        "due_s",
        "given",
        "known",
        "ordered",
        "over",
        "review",
        "state",
        "version",
        "waits",
    )

    def __init__(self, review: ReviewId, asked: Asked | None) -> None:
        self.review = review
        self.asked = asked  # None: it was opened before this run
        self.state: State = INITIAL
        self.version = 0
        self.due_s = math.inf  # its deadline; a clock that is set anew does not move it while we run
        self.known: session.Started | None = None  # its session's
        self.over = False  # its session
        self.ordered: set[OrderId] = set()  # what its session was told
        self.corrected = False  # its episode
        self.given: tuple[OrderId, float] | None = None  # the newest order, and when
        self.waits = False  # for the log


class ReviewerActor(DispatchedActor):
    """Does the next thing that is missing for each review; all of it is idempotent, and after a crash is done again."""

    def __init__(self, line: Line) -> None:
        super().__init__(line.main)
        self._line = line
        self._cases: dict[ReviewId, Case] = {}
        self._in_turn: deque[ReviewId] = deque()
        self._about: dict[Stream, list[Case]] = {}  # whom an entry of a stream concerns
        # A log that is older than reviews is not asked about its past.
        self._seen = line.log.position(NAME) or line.log.position(COORDINATED)
        line.followers[NAME] = self.through

    def through(self) -> int:
        """The log position up to which every question has its review. Called by the writer's thread as well."""
        unopened = [case.asked.position for case in self._cases.copy().values() if case.asked is not None]
        return min(unopened, default=self._seen + 1) - 1

    def on_receive(self, message: Any) -> None:
        match message:
            case Committed(entries):
                for entry in entries:
                    if entry.position > self._seen:
                        self._hear(entry)
                        self._seen = entry.position
            case Reopened(streams):
                for stream in streams:
                    self._take_up(Case(ReviewId(stream.id), None))
            case Tick():
                self._look()
            case Loaded(stream) | Unloadable(stream) | Stale(stream):
                for case in self._concerned(stream):
                    self._answered(case, message)

    # What the log says

    def _hear(self, entry: Entry) -> None:
        if entry.stream.category is Category.SESSION:
            session_id = SessionId(entry.stream.id)
            proposed: Action | None = None
            for chosen in entry.of_session:
                if isinstance(chosen, ActionWithheld):
                    proposed = chosen.action if chosen.reason is Reason.CONSENT else None
                elif isinstance(chosen, ActionSelected):
                    if chosen.action is Action.REVIEW:
                        asked = Asked(entry.position, entry.at_us, session_id, chosen.seq, proposed)
                        self._take_up(Case(review_of(session_id, chosen.seq), asked))
                    proposed = None
        for case in self._concerned(entry.stream):
            for event in entry.events:
                self._learn(case, event)
            if entry.stream.category is Category.REVIEW:
                self._fold(case, entry)
                case.waits = False
            self._advance(case)

    def _learn(self, case: Case, event: Event) -> None:
        match event:
            case Ended() | SessionLost():
                case.over = True
            case ActionOrdered(order=order):
                case.ordered.add(order)
            case session.Started():
                case.known = event
            case episode.VerdictCorrected():
                if _same(event, review.correction(case.state)):
                    case.corrected, case.waits = True, False

    def _fold(self, case: Case, entry: Entry) -> None:
        if entry.first_version == case.version + 1:
            case.state, case.version = DECIDER.fold(entry.of_review, case.state), entry.version
            if case.state.opened is not None and case.due_s == math.inf:
                case.asked = None
                case.due_s = by_monotonic_s(self._line.clock, case.state.opened.deadline_us)

    def _concerned(self, stream: Stream) -> list[Case]:
        return list(self._about.get(stream, ()))

    def _answered(self, case: Case, answer: Loaded | Unloadable | Stale) -> None:
        case.waits = False
        match answer:
            case Stale(stream):
                self._load(case, stream)
                return
            case Unloadable(stream, reason):
                self._line.observer.note("review.unreadable", review=str(case.review), stream=str(stream), why=reason)
                self._drop(case)
                return
            case Loaded(stream, state, _, entries) if stream.category is Category.SESSION:
                lived = session.DECIDER.initial if state is None else state
                for entry in entries:
                    lived = session.DECIDER.fold(entry.of_session, lived)
                case.known = lived.started
                case.over = lived.over
                case.ordered |= {given.order for given in lived.response.orders}
            case Loaded(stream, _, _, entries) if stream.category is Category.EPISODE:
                self._correct(case, entries)
                return
            case Loaded(_, _, _, entries):
                for entry in entries:
                    self._fold(case, entry)
                if case.state.opened is None and case.asked is None:
                    self._drop(case)
                    return
        self._advance(case)

    # What is missing

    def _take_up(self, case: Case) -> None:
        if case.review not in self._cases:
            self._cases[case.review] = case
            self._in_turn.append(case.review)
            self._load(case, Stream(Category.REVIEW, case.review))

    def _advance(self, case: Case) -> None:
        """Begin with the first thing that is missing; the rest follows when that is in the log."""
        state = case.state
        if case.waits:
            return
        if state.closed:
            self._drop(case)
        elif case.known is None:
            self._load(case, _session(case))
        elif state.opened is None:
            self._decide(case, self._question(case, case.known))
        elif state.decided is None and state.lapsed is None:
            if self._line.clock.monotonic_s() >= case.due_s:
                self._decide(case, Lapse())
        elif review.correction(state) is not None and not case.corrected:
            self._load(case, _episode(case))
        elif not case.over and not self._has_order(case):
            self._give_order(case)
        elif case.over or state.decided is not None:
            self._decide(case, Close())

    def _question(self, case: Case, known: session.Started) -> Open:
        asked, limits = case.asked, self._line.limits
        assert asked is not None
        deadline_us = asked.at_us + round(limits.review_deadline_s * 1e6)
        return Open(
            asked.session, asked.seq, known.episode, known.artifact, asked.proposed, deadline_us, limits.review_default
        )

    def _decide(self, case: Case, command: Command) -> None:
        events = DECIDER.decide(command, case.state)
        if events:
            self._store(case, Append(Stream(Category.REVIEW, case.review), case.version, events, 0, ""))

    def _correct(self, case: Case, entries: list[Entry]) -> None:
        """Relabel; what the person said may have been superseded since, and is then not said again."""
        command = review.correction(case.state)
        events = [event for entry in entries for event in entry.of_episode]
        if command is None or any(_same(event, command) for event in events):
            case.corrected = True
            self._advance(case)
            return
        try:
            decided = episode.DECIDER.decide(command, episode.DECIDER.fold(events))
        except Refused as refusal:
            self._line.observer.note("review.uncorrected", review=str(case.review), why=str(refusal))
            case.corrected = True
            self._advance(case)
            return
        self._store(case, Append(_episode(case), sum(len(entry.events) for entry in entries), decided, 0, ""))

    def _has_order(self, case: Case) -> bool:
        order = review.order(case.review, case.state)
        return order is None or order.order in case.ordered

    def _give_order(self, case: Case) -> None:
        now_s = self._line.clock.monotonic_s()
        order = review.order(case.review, case.state)
        assert order is not None
        if case.given is None or case.given[0] != order.order or now_s - case.given[1] >= AGAIN_S:
            case.given = order.order, now_s
            self._line.supervisor.tell(ToSession(SessionId(_session(case).id), Ordered(order)))

    def _look(self) -> None:
        """Deadlines that have passed, and answers that other processes wrote down."""
        for case in list(self._cases.values()):
            self._advance(case)
        for _ in range(min(LOOK_AT, len(self._in_turn))):
            self._in_turn.rotate(-1)
            case = self._cases[self._in_turn[-1]]
            if not case.waits and case.state.opened is not None and case.state.decided is None:
                self._load(case, Stream(Category.REVIEW, case.review))

    # The log

    def _load(self, case: Case, stream: Stream) -> None:
        case.waits = True
        concerned = self._about.setdefault(stream, [])
        if case not in concerned:
            concerned.append(case)
        self._line.writer.tell(Load(self.actor_ref, stream))

    def _store(self, case: Case, append: Append) -> None:
        case.waits = True
        stamped = append._replace(at_us=self._line.clock.now_us(), causation=f"review:{case.review}")
        self._line.writer.tell(Store(self.actor_ref, stamped, (), 0, acts=True))

    def _drop(self, case: Case) -> None:
        del self._cases[case.review]
        self._in_turn.remove(case.review)
        for stream in [stream for stream, concerned in self._about.items() if case in concerned]:
            self._about[stream].remove(case)
            if not self._about[stream]:
                del self._about[stream]
        self._line.writer.tell(Left(Stream(Category.REVIEW, case.review)))


def _same(event: episode.Event, command: episode.Correct | None) -> bool:
    return isinstance(event, episode.VerdictCorrected) and command is not None and tuple(event) == tuple(command)


def _session(case: Case) -> Stream:
    about = case.state.opened or case.asked
    assert about is not None
    return Stream(Category.SESSION, about.session)


def _episode(case: Case) -> Stream:
    about = case.known or case.state.opened
    assert about is not None
    return Stream(Category.EPISODE, EpisodeId(about.episode))

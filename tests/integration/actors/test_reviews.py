"""Reviews on a running line: opened, answered, lapsed, and found again after a restart."""

from threading import Thread
from uuid import UUID

import pytest

from drlactors.actors.dispatcher import NAME as DISPATCHED
from drlactors.actors.messages import Tick
from drlactors.cli.reviews import answer
from drlactors.codec import sandbox as wire
from drlactors.domain import episode, review
from drlactors.domain.action import Action
from drlactors.domain.errors import AlreadyDecided
from drlactors.domain.ids import ReviewId, review_of
from drlactors.domain.order import ActionOrdered, OrderAnswered, OrderFailed
from drlactors.domain.review import Decide, ReviewClosed, ReviewDecided, ReviewLapsed, ReviewOpened, Ruling
from drlactors.domain.session import ActionSelected, EndReason, Outcome
from drlactors.ports.bus import Kind
from drlactors.ports.log import Append, Category, Entry, Stream
from drlactors.sandboxes.sdk import Done, Instruction, Session
from drlactors.testing.given import ARTIFACT, window
from tests.integration.actors.test_line import LIMITS, Plane, Shaky, running, until

#: What the rules are unsure about: they ask.
CONNECTIONS = 1000


def ask(plane: Plane) -> tuple[Session, ReviewId]:
    """A session in whose first window the policy asks a person."""
    session = plane.open()
    session.send([window(0, network_connections=CONNECTIONS)])
    question = review_of(session.id, 0)
    until(lambda: happened(plane, question), "the review is opened")
    return session, question


def entries(plane: Plane, category: Category, id_: UUID) -> list[Entry]:
    return list(plane.log.stream(Stream(category, id_)))


def happened(plane: Plane, question: ReviewId) -> list[review.Event]:
    return [event for entry in entries(plane, Category.REVIEW, question) for event in entry.of_review]


def kinds(plane: Plane, question: ReviewId) -> list[type]:
    return [type(event) for event in happened(plane, question)]


def decide(plane: Plane, question: ReviewId, ruling: Ruling, who: str = "ann") -> None:
    """As the command does it, from another process, less that it relabels at once."""
    answer(plane.log, Stream(Category.REVIEW, question), Decide(ruling, who, "seen it before"), 1)


def orders(plane: Plane, session: Session) -> list[ActionOrdered]:
    return [event for event in plane.events(session.id) if isinstance(event, ActionOrdered)]


def corrections(plane: Plane) -> list[episode.VerdictCorrected]:
    found = plane.log.read(0, 10_000)
    return [event for entry in found for event in entry.events if isinstance(event, episode.VerdictCorrected)]


@pytest.mark.parametrize(
    ("ruling", "action", "verdict"),
    [
        (Ruling.TERMINATE, Action.TERMINATE, episode.Verdict.MALICIOUS),
        (Ruling.QUARANTINE, Action.QUARANTINE, episode.Verdict.MALICIOUS),
        (Ruling.RELEASE, Action.CONTINUE, episode.Verdict.BENIGN),
    ],
)
def test_an_answer_reaches_the_sandbox_and_relabels(ruling: Ruling, action: Action, verdict: episode.Verdict) -> None:
    with running() as plane:
        session, question = ask(plane)
        decide(plane, question, ruling)
        until(lambda: kinds(plane, question)[-1] is ReviewClosed, "all that follows is done")
        (ordered,) = orders(plane, session)
        assert (ordered.action, ordered.policy, ordered.why) == (action, "person:ann", "seen it before")
        until(lambda: plane.carried == [Action.REVIEW, action], "the sandbox does it")
        until(lambda: isinstance(plane.events(session.id)[-1], OrderAnswered), "its answer is recorded")
        assert [(one.verdict, one.who) for one in corrections(plane)] == [(verdict, "ann")]


def test_the_default_is_carried_out_when_nobody_answers_and_relabels_nothing() -> None:
    with running(LIMITS._replace(review_default=Ruling.TERMINATE)) as plane:
        session, question = ask(plane)
        plane.clock.seconds += 59
        assert kinds(plane, question) == [ReviewOpened]
        plane.clock.seconds += 2
        until(lambda: plane.carried == [Action.REVIEW, Action.TERMINATE], "the default reaches the sandbox")
        assert [one.policy for one in orders(plane, session)] == ["default"]
        assert kinds(plane, question) == [ReviewOpened, ReviewLapsed]
        session.end(EndReason.TERMINATED)
        until(lambda: kinds(plane, question)[-1] is ReviewClosed, "nobody can be told anything any more")
        assert corrections(plane) == []


def test_a_late_answer_is_recorded_overrules_the_default_and_relabels() -> None:
    with running() as plane:
        session, question = ask(plane)
        plane.clock.seconds += 61
        until(lambda: plane.carried == [Action.REVIEW, Action.CONTINUE], "the default reaches the sandbox")
        decide(plane, question, Ruling.TERMINATE)
        until(lambda: plane.carried[-1] is Action.TERMINATE, "the answer does, too")
        until(lambda: kinds(plane, question)[-1] is ReviewClosed, "all that follows is done")
        (decided,) = [event for event in happened(plane, question) if isinstance(event, ReviewDecided)]
        assert decided.late
        assert [one.policy for one in orders(plane, session)] == ["default", "person:ann"]
        assert len(corrections(plane)) == 1


def test_an_answer_for_a_session_that_is_over_only_relabels() -> None:
    with running() as plane:
        session, question = ask(plane)
        session.report(Outcome.BENIGN)
        session.end(EndReason.FINISHED)
        until(lambda: plane.line.supervisor and len(plane.log.open_sessions()) == 0, "it is over")
        decide(plane, question, Ruling.TERMINATE)
        until(lambda: kinds(plane, question)[-1] is ReviewClosed, "all that follows is done")
        assert orders(plane, session) == []
        assert [one.verdict for one in corrections(plane)] == [episode.Verdict.MALICIOUS]


def test_a_deadline_survives_a_restart() -> None:
    with running() as before:
        session, question = ask(before)
    before.clock.seconds += 61
    with running(LIMITS._replace(review_deadline_s=10_000), log=before.log, clock=before.clock) as plane:
        until(lambda: kinds(plane, question)[:2] == [ReviewOpened, ReviewLapsed], "the deadline it was opened with")
        until(lambda: orders(plane, session), "the default is ordered")


@pytest.mark.parametrize("set_ahead_s", [7200.0, -900.0])
def test_a_clock_that_is_set_anew_moves_no_deadline(set_ahead_s: float) -> None:
    with running() as plane:
        session, question = ask(plane)
        ask(plane)  # the first one is known by now
        plane.clock.set_ahead_s = set_ahead_s
        plane.clock.seconds += 59
        plane.line.reviewer.tell(Tick())
        ask(plane)  # whatever the time brought about comes before this
        assert kinds(plane, question) == [ReviewOpened]
        plane.clock.seconds += 2
        until(lambda: kinds(plane, question) == [ReviewOpened, ReviewLapsed], "the time is up")
        session.end(EndReason.FINISHED)


def test_two_persons_who_answer_at_once_give_one_answer() -> None:
    with running() as plane:
        _, question = ask(plane)
        refused: list[str] = []

        def say(who: str, ruling: Ruling) -> None:
            try:
                decide(plane, question, ruling, who)
            except AlreadyDecided:
                refused.append(who)

        said = [
            ("ann", Ruling.TERMINATE),
            ("bob", Ruling.RELEASE),
            ("eve", Ruling.QUARANTINE),
            ("dan", Ruling.CONTINUE),
        ]
        persons = [Thread(target=say, args=one) for one in said]
        for person in persons:
            person.start()
        for person in persons:
            person.join()
        (decided,) = [event for event in happened(plane, question) if isinstance(event, ReviewDecided)]
        assert sorted([decided.who, *refused]) == ["ann", "bob", "dan", "eve"]


def test_an_answer_given_while_the_system_was_down_is_carried_out_when_it_is_up() -> None:
    with running() as before:
        session, question = ask(before)
    decide(before, question, Ruling.TERMINATE)
    with running(log=before.log, clock=before.clock) as plane:
        until(lambda: kinds(plane, question)[-1] is ReviewClosed, "all that follows is done")
        assert [one.action for one in orders(plane, session)] == [Action.TERMINATE]
        assert len(corrections(plane)) == 1
    with running(log=before.log, clock=before.clock) as again:
        ask(again)
        assert len(orders(again, session)) == 1


def test_what_a_person_corrected_after_the_answer_stands() -> None:
    with running() as before:
        _, question = ask(before)
    decide(before, question, Ruling.TERMINATE)
    (entry,) = [entry for entry in before.log.read(0, 1000) if entry.stream.category is Category.EPISODE]
    ann = episode.VerdictCorrected(episode.Verdict.MALICIOUS, "ann", "seen it before")
    ben = episode.VerdictCorrected(episode.Verdict.BENIGN, "ben", "no, look")
    assert before.log.append([Append(entry.stream, 1, (ann, ben), 1, "by hand")]) != [None]
    with running(log=before.log, clock=before.clock) as plane:
        until(lambda: kinds(plane, question)[-1] is ReviewClosed, "all that follows is done")
        assert corrections(plane) == [ann, ben]


def test_wherever_the_system_is_killed_each_step_is_done_once() -> None:
    """From every beginning of a log that an answered review leaves, another run comes to the same end."""
    with running() as whole:
        session, question = ask(whole)
        decide(whole, question, Ruling.TERMINATE)
        until(lambda: kinds(whole, question)[-1] is ReviewClosed, "all that follows is done")
        until(lambda: whole.carried[-1] is Action.TERMINATE, "the sandbox does it")
    lived = whole.log.read(0, 1000)
    asked = next(n for n, entry in enumerate(lived) if any(isinstance(one, ActionSelected) for one in entry.events))
    for cut in range(asked + 1, len(lived) + 1):
        log = Shaky()
        log.append([Append(entry.stream, entry.first_version - 1, *entry[3:]) for entry in lived[:cut]])
        with running(log=log, clock=whole.clock) as plane:
            until(lambda: happened(plane, question), "the review is opened")
            if ReviewDecided not in kinds(plane, question):
                decide(plane, question, Ruling.TERMINATE)
            until(lambda: kinds(plane, question)[-1] is ReviewClosed, "all that follows is done")
            assert kinds(plane, question) == [ReviewOpened, ReviewDecided, ReviewClosed]
            assert [one.action for one in orders(plane, session)] == [Action.TERMINATE]
            assert [one.who for one in corrections(plane)] == ["ann"]


def test_an_answer_that_a_sandbox_missed_comes_when_it_is_back() -> None:
    with running() as plane:
        session, question = ask(plane)
        session.leave()
        decide(plane, question, Ruling.TERMINATE)

        def given_up() -> bool:
            plane.clock.seconds += 0.2
            return any(isinstance(event, OrderFailed) for event in plane.events(session.id))

        until(given_up, "nobody answers for too long")
        until(lambda: kinds(plane, question)[-1] is ReviewClosed, "the review is over")

        def carry(instruction: Instruction) -> Done:
            plane.carried.append(instruction.action)
            return Done()

        back = plane.host.start(ARTIFACT, carry, session=session.id)
        back.send([window(1)])
        until(lambda: plane.carried[-1] is Action.TERMINATE, "it hears the answer")
        until(lambda: isinstance(plane.events(session.id)[-1], OrderAnswered), "its answer is recorded")
        log, clock = plane.log, plane.clock
    with running(log=log, clock=clock) as again:
        again.open()
        assert plane.carried == [Action.REVIEW, Action.TERMINATE]


def test_an_answer_that_nobody_is_left_to_hear_is_not_kept() -> None:
    with running() as plane:
        session, question = ask(plane)
        session.leave()
        decide(plane, question, Ruling.TERMINATE)
        until(lambda: orders(plane, session), "it is ordered")
        link = plane.bus.link()
        link.send(Kind.EPISODE, session.id, wire.end(session.id, "sandbox-1", EndReason.FINISHED))

        def given_up() -> bool:
            plane.clock.seconds += 0.2
            return any(isinstance(event, OrderFailed) for event in plane.events(session.id))

        until(given_up, "nobody answers for too long")
        until(lambda: plane.line.followers[DISPATCHED]() == plane.log.head(), "nothing of it waits")

"""Guards on a running line: limits over all sessions, switched while it runs, kept over a restart."""

from typing import Any
from uuid import UUID

import pytest

from drlactors.cli.replaying import Verification, Verifier
from drlactors.domain.action import Action
from drlactors.domain.exploration import BY_CHANCE
from drlactors.domain.guard import Guards, Reason
from drlactors.domain.ids import SessionId, review_of
from drlactors.domain.order import ActionOrdered, OrderAnswered, Undone
from drlactors.domain.permission import best
from drlactors.domain.review import ReviewOpened, Ruling
from drlactors.domain.session import DECIDER, ActionSelected, ActionWithheld, EndReason
from drlactors.domain.telemetry import Window
from drlactors.inference import RulePolicy
from drlactors.ports.log import Category
from drlactors.sandboxes.sdk import Session
from drlactors.testing.given import RULES, window
from tests.integration.actors.test_line import LIMITS, SINISTER, Plane, running, until
from tests.integration.actors.test_reviews import decide, happened


def provoke(plane: Plane, windows: int = 6, id_: SessionId | None = None) -> Session:
    """A session that the rules isolate, and then kill."""
    session = plane.open(session=id_)
    for seq in range(windows):
        session.send([Window(seq, 250, 1, SINISTER)])
    assert session.wait_answered(10)
    until(lambda: not DECIDER.fold(plane.events(session.id)).response.pending, "the sandbox has done it all")
    return session


def reasons(plane: Plane, session: Session) -> set[Reason]:
    return {event.reason for event in plane.events(session.id) if isinstance(event, ActionWithheld)}


def chosen(plane: Plane, session: Session) -> set[Action]:
    return {event.action for event in plane.events(session.id) if isinstance(event, ActionSelected)}


def guarded(**guards: object) -> Guards:
    return Guards(**guards)  # type: ignore[arg-type]  # each test names what it is about


def test_a_monitored_action_is_recorded_and_going_on_is_sent() -> None:
    everything = frozenset(action for action in Action if action.carried_out)
    with running(LIMITS._replace(guards=guarded(monitored=everything))) as plane:
        session = provoke(plane)
        assert chosen(plane, session) == {Action.CONTINUE}
        assert reasons(plane, session) == {Reason.MONITORED}
        assert plane.carried == []


def test_enforcing_is_switched_on_while_it_runs() -> None:
    with running(LIMITS._replace(guards=guarded(monitored=frozenset({Action.TERMINATE})))) as plane:
        session = provoke(plane)
        assert Action.TERMINATE not in chosen(plane, session)
        plane.line.limits = LIMITS
        session.send([Window(6, 250, 1, SINISTER)])
        until(lambda: Action.TERMINATE in plane.carried, "it is enforced")


def test_a_limit_counts_all_sessions_and_survives_a_restart() -> None:
    limits = LIMITS._replace(guards=guarded(terminate_per_hour=2, quarantine_per_hour=1))
    with running(limits) as before:
        sessions = [provoke(before) for _ in range(5)]
        finals = [action for one in sessions for action in chosen(before, one) if action.irreversible]
        assert sorted(finals) == [Action.TERMINATE, Action.TERMINATE, Action.QUARANTINE]
        assert reasons(before, sessions[-1]) == {Reason.PER_HOUR}

        def counted() -> int:
            found = [entry for entry in before.log.read(0, 1000) if entry.stream.category is Category.GUARD]
            return sum(len(entry.events) for entry in found)

        until(lambda: counted() == 3, "they are written down")
    with running(limits, log=before.log, clock=before.clock) as plane:
        assert not any(action.irreversible for action in chosen(plane, provoke(plane)))
        plane.clock.seconds += 3601
        assert any(action.irreversible for action in chosen(plane, provoke(plane)))


def test_a_row_is_broken_by_a_session_that_ends_untouched() -> None:
    with running(LIMITS._replace(guards=guarded(in_a_row=1))) as plane:
        first, second = provoke(plane), provoke(plane)
        assert Action.TERMINATE in chosen(plane, first)
        assert reasons(plane, second) == {Reason.IN_A_ROW}
        second.end(EndReason.FINISHED)
        until(lambda: len(plane.log.open_sessions()) == 1, "it is over")
        assert Action.TERMINATE in chosen(plane, provoke(plane))


def test_an_ignored_artifact_is_never_acted_upon() -> None:
    with running(LIMITS._replace(guards=guarded(ignored_artifacts=frozenset({"ab" * 32})))) as plane:
        session = provoke(plane)
        assert chosen(plane, session) == {Action.CONTINUE}
        assert reasons(plane, session) == {Reason.IGNORED_ARTIFACT}


def test_what_needs_consent_is_done_once_a_person_agrees() -> None:
    with running(LIMITS._replace(guards=guarded(consent=frozenset({Action.TERMINATE, Action.QUARANTINE})))) as plane:
        session = provoke(plane)
        assert Action.TERMINATE not in chosen(plane, session)
        asked = next(
            event.seq
            for event in plane.events(session.id)
            if isinstance(event, ActionSelected) and event.action is Action.REVIEW
        )
        question = review_of(session.id, asked)
        until(lambda: happened(plane, question), "a review is opened")
        (opened,) = happened(plane, question)
        assert isinstance(opened, ReviewOpened)
        assert opened.proposed is Action.TERMINATE
        decide(plane, question, Ruling.TERMINATE)
        until(lambda: plane.carried[-1] is Action.TERMINATE, "it is done")


def test_isolation_is_taken_back_in_the_sandbox_when_its_lease_is_over() -> None:
    with running(LIMITS._replace(guards=guarded(isolation_lease_ms=1000))) as plane:
        session = plane.open()
        session.send([Window(0, 250, 1, SINISTER)])
        until(lambda: Action.ISOLATE in plane.carried, "it is isolated")
        for seq in range(1, 8):
            session.send([window(seq)])
        until(lambda: plane.carried == [Action.ISOLATE, Action.CONTINUE], "it is taken back")
        until(lambda: isinstance(plane.events(session.id)[-1], OrderAnswered), "the sandbox says so")
        (ordered,) = [event for event in plane.events(session.id) if isinstance(event, ActionOrdered)]
        assert ordered.undoes == Undone(0, Action.ISOLATE)


def test_decisions_under_guards_are_reached_again() -> None:
    guards = guarded(monitored=frozenset({Action.TERMINATE}), quarantine_per_hour=1, isolation_lease_ms=500)
    with running(LIMITS._replace(guards=guards)) as plane:
        for _ in range(3):
            provoke(plane, windows=12)
        found = verified(plane)
        assert (found.decisions, found.differences, found.clean) == (36, [], True)


def verified(plane: Plane) -> Verification:
    rules = RulePolicy(plane.line.schema)
    verifier = Verifier({rules.info.id: rules}, plane.line.schema)
    verifier.read(plane.log.read(0, 10_000))
    return verifier.finish()


def explored(plane: Plane, sessions: int) -> list[ActionSelected]:
    """What was chosen in sessions of known ids: their draws are the same each time."""
    lived = [provoke(plane, windows=12, id_=SessionId(UUID(int=number))) for number in range(1, sessions + 1)]
    return [event for one in lived for event in plane.events(one.id) if isinstance(event, ActionSelected)]


def test_what_is_tried_by_chance_is_recorded_with_its_chance_and_reached_again() -> None:
    limits = LIMITS._replace(rules=RULES._replace(exploration=0.4), guards=guarded(terminate_per_hour=10))
    with running(limits) as plane:
        events = explored(plane, sessions=30)
        tried = [event for event in events if event.action is not best(event.values, event.mask)]
        assert {event.action for event in tried} == {Action.CONTINUE, Action.ISOLATE}
        assert {event.propensity for event in tried} <= {0.2, 0.4}  # of two that may be tried, or of one
        assert all(event.because == (BY_CHANCE,) for event in tried if event.action is Action.ISOLATE)
        assert {round(event.propensity, 9) for event in events if event.action.irreversible} == {0.6}
        found = verified(plane)
        assert (found.decisions, found.differences, found.clean) == (len(events), [], True)


def test_where_guards_ignore_a_session_nothing_is_tried() -> None:
    guards = guarded(ignored_artifacts=frozenset({"ab" * 32}))
    with running(LIMITS._replace(rules=RULES._replace(exploration=0.4), guards=guards)) as plane:
        events = explored(plane, sessions=5)
        assert {(event.action, event.propensity) for event in events} == {(Action.CONTINUE, 1.0)}
        assert verified(plane).clean


@pytest.mark.parametrize("changed", [{"propensity": 0.3}, {"action": Action.REVIEW}])
def test_a_choice_by_chance_that_was_changed_is_not_reached_again(changed: dict[str, Any]) -> None:
    with running(LIMITS._replace(rules=RULES._replace(exploration=0.4))) as plane:
        explored(plane, sessions=5)
        rules = RulePolicy(plane.line.schema)
        verifier = Verifier({rules.info.id: rules}, plane.line.schema)
        for entry in plane.log.read(0, 10_000):
            forged = [
                event._replace(**changed) if isinstance(event, ActionSelected) and event.propensity < 1 else event
                for event in entry.events
            ]
            verifier.read([entry._replace(events=tuple(forged))])
        assert verifier.finish().differences

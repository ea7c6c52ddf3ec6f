"""What becomes of a question to a person, and what follows from the answer."""

from uuid import UUID

import pytest

from drlactors.domain.action import Action
from drlactors.domain.episode import Correct, Verdict
from drlactors.domain.errors import AlreadyDecided, NoReview, NotDecided, ReasonMissing
from drlactors.domain.ids import ReviewId, SessionId, order_of
from drlactors.domain.order import Undone
from drlactors.domain.review import (
    DECIDER,
    Close,
    Command,
    Decide,
    Event,
    Lapse,
    Open,
    ReviewClosed,
    ReviewDecided,
    ReviewLapsed,
    ReviewOpened,
    Ruling,
    correction,
    order,
)
from drlactors.testing.given import ARTIFACT, EPISODE

OPEN = Open(SessionId(UUID(int=3)), 7, EPISODE, ARTIFACT, None, 1_000_000, Ruling.TERMINATE)
OPENED = ReviewOpened(*OPEN)
LAPSED = ReviewLapsed(Ruling.TERMINATE)
REVIEW = ReviewId(UUID(int=9))


def when(command: Command, *given: Event) -> tuple[Event, ...]:
    return DECIDER.decide(command, DECIDER.fold(given))


def decided(ruling: Ruling, *, late: bool = False) -> ReviewDecided:
    return ReviewDecided(ruling, "ann", "seen it before", late)


def decide(ruling: Ruling, why: str = "seen it before") -> Decide:
    return Decide(ruling, "ann", why)


def test_a_question_is_opened_once() -> None:
    assert when(OPEN) == (OPENED,)
    assert when(OPEN._replace(deadline_us=5), OPENED) == ()


def test_a_person_decides_once_and_says_why() -> None:
    assert when(decide(Ruling.RELEASE), OPENED) == (decided(Ruling.RELEASE),)
    assert when(decide(Ruling.RELEASE), OPENED, decided(Ruling.RELEASE)) == ()
    with pytest.raises(AlreadyDecided):
        when(decide(Ruling.TERMINATE), OPENED, decided(Ruling.RELEASE))
    with pytest.raises(ReasonMissing):
        when(decide(Ruling.RELEASE, why=" "), OPENED)


def test_nobody_decides_what_was_not_asked() -> None:
    for command in (decide(Ruling.RELEASE), Lapse(), Close()):
        with pytest.raises(NoReview):
            when(command)


def test_the_default_stands_when_the_deadline_has_passed() -> None:
    assert when(Lapse(), OPENED) == (LAPSED,)
    assert when(Lapse(), OPENED, LAPSED) == ()
    assert when(Lapse(), OPENED, decided(Ruling.RELEASE)) == ()


def test_a_late_answer_is_recorded_as_late() -> None:
    assert when(decide(Ruling.RELEASE), OPENED, LAPSED) == (decided(Ruling.RELEASE, late=True),)
    assert when(decide(Ruling.RELEASE), OPENED, LAPSED, ReviewClosed()) == (decided(Ruling.RELEASE, late=True),)


def test_only_what_was_answered_is_closed() -> None:
    with pytest.raises(NotDecided):
        when(Close(), OPENED)
    assert when(Close(), OPENED, LAPSED) == (ReviewClosed(),)
    assert when(Close(), OPENED, decided(Ruling.RELEASE)) == (ReviewClosed(),)
    assert when(Close(), OPENED, LAPSED, ReviewClosed()) == ()


@pytest.mark.parametrize(
    ("ruling", "action", "verdict", "releases"),
    [
        (Ruling.CONTINUE, Action.CONTINUE, None, False),
        (Ruling.RELEASE, Action.CONTINUE, Verdict.BENIGN, True),
        (Ruling.TERMINATE, Action.TERMINATE, Verdict.MALICIOUS, False),
        (Ruling.QUARANTINE, Action.QUARANTINE, Verdict.MALICIOUS, False),
    ],
)
def test_what_follows_from_a_ruling(ruling: Ruling, action: Action, verdict: Verdict | None, releases: bool) -> None:
    state = DECIDER.fold([OPENED, decided(ruling)])
    given = order(REVIEW, state)
    assert given is not None
    assert (given.action, given.releases, given.policy) == (action, releases, "person:ann")
    assert given.undoes == (Undone(7, Action.REVIEW) if action is Action.CONTINUE else None)
    assert correction(state) == (None if verdict is None else Correct(verdict, "ann", "seen it before"))


def test_a_default_orders_and_says_nothing_of_the_sample() -> None:
    state = DECIDER.fold([OPENED, LAPSED])
    given = order(REVIEW, state)
    assert given is not None
    assert (given.action, given.policy) == (Action.TERMINATE, "default")
    assert correction(state) is None


def test_an_answer_after_the_default_is_another_order() -> None:
    before, after = DECIDER.fold([OPENED, LAPSED]), DECIDER.fold([OPENED, LAPSED, decided(Ruling.RELEASE, late=True)])
    first, second = order(REVIEW, before), order(REVIEW, after)
    assert first is not None
    assert second is not None
    assert (first.order, second.order) == (order_of(REVIEW, "lapsed"), order_of(REVIEW, "decided")), "as in the log"
    assert order(REVIEW, DECIDER.fold([OPENED])) is None

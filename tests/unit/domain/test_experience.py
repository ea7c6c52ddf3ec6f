"""What a session teaches that asked a person: what came of the question is the asker's doing."""

from collections.abc import Sequence
from uuid import UUID

import pytest

from drlactors.domain.action import Action
from drlactors.domain.experience import experiences
from drlactors.domain.ids import OrderId
from drlactors.domain.order import ActionOrdered, OrderAnswered, OrderFailed
from drlactors.domain.reward import Weights
from drlactors.domain.session import Ended, EndReason, Event, FeedbackReceived
from drlactors.testing.given import recorded, selected, started

WEIGHTS = Weights(
    right_verdict=1.0,
    wrong_verdict=2.0,
    missed=1.5,
    released=0.5,
    second=0.0,
    damage=0.0,
    isolation_hinders=0.3,
    disturbance=0.05,
    review=0.25,
    failed_action=0.1,
)
ORDER = OrderId(UUID(int=1))
ASKED: tuple[Event, ...] = (
    started(),
    recorded(seq=0),
    selected(Action.REVIEW, seq=0),
    FeedbackReceived(0, True, "paused", ""),
)
ENDED = Ended(EndReason.TERMINATED)
DONE = OrderAnswered(ORDER, True, "terminated", "")
GIVEN_UP = OrderFailed(ORDER, 4, "no answer within 5 s")


def ordered(action: Action) -> ActionOrdered:
    return ActionOrdered(ORDER, 0, action, None, False, "person:ann", "it reads letters")


@pytest.mark.parametrize(
    ("events", "malicious", "worth"),
    [
        ((ordered(Action.TERMINATE), DONE, ENDED), True, 1.0),
        ((ordered(Action.QUARANTINE), DONE, ENDED), True, 1.0),
        ((ordered(Action.TERMINATE), ENDED), True, 1.0),  # not known to have failed
        ((ordered(Action.TERMINATE), DONE, ENDED), False, -2.0),
        ((ordered(Action.TERMINATE), GIVEN_UP, ENDED), True, -1.5),
        ((ordered(Action.TERMINATE), GIVEN_UP, ENDED, DONE), True, 1.0),  # a late success counts
        ((ordered(Action.CONTINUE), DONE, ENDED), True, -1.5),
        ((ordered(Action.CONTINUE), DONE, ENDED), False, 0.5),
        ((ENDED,), True, -1.5),
    ],
)
def test_what_a_person_stops_was_not_missed(events: Sequence[Event], malicious: bool, worth: float) -> None:
    (learned,) = experiences([*ASKED, *events], malicious=malicious, weights=WEIGHTS, gamma=0.99)
    assert (learned.a_tm1, learned.discount_t) == (Action.REVIEW, 0.0)
    assert learned.r_t == pytest.approx(worth - WEIGHTS.review)

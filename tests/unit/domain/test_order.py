"""Orders: what is done beside the policy's choices, and what they leave it to choose."""

from uuid import UUID

import pytest

from drlactors.domain.action import Action
from drlactors.domain.errors import NothingToAnswer, SessionOver
from drlactors.domain.ids import OrderId
from drlactors.domain.order import ActionOrdered, AnswerOrder, GiveUpOrder, Order, OrderAnswered, OrderFailed, Undone
from drlactors.domain.permission import permitted
from drlactors.domain.session import DECIDER, Ended, EndReason, Event, FeedbackReceived
from drlactors.testing.given import recorded, select, selected, started, when

ID = OrderId(UUID(int=5))
KILL = Order(ID, Action.TERMINATE, None, False, "person:ann", "it encrypts")
GO_ON = Order(ID, Action.CONTINUE, Undone(0, Action.REVIEW), True, "person:ann", "an installer")
ASKED: tuple[Event, ...] = (started(), recorded(0), selected(Action.REVIEW, 0))
KILLED = ActionOrdered(ID, 0, *KILL[1:])
ONLY_CONTINUE = 1 << Action.CONTINUE


def permits(*events: Event) -> int:
    return permitted(DECIDER.fold([*ASKED, *events]))


def test_an_order_is_recorded_once_with_who_gave_it() -> None:
    assert when(KILL, given=ASKED) == (KILLED,)
    assert when(KILL, given=[*ASKED, KILLED]) == ()


def test_nothing_is_ordered_once_a_session_is_over_or_before_it_was_answered() -> None:
    with pytest.raises(SessionOver):
        when(KILL, given=[*ASKED, Ended(EndReason.FINISHED)])
    with pytest.raises(NothingToAnswer):
        when(KILL, given=[started(), recorded(0)])


def test_a_final_order_leaves_the_policy_to_go_on() -> None:
    assert permits() != ONLY_CONTINUE
    assert permits(KILLED) == ONLY_CONTINUE


def test_a_final_order_that_failed_is_as_if_it_had_not_been_given() -> None:
    failed = OrderFailed(ID, 4, "no answer")
    assert permits(KILLED, OrderAnswered(ID, False, "gone", "")) == permits(KILLED, failed) == permits()
    assert permits(KILLED, failed, OrderAnswered(ID, True, "killed", "")) == ONLY_CONTINUE


def test_each_order_has_its_own_answer() -> None:
    other = OrderId(UUID(int=6))
    given = [*ASKED, KILLED, ActionOrdered(other, 0, Action.CONTINUE, None, False, "person:bob", "let it be")]
    assert DECIDER.fold(given).response.ordered_final
    assert DECIDER.fold([*given, OrderFailed(other, 4, "no answer")]).response.ordered_final
    assert not DECIDER.fold([*given, OrderFailed(ID, 4, "no answer")]).response.ordered_final


def test_a_released_sample_is_only_watched() -> None:
    assert permits(ActionOrdered(ID, 0, *GO_ON[1:])) == ONLY_CONTINUE


def test_an_undone_isolation_leaves_one_step_less() -> None:
    isolated: list[Event] = [started(), recorded(0), selected(Action.ISOLATE, 0)]
    undo = ActionOrdered(ID, 0, Action.CONTINUE, Undone(0, Action.ISOLATE), False, "lease", "not confirmed")
    assert DECIDER.fold([*isolated, undo]).response.isolation == 0
    assert DECIDER.fold([*isolated, undo, OrderAnswered(ID, False, "stuck", "")]).response.isolation == 1


def test_what_a_person_takes_back_of_a_review_leaves_isolation_as_it_is() -> None:
    isolated: list[Event] = [started(), recorded(0), selected(Action.ISOLATE, 0)]
    assert DECIDER.fold([*isolated, ActionOrdered(ID, 0, *GO_ON[1:])]).response.isolation == 1


def lived(*actions: Action) -> list[Event]:
    """A session of windows of 250 ms, each with its answer."""
    return [
        started(),
        *(event for seq, action in enumerate(actions) for event in (recorded(seq), selected(action, seq))),
    ]


def eased(*actions: Action, lease_ms: int = 500) -> list[ActionOrdered]:
    """What is taken back when the policy goes on after these."""
    given = [*lived(*actions), recorded(len(actions))]
    decided = when(select(len(actions), **{"continue": 1.0})._replace(lease_ms=lease_ms), given=given)
    return [event for event in decided if isinstance(event, ActionOrdered)]


def test_isolation_that_nothing_confirms_is_taken_back_when_its_lease_is_over() -> None:
    assert eased(Action.ISOLATE) == []
    (undo,) = eased(Action.ISOLATE, Action.CONTINUE)
    assert (undo.action, undo.undoes, undo.policy) == (Action.CONTINUE, Undone(0, Action.ISOLATE), "lease")
    assert eased(Action.ISOLATE, Action.CONTINUE, lease_ms=0) == []
    assert eased(Action.ISOLATE, Action.CONTINUE, Action.REVIEW) == [], "asking a person confirms it"
    assert eased(Action.ISOLATE, Action.CONTINUE, Action.TERMINATE, Action.CONTINUE) == []


def test_steps_of_isolation_are_taken_back_one_lease_after_the_other() -> None:
    (first,) = eased(Action.ISOLATE, Action.ISOLATE, Action.CONTINUE)
    assert first.undoes == Undone(1, Action.ISOLATE)
    events = [*lived(Action.ISOLATE, Action.ISOLATE, Action.CONTINUE, Action.CONTINUE), first]
    state = DECIDER.fold(events)
    assert state.response.isolation == 1
    assert [lease.seq for lease in state.response.leases] == [0]
    assert state.response.expired(state.progress.elapsed_ms, 500) is None
    assert state.response.expired(state.progress.elapsed_ms + 500, 500) is not None


def test_isolation_that_failed_has_no_lease() -> None:
    failed: list[Event] = [started(), recorded(0), selected(Action.ISOLATE, 0), FeedbackReceived(0, False, "", "")]
    assert DECIDER.fold(failed).response.leases == ()


def test_an_order_is_settled_once() -> None:
    answer, give_up = AnswerOrder(ID, True, "killed", ""), GiveUpOrder(ID, 4, "no answer")
    answered, failed = OrderAnswered(ID, True, "killed", ""), OrderFailed(ID, 4, "no answer")
    assert when(answer, given=[*ASKED, KILLED]) == (answered,)
    assert when(answer, given=[*ASKED, KILLED, answered]) == ()
    assert when(give_up, given=[*ASKED, KILLED, answered]) == ()
    assert when(give_up, given=[*ASKED, KILLED]) == (failed,)
    assert when(answer, given=[*ASKED, KILLED, failed]) == (answered,), "a late success counts"
    assert when(answer, given=[*ASKED, KILLED, Ended(EndReason.TERMINATED)]) == (answered,), "it may have ended it"
    with pytest.raises(NothingToAnswer):
        when(answer, given=ASKED)

"""The rules of a session, told as given, when, then."""

import pytest

from drlactors.domain.action import Action
from drlactors.domain.errors import AlreadyStarted, NothingToAnswer, NothingToRank, NotStarted, SessionOver
from drlactors.domain.permission import best, permitted
from drlactors.domain.session import (
    DECIDER,
    ActionFailed,
    ActionSelected,
    Answer,
    Command,
    End,
    Ended,
    EndReason,
    Event,
    FeedbackReceived,
    GiveUp,
    Lapse,
    Lose,
    LossCause,
    Outcome,
    OutcomeReported,
    Record,
    Report,
    SessionLost,
    TelemetryLost,
    TelemetryRecorded,
)
from drlactors.testing.given import RULES, recorded, select, selected, start, started, when, window

ANSWER = Answer(seq=0, success=True, outcome="done", message="")


def chosen(*given: Event, **worth: float) -> Action:
    seq = max(event.window.seq for event in given if isinstance(event, TelemetryRecorded))
    (event,) = when(select(seq, **worth), given=given)
    assert isinstance(event, ActionSelected)
    return event.action


def test_a_session_starts_once() -> None:
    assert when(start()) == (started(),)
    assert when(start(), given=[started()]) == ()


def test_a_repeated_start_keeps_the_first_rules() -> None:
    assert when(start(rules=RULES._replace(reviews=9)), given=[started()]) == ()


def test_a_start_with_other_facts_is_refused() -> None:
    with pytest.raises(AlreadyStarted):
        when(start(stage=2), given=[started()])


@pytest.mark.parametrize("command", [Record(window(0)), select(), ANSWER, Lapse(silent_ms=1), End(EndReason.FINISHED)])
def test_nothing_happens_to_a_session_that_was_not_started(command: Command) -> None:
    with pytest.raises(NotStarted):
        when(command)


def test_a_window_is_recorded_once() -> None:
    assert when(Record(window(0)), given=[started()]) == (recorded(0),)
    assert when(Record(window(0)), given=[started(), recorded(0)]) == ()


def test_a_window_without_a_length_is_as_long_as_the_sessions() -> None:
    (event,) = when(Record(window(0)._replace(window_ms=0)), given=[started(window_ms=500)])
    assert isinstance(event, TelemetryRecorded)
    assert event.window.window_ms == 500


def test_skipped_windows_are_lost_before_the_next_is_recorded() -> None:
    lost = TelemetryLost(first_seq=1, last_seq=3, cause=LossCause.GAP)
    assert when(Record(window(4)), given=[started(), recorded(0)]) == (lost, recorded(4))


def test_a_window_that_was_given_up_for_lost_stays_lost() -> None:
    given: list[Event] = [started(), TelemetryLost(first_seq=0, last_seq=3, cause=LossCause.GAP)]
    assert when(Record(window(2)), given=given) == ()


def test_a_reported_loss_counts_only_what_was_not_recorded() -> None:
    lose = Lose(first_seq=0, last_seq=5, cause=LossCause.OVERFLOW)
    assert when(lose, given=[started(), recorded(0), recorded(1)]) == (
        TelemetryLost(first_seq=2, last_seq=5, cause=LossCause.OVERFLOW),
    )
    assert when(lose, given=[started(), TelemetryLost(first_seq=0, last_seq=5, cause=LossCause.OVERFLOW)]) == ()


def test_every_window_is_answered_once() -> None:
    given: list[Event] = [started(), recorded(0)]
    (event,) = when(select(), given=given)
    assert isinstance(event, ActionSelected)
    assert event.action is Action.CONTINUE
    assert when(select(), given=[*given, event]) == ()


def test_a_window_that_was_not_recorded_cannot_be_answered() -> None:
    with pytest.raises(NothingToRank):
        when(select(1), given=[started(), recorded(0)])


def test_the_best_permitted_action_is_selected() -> None:
    assert chosen(started(), recorded(0), terminate=9.0, isolate=1.0) is Action.TERMINATE


def test_among_equals_the_mildest_is_selected() -> None:
    assert chosen(started(), recorded(0), terminate=1.0, isolate=1.0) is Action.ISOLATE
    assert best((0.0,) * 5, 0b11111) is Action.CONTINUE


def test_nothing_irreversible_when_telemetry_was_lost() -> None:
    lost = TelemetryLost(first_seq=1, last_seq=40, cause=LossCause.GAP)
    given: list[Event] = [started(), recorded(0), lost, recorded(41)]
    assert chosen(*given, terminate=9.0, quarantine=8.0, isolate=1.0) is Action.ISOLATE


@pytest.mark.parametrize(("answer", "then"), [("unsupported", Action.TERMINATE), ("busy", Action.ISOLATE)])
def test_what_a_sandbox_says_it_cannot_do_is_not_asked_of_it_again(answer: str, then: Action) -> None:
    refused = FeedbackReceived(seq=0, success=False, outcome=answer, message="")
    given: list[Event] = [started(), recorded(0), selected(Action.ISOLATE), refused, recorded(1)]
    assert chosen(*given, isolate=9.0, terminate=1.0) is then


def test_no_quarantine_before_isolation() -> None:
    assert chosen(started(), recorded(0), quarantine=9.0, isolate=1.0) is Action.ISOLATE
    isolated: list[Event] = [started(), recorded(0), selected(Action.ISOLATE), recorded(1)]
    assert chosen(*isolated, quarantine=9.0) is Action.QUARANTINE


def test_nothing_irreversible_before_enough_was_seen() -> None:
    rules = RULES._replace(windows_before_final=2)
    assert chosen(started(rules=rules), recorded(0), terminate=9.0) is Action.CONTINUE
    assert chosen(started(rules=rules), recorded(0), recorded(1), terminate=9.0) is Action.TERMINATE


def test_isolation_and_reviews_are_limited() -> None:
    given: list[Event] = [
        started(rules=RULES._replace(isolation_steps=1)),
        recorded(0),
        selected(Action.ISOLATE),
        recorded(1),
    ]
    assert chosen(*given, isolate=9.0) is Action.CONTINUE
    asked: list[Event] = [started(), recorded(0), selected(Action.REVIEW), recorded(1)]
    assert chosen(*asked, review=9.0) is Action.CONTINUE


def test_after_a_final_action_there_is_only_going_on() -> None:
    given: list[Event] = [started(), recorded(0), selected(Action.TERMINATE), recorded(1)]
    assert permitted(DECIDER.fold(given)) == 0b00001


def test_a_final_action_that_failed_may_be_selected_again() -> None:
    given: list[Event] = [started(), recorded(0), selected(Action.TERMINATE)]
    failed = ActionFailed(seq=0, attempts=4, reason="no answer")
    assert chosen(*given, failed, recorded(1), terminate=9.0) is Action.TERMINATE
    refused = FeedbackReceived(seq=0, success=False, outcome="busy", message="")
    assert chosen(*given, refused, recorded(1), terminate=9.0) is Action.TERMINATE


def test_feedback_is_received_once() -> None:
    given: list[Event] = [started(), recorded(0), selected(Action.ISOLATE)]
    (event,) = when(ANSWER, given=given)
    assert event == FeedbackReceived(seq=0, success=True, outcome="done", message="")
    assert when(ANSWER, given=[*given, event]) == ()


def test_feedback_to_nothing_is_refused() -> None:
    with pytest.raises(NothingToAnswer):
        when(ANSWER, given=[started(), recorded(0)])


def test_an_action_without_an_answer_fails_once() -> None:
    given: list[Event] = [started(), recorded(0), selected(Action.ISOLATE)]
    give_up = GiveUp(seq=0, attempts=4, reason="no answer")
    (event,) = when(give_up, given=given)
    assert event == ActionFailed(seq=0, attempts=4, reason="no answer")
    assert when(give_up, given=[*given, event]) == ()


def test_a_late_answer_outweighs_having_given_up() -> None:
    given: list[Event] = [
        started(),
        recorded(0),
        selected(Action.TERMINATE),
        ActionFailed(seq=0, attempts=4, reason=""),
    ]
    (event,) = when(ANSWER, given=given)
    state = DECIDER.fold([*given, event])
    assert state.response.final is Action.TERMINATE
    assert state.response.failed == ()


def test_an_isolation_that_failed_does_not_count() -> None:
    given: list[Event] = [started(), recorded(0), selected(Action.ISOLATE)]
    assert DECIDER.fold(given).response.isolation == 1
    assert DECIDER.fold([*given, ActionFailed(seq=0, attempts=4, reason="")]).response.isolation == 0


def test_after_the_end_nothing_new_is_recorded_but_a_repeat_stays_quiet() -> None:
    given: list[Event] = [started(), recorded(0), Ended(EndReason.FINISHED)]
    with pytest.raises(SessionOver):
        when(Record(window(1)), given=given)
    assert when(Record(window(0)), given=given) == ()
    assert when(End(EndReason.FINISHED), given=given) == ()


def test_an_answer_still_counts_after_the_end() -> None:
    given: list[Event] = [started(), recorded(0), selected(Action.TERMINATE), Ended(EndReason.TERMINATED)]
    assert when(ANSWER, given=given) == (FeedbackReceived(seq=0, success=True, outcome="done", message=""),)


def test_an_outcome_is_reported_once_and_can_change() -> None:
    report = Report(outcome=Outcome.BENIGN, detail="clean")
    (event,) = when(report, given=[started()])
    assert event == OutcomeReported(outcome=Outcome.BENIGN, detail="clean")
    assert when(report, given=[started(), event]) == ()
    assert when(Report(outcome=Outcome.MALICIOUS, detail=""), given=[started(), event]) != ()


def test_a_silent_sandbox_loses_the_session_once() -> None:
    (event,) = when(Lapse(silent_ms=9), given=[started()])
    assert event == SessionLost(silent_ms=9)
    assert when(Lapse(silent_ms=9), given=[started(), event]) == ()

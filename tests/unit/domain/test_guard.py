"""What guards withhold, and what they leave."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drlactors.domain.action import Action
from drlactors.domain.guard import HOUR_US, ActionAdmitted, Guards, Reason, RowBroken, Tally, Withheld, withheld
from drlactors.domain.ids import SessionId
from drlactors.domain.permission import best
from drlactors.domain.session import ActionSelected, ActionWithheld
from drlactors.testing.given import recorded, select, started, when

ALL = 0b11111
NOW_US = 10 * HOUR_US
FINAL = frozenset({Action.TERMINATE, Action.QUARANTINE})
#: A policy that would kill, else quarantine, else isolate, else ask.
VALUES = (0.0, 0.7, 0.9, 0.8, 0.3)


def admitted(at_us: int = NOW_US - 1, action: Action = Action.TERMINATE, seq: int = 0) -> ActionAdmitted:
    return ActionAdmitted(SessionId(UUID(int=3)), seq, action, at_us)


def found(guards: Guards, *events: ActionAdmitted | RowBroken, mask: int = ALL, **other: Any) -> list[Withheld]:
    tally = Tally()
    for event in events:
        tally = tally.after(event)
    said: dict[str, Any] = {"sha256": "ab" * 32, "sandbox": "sandbox-1", "now_us": NOW_US, **other}
    return list(withheld(VALUES, mask, guards, tally, **said))


def instead(guards: Guards, *events: ActionAdmitted | RowBroken, mask: int = ALL) -> Action:
    last = found(guards, *events, mask=mask)
    return best(VALUES, last[-1].left if last else mask)


def test_without_guards_nothing_is_withheld() -> None:
    assert found(Guards(), *(admitted(seq=seq) for seq in range(1000))) == []
    quarantined = (admitted(seq=seq, action=Action.QUARANTINE) for seq in range(1000))
    assert found(Guards(), *quarantined, mask=ALL & ~(1 << Action.TERMINATE)) == []


@pytest.mark.parametrize(
    ("guards", "reason"),
    [
        (Guards(ignored_artifacts=frozenset({"ab" * 32})), Reason.IGNORED_ARTIFACT),
        (Guards(ignored_sandboxes=frozenset({"sandbox-1"})), Reason.IGNORED_SANDBOX),
        (Guards(monitored=frozenset({Action.TERMINATE})), Reason.MONITORED),
    ],
)
def test_what_is_ignored_or_monitored_goes_on(guards: Guards, reason: Reason) -> None:
    assert found(guards) == [Withheld(Action.TERMINATE, reason, 1 << Action.CONTINUE)]
    assert instead(guards) is Action.CONTINUE


def test_what_needs_consent_becomes_a_question_while_there_may_be_questions() -> None:
    guards = Guards(consent=FINAL)
    assert instead(guards) is Action.REVIEW
    assert instead(guards, mask=ALL & ~(1 << Action.REVIEW)) is Action.ISOLATE
    assert instead(guards, mask=0b01101) is Action.CONTINUE


def test_a_question_that_is_only_monitored_is_not_asked() -> None:
    guards = Guards(consent=FINAL, monitored=frozenset({Action.REVIEW}))
    assert [one.reason for one in found(guards)] == [Reason.CONSENT, Reason.MONITORED]
    assert instead(guards) is Action.CONTINUE


def test_a_limit_for_the_hour_leaves_the_next_best() -> None:
    guards = Guards(terminate_per_hour=2, quarantine_per_hour=1)
    assert instead(guards, admitted()) is Action.TERMINATE
    assert instead(guards, admitted(), admitted(seq=1)) is Action.QUARANTINE
    full = (admitted(), admitted(seq=1), admitted(seq=2, action=Action.QUARANTINE))
    assert [one.reason for one in found(guards, *full)] == [Reason.PER_HOUR, Reason.PER_HOUR]
    assert instead(guards, *full) is Action.ISOLATE
    assert found(guards, *full, now_us=NOW_US + HOUR_US) == []
    assert found(guards, *full, now_us=NOW_US - 2 * HOUR_US) == [], "the clock was set back"


def test_the_hour_of_a_limit_has_sixty_minutes() -> None:
    guards, hour_us = Guards(terminate_per_hour=1), 60 * 60 * 1_000_000
    assert found(guards, admitted(at_us=NOW_US - hour_us + 1))
    assert not found(guards, admitted(at_us=NOW_US - hour_us))


def test_a_row_counts_each_final_action_once_and_from_nothing() -> None:
    assert found(Guards(in_a_row=2), admitted()) == []
    assert found(Guards(in_a_row=1), admitted(), RowBroken(SessionId(UUID(int=4)))) == []


def test_a_row_ends_when_a_session_ends_untouched() -> None:
    guards = Guards(in_a_row=2)
    row = (admitted(), admitted(seq=1))
    assert [one.reason for one in found(guards, *row)] == [Reason.IN_A_ROW]
    assert instead(guards, *row) is Action.ISOLATE
    assert instead(guards, *row, RowBroken(SessionId(UUID(int=4)))) is Action.TERMINATE


def test_what_is_withheld_stands_in_the_log_before_what_was_done_instead() -> None:
    one = Withheld(Action.TERMINATE, Reason.MONITORED, 1 << Action.CONTINUE)
    command = select(0, terminate=9.0)._replace(withheld=(one,))
    said, chosen = when(command, given=[started(), recorded(0)])
    assert said == ActionWithheld(0, *one)
    assert isinstance(chosen, ActionSelected)
    assert (chosen.action, chosen.mask) == (Action.CONTINUE, 1 << Action.CONTINUE)


actions = st.frozensets(st.sampled_from([action for action in Action if action.carried_out]))


@given(
    values=st.tuples(*[st.floats(-1, 1)] * 5),
    mask=st.integers(0, ALL).map(lambda mask: mask | 1),
    guards=st.builds(
        Guards,
        monitored=actions,
        consent=actions.map(lambda some: some & FINAL),
        terminate_per_hour=st.integers(0, 2),
        quarantine_per_hour=st.integers(0, 2),
        in_a_row=st.integers(0, 3),
    ),
    done=st.lists(st.sampled_from(sorted(FINAL)), max_size=4),
)
def test_what_is_left_is_permitted_and_passes_the_guards(
    values: tuple[float, ...], mask: int, guards: Guards, done: list[Action]
) -> None:
    tally = Tally()
    for seq, action in enumerate(done):
        tally = tally.after(admitted(action=action, seq=seq))
    kept = withheld(values, mask, guards, tally, sha256="", sandbox="", now_us=NOW_US)
    chosen = best(values, kept[-1].left if kept else mask)
    assert mask >> chosen & 1
    assert chosen not in guards.monitored
    if chosen.irreversible:
        assert chosen not in guards.consent
        assert not guards.in_a_row or len(done) < guards.in_a_row
        assert not guards.per_hour(chosen) or done.count(chosen) < guards.per_hour(chosen)

"""A session's pattern is a function of what happened in it, and of what its sample turned out to be."""

from itertools import repeat
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drlactors.domain.action import Action
from drlactors.domain.attack import recognise
from drlactors.domain.ids import SessionId
from drlactors.domain.pattern import AHEAD_US, EARLIEST_US, Truth, pattern_of
from drlactors.domain.reward import Weights
from drlactors.domain.session import (
    ActionFailed,
    ActionSelected,
    Ended,
    EndReason,
    Event,
    FeedbackReceived,
    Outcome,
    OutcomeReported,
    SessionLost,
    TelemetryRecorded,
)
from drlactors.domain.telemetry import Telemetry, Window
from drlactors.testing.given import ARTIFACT, EPISODE, recorded, started

SESSION = SessionId(UUID(int=1))
WEIGHTS = Weights(
    right_verdict=10.0,
    wrong_verdict=20.0,
    missed=10.0,
    released=1.0,
    second=0.0,
    damage=0.0,
    isolation_hinders=0.5,
    disturbance=0.5,
    review=1.0,
    failed_action=0.5,
)
FINISHED = Ended(EndReason.FINISHED)


def chosen(action: Action, seq: int, schema: str = "schema") -> ActionSelected:
    values = tuple(1.0 if each is action else 0.0 for each in Action)
    vector = np.full(3, seq / 10, dtype=np.float32).tobytes()
    return ActionSelected(seq, action, values, 0b11111, vector, "policy", schema, (), 1.0)


def lived(*events):
    return [(second * 1_000_000, event) for second, event in enumerate(events, 1)]


def made(*events, malicious: bool | None = True):
    return pattern_of(SESSION, lived(started(), *events), malicious=malicious, weights=WEIGHTS)


WATCHED = (recorded(0), chosen(Action.CONTINUE, 0), recorded(1), chosen(Action.ISOLATE, 1))
STOPPED = (*WATCHED, recorded(2), chosen(Action.TERMINATE, 2), FeedbackReceived(2, True, "done", ""))


def test_the_deciding_window_is_the_one_whose_answer_stopped_the_sample():
    found = made(*STOPPED, recorded(3), chosen(Action.CONTINUE, 3), FINISHED)
    assert (found.seq, found.action, found.decided_us) == (2, Action.TERMINATE, 7_000_000)
    assert list(found.features) == pytest.approx([0.2, 0.2, 0.2])
    assert (found.started_us, found.ended_us) == (1_000_000, 11_000_000)
    assert (found.session, found.episode, found.artifact, found.sandbox) == (SESSION, EPISODE, ARTIFACT, "sandbox-1")
    assert found.leaning > 0.5
    assert found.faults() == []


@pytest.mark.parametrize("failure", [FeedbackReceived(2, False, "failed", ""), ActionFailed(2, 3, "no answer")])
def test_an_answer_that_was_not_carried_out_did_not_decide(failure):
    found = made(
        *WATCHED, recorded(2), chosen(Action.TERMINATE, 2), failure, recorded(3), chosen(Action.REVIEW, 3), FINISHED
    )
    assert (found.seq, found.action) == (3, Action.REVIEW)
    late = made(
        *WATCHED, recorded(2), chosen(Action.TERMINATE, 2), failure, FINISHED, FeedbackReceived(2, True, "", "")
    )
    assert (late.seq, late.action) == (2, Action.TERMINATE)


def test_without_a_stop_it_is_the_last_window_that_was_answered():
    assert made(*WATCHED, FINISHED).seq == 1


def test_the_truth_makes_the_reward_and_changes_nothing_of_what_was_seen():
    shown = (recorded(0, code_injection_detected=True), chosen(Action.TERMINATE, 0), Ended(EndReason.TERMINATED))
    right, wrong, unknown = (made(*shown, malicious=truth) for truth in (True, False, None))
    assert (right.reward, wrong.reward, unknown.reward) == (10.0, -20.0, None)
    assert (right.truth, wrong.truth, unknown.truth) == (Truth.MALICIOUS, Truth.BENIGN, None)
    assert right._replace(reward=None, truth=None) == wrong._replace(reward=None, truth=None) == unknown
    assert right.attack == recognise([recorded(0, code_injection_detected=True).window])
    assert [each.faults() for each in (right, wrong, unknown)] == [[], [], []]


def test_there_is_nothing_to_learn_from_what_was_not_seen():
    assert made(*WATCHED) is None  # it still runs
    assert made(*WATCHED, SessionLost(30_000)) is None
    assert made(*WATCHED, Ended(EndReason.FAILED)) is None
    assert made(*WATCHED, OutcomeReported(Outcome.FAILED, ""), FINISHED) is None
    assert made(recorded(0), FINISHED) is None  # nothing was decided


def test_a_session_under_two_feature_schemas_has_no_reward():
    found = made(recorded(0), chosen(Action.CONTINUE, 0), recorded(1), chosen(Action.CONTINUE, 1, "other"), FINISHED)
    assert (found.reward, found.schema) == (None, "other")


def at(observed_us: int, window_ms: int = 1000) -> TelemetryRecorded:
    return TelemetryRecorded(Window(0, window_ms, observed_us, Telemetry(syscall_count=1)))


IN_2020_US = 1_603_335_475_116_000
SECOND_US = 1_000_000
#: When the log says that it was over: years later, as of a report.
OVER_US = 1_767_225_600_000_000


def ran(*seen: TelemetryRecorded) -> tuple[int | None, int | None]:
    events: list[Event] = [started(), *seen, chosen(Action.CONTINUE, 0), FINISHED]
    found = pattern_of(SESSION, zip(repeat(OVER_US), events), malicious=None, weights=WEIGHTS)
    assert found is not None
    assert found.faults() == []
    assert (found.started_us, found.decided_us, found.ended_us) == (OVER_US,) * 3
    return found.first_seen_us, found.last_seen_us


def test_when_a_sample_ran_is_by_its_sandboxs_clock():
    assert ran(*(at(IN_2020_US + n * SECOND_US) for n in range(3))) == (
        IN_2020_US - SECOND_US,
        IN_2020_US + 2 * SECOND_US,
    )
    assert ran(at(IN_2020_US, 0)) == (IN_2020_US, IN_2020_US)


@pytest.mark.parametrize(
    "absurd",
    [0, 1, 150_741_000, EARLIEST_US, EARLIEST_US - 1, OVER_US + AHEAD_US + 1, 1 << 53, (1 << 63) - 1],
    ids=["none", "a count", "of a guest that began in 1970", "1990", "before it", "ahead", "far ahead", "the largest"],
)
def test_what_a_sandboxs_clock_cannot_have_said_is_passed_over(absurd):
    assert ran(at(absurd)) == (None, None)
    assert ran(at(absurd), at(IN_2020_US), at(absurd)) == (IN_2020_US - SECOND_US, IN_2020_US)


def test_a_sample_that_sets_the_clock_back_shortens_nothing():
    assert ran(at(IN_2020_US), at(IN_2020_US + SECOND_US), at(EARLIEST_US + SECOND_US)) == (
        IN_2020_US - SECOND_US,
        IN_2020_US + SECOND_US,
    )


@given(
    st.lists(
        st.tuples(
            st.integers(0, (1 << 63) - 1) | st.integers(EARLIEST_US - 10**12, OVER_US + AHEAD_US + 10**12),
            st.integers(0, 1 << 32),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_whatever_a_sandboxs_clock_says_a_pattern_is_sound(said):
    first_us, last_us = ran(*(at(observed_us, window_ms) for observed_us, window_ms in said))  # which has no faults
    assert (first_us is None) == (last_us is None)
    assert last_us is None or last_us in {observed_us for observed_us, _ in said}


def test_a_clock_may_be_ahead_by_a_time_zone():
    assert ran(at(OVER_US + AHEAD_US)) == (OVER_US + AHEAD_US - SECOND_US, OVER_US + AHEAD_US)


def test_what_cannot_be_is_said():
    good = made(*STOPPED, FINISHED)
    bad = {
        "a state vector of 5 bytes": good._replace(state_vector=b"12345"),
        "a state vector that leaves": good._replace(state_vector=np.array([0.5, np.nan], np.float32).tobytes()),
        "no feature schema": good._replace(schema=""),
        "confidence 1.5": good._replace(confidence=1.5),
        "reward inf": good._replace(reward=float("inf")),
        "artifact '../x'": good._replace(artifact=ARTIFACT._replace(sha256="../x")),
        "stage 3": good._replace(stage=3),
        "decided 0": good._replace(decided_us=0),
        "first seen 5, last seen 9": good._replace(first_seen_us=5, last_seen_us=9),
        "last seen None": good._replace(first_seen_us=EARLIEST_US),
    }
    assert {says: len(each.faults()) for says, each in bad.items()} == dict.fromkeys(bad, 1)
    assert all(says in each.faults()[0] for says, each in bad.items())

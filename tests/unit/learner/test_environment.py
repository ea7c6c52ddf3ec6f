"""The environment keeps to the rules, ends where a session truly ends, and says when one was only cut off."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from drlactors.domain.action import Action
from drlactors.domain.features import row
from drlactors.domain.session import ActionSelected, Ended, EndReason
from drlactors.learner.environment import PERSON, TraceEnvironment
from drlactors.learner.transitions import Sample, Task, recorded
from tests.unit.learner.samples import TASK, sample

WEIGHTS = TASK.weights
BAD, GOOD = sample("bad", malicious=True), sample("good")
ASKED = TASK._replace(review_windows=2)
A_SECOND_OF_HARM = -WEIGHTS.second - WEIGHTS.damage


def episode(one: Sample, *plan: Action, task: Task = TASK, max_windows: int | None = None):
    """The environment, and the last three of each step: reward, terminated, truncated."""
    environment = TraceEnvironment([one], task, max_windows=max_windows)
    environment.reset(seed=0)
    return environment, [environment.step(np.int64(action))[1:4] for action in plan]


def test_gymnasium_finds_no_fault_in_it():
    environment = TraceEnvironment([BAD, GOOD], ASKED, max_windows=4)
    check_env(environment, skip_render_check=True)


def test_an_observation_is_the_state_vector_that_serving_would_see():
    environment = TraceEnvironment([GOOD], TASK)
    seen = [environment.reset()[0]]
    seen += [environment.step(np.int64(Action.CONTINUE))[0] for _ in GOOD.windows[1:]]
    rows = [row(state, window) for state, window in zip(recorded(GOOD, TASK.rules), GOOD.windows, strict=True)]
    assert np.array(seen).tobytes() == TASK.schema.vectors(rows).tobytes()


def test_waiting_costs_time_and_the_harm_done_in_it():
    assert episode(BAD, Action.CONTINUE)[1][0][0] == pytest.approx(A_SECOND_OF_HARM)
    assert episode(GOOD, Action.CONTINUE)[1][0][0] == pytest.approx(-WEIGHTS.second)


def test_isolation_hinders_what_can_still_do_harm():
    _, steps = episode(BAD, Action.ISOLATE, Action.CONTINUE)
    assert steps[1][0] == pytest.approx(-WEIGHTS.second - WEIGHTS.damage * (1 - WEIGHTS.isolation_hinders))


@pytest.mark.parametrize(("one", "worth"), [(BAD, WEIGHTS.right_verdict), (GOOD, -WEIGHTS.wrong_verdict)])
@pytest.mark.parametrize("plan", [(Action.CONTINUE, Action.TERMINATE), (Action.ISOLATE, Action.QUARANTINE)])
def test_a_final_action_ends_the_session_with_the_reward_of_the_truth(one, worth, plan):
    environment, steps = episode(one, *plan)
    assert steps[-1] == (worth, True, False)
    assert environment.events[-1] == Ended(EndReason.TERMINATED)


@pytest.mark.parametrize(("one", "worth"), [(BAD, -WEIGHTS.missed), (GOOD, WEIGHTS.released)])
def test_the_end_of_a_recording_is_a_true_end(one, worth):
    environment, steps = episode(one, *[Action.CONTINUE] * len(one.windows))
    assert [step[1:] for step in steps] == [(False, False)] * 4 + [(True, False)]
    assert steps[-1][0] == worth
    assert environment.events[-1] == Ended(EndReason.FINISHED)


def test_a_session_that_is_cut_off_is_truncated_and_has_no_end():
    environment, steps = episode(BAD, *[Action.CONTINUE] * 3, max_windows=3)
    assert [step[1:] for step in steps] == [(False, False)] * 2 + [(False, True)]
    assert steps[-1][0] == pytest.approx(A_SECOND_OF_HARM)
    assert not any(isinstance(event, Ended) for event in environment.events)


def test_what_is_not_permitted_is_not_done():
    environment = TraceEnvironment([GOOD], TASK)
    _, info = environment.reset()
    assert info["mask"].tolist() == [1, 1, 0, 0, 1]
    _, worth, terminated, _, info = environment.step(np.int64(Action.TERMINATE))
    assert worth == pytest.approx(-WEIGHTS.second)
    assert (terminated, info["action"]) == (False, Action.CONTINUE)
    assert info["mask"].tolist() == [1, 1, 1, 0, 1]


def test_a_review_that_nobody_answers_costs_and_brings_nothing():
    environment = TraceEnvironment([GOOD], TASK)
    environment.reset()
    _, worth, terminated, _, info = environment.step(np.int64(Action.REVIEW))
    assert not terminated
    assert worth == pytest.approx(-WEIGHTS.review - WEIGHTS.second)
    assert not info["mask"][Action.REVIEW]


def test_a_person_who_knows_stops_what_is_malicious():
    environment, [(worth, terminated, _)] = episode(BAD, Action.REVIEW, task=ASKED)
    assert terminated
    assert worth == pytest.approx(-WEIGHTS.review + 2 * A_SECOND_OF_HARM + WEIGHTS.right_verdict)
    stop = [event for event in environment.events if isinstance(event, ActionSelected)][-1]
    assert (stop.seq, stop.action, stop.policy) == (2, Action.TERMINATE, PERSON)


def test_a_person_who_knows_releases_what_is_benign():
    environment, [(worth, terminated, _)] = episode(GOOD, Action.REVIEW, task=ASKED)
    assert terminated
    assert worth == pytest.approx(-WEIGHTS.review - 2 * WEIGHTS.second + WEIGHTS.released)
    assert environment.events[-1] == Ended(EndReason.FINISHED)


def test_a_sample_that_ends_before_the_answer_is_as_if_nobody_had_been_asked():
    _, steps = episode(BAD, *[Action.CONTINUE] * 3, Action.REVIEW, task=ASKED)
    assert steps[-1] == (pytest.approx(-WEIGHTS.review + A_SECOND_OF_HARM - WEIGHTS.missed), True, False)


def test_after_the_end_only_reset_goes_on():
    environment, _ = episode(GOOD, *[Action.CONTINUE] * len(GOOD.windows))
    with pytest.raises(RuntimeError, match="over"):
        environment.step(np.int64(Action.CONTINUE))
    environment.reset()
    environment.step(np.int64(Action.CONTINUE))


def test_it_needs_a_reset_before_the_first_step():
    with pytest.raises(RuntimeError, match="reset"):
        TraceEnvironment([GOOD], TASK).step(np.int64(0))


def test_the_seed_draws_the_sessions():
    many = [sample(str(number)) for number in range(50)]

    def drawn(seed: int) -> list[int]:
        environment = TraceEnvironment(many, TASK)
        first = environment.reset(seed=seed)[1]["sample"]
        return [first, *(environment.reset()[1]["sample"] for _ in range(20))]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert TraceEnvironment(many, TASK).reset(options={"sample": 7})[1]["sample"] == 7


def test_in_real_time_every_window_takes_as_long_as_it_lasted():
    waited: list[float] = []
    environment = TraceEnvironment([sample("x", lasts_ms=[250, 500, 1000, 40])], ASKED, wait=waited.append)
    environment.reset()
    assert waited == [0.25]
    environment.step(np.int64(Action.CONTINUE))
    assert waited == [0.25, 0.5]
    environment.step(np.int64(Action.REVIEW))
    assert waited == [0.25, 0.5, 1.0, 0.04]


def test_sessions_without_windows_cannot_be_played():
    for samples in ([], [sample("x", lasts_ms=[])]):
        with pytest.raises(ValueError, match="at least one window"):
            TraceEnvironment(samples, TASK)


def test_gymnasium_can_play_several_at_once():
    together = gymnasium.vector.SyncVectorEnv([lambda: TraceEnvironment([BAD, GOOD], TASK) for _ in range(3)])
    observations, info = together.reset(seed=0)
    assert observations.shape == (3, len(TASK.schema.names))
    assert info["mask"].shape == (3, len(Action))

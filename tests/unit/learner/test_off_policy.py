"""Estimates from a log meet the values that are known, and say so where they cannot know."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drlactors.domain.action import Action
from drlactors.learner import fitted_q_evaluation as fqe
from drlactors.learner import intervals, off_policy
from tests.unit.learner import small_problem as problem
from tests.unit.learner.small_problem import chosen, every, good, hasty, log, nervous, patient, value

EXPLORING = {Action.CONTINUE: 0.5, Action.ISOLATE: 0.3, Action.REVIEW: 0.2}
SOMETIMES_STOPPING = {Action.CONTINUE: 0.5, Action.ISOLATE: 0.2, Action.REVIEW: 0.2, Action.TERMINATE: 0.1}
WATCHING = {Action.CONTINUE: 1.0}
BEHAVIOURS = {"exploring": EXPLORING, "stopping": SOMETIMES_STOPPING}
PLANS = [good, hasty, nervous, patient]


def stop_r(malicious):
    return np.where(malicious, problem.STOP[True], problem.STOP[False])


def late(step, sign):
    """Watches at first, as the log does."""
    return Action.ISOLATE if step else Action.CONTINUE


def follow(logged, malicious, plan):
    return off_policy.follow(logged, chosen(plan, logged.s_tm1), stop_r(malicious))


def judgement(logged, malicious, plan):
    return fqe.Judgement(
        chosen(plan, logged.s_tm1), chosen(plan, logged.s_t), stop_r(malicious)[logged.session].astype(np.float64)
    )


def ordinary(judged):
    """Importance sampling without weighting: unbiased, which the weighted one is not."""
    cells = off_policy.grid(judged)
    return (cells.discount * cells.weight * cells.r_t).sum(axis=1)


@cache
def everything(name):
    return every(BEHAVIOURS[name])


@pytest.mark.parametrize("name", BEHAVIOURS)
@pytest.mark.parametrize("plan", PLANS)
def test_following_the_log_is_unbiased(plan, name):
    """The expectation over every session that can be is the true value. A log that sometimes stops is no exception."""
    logged, malicious, chance = everything(name)
    assert ordinary(follow(logged, malicious, plan)) @ chance == pytest.approx(value(plan), abs=1e-5)


@pytest.mark.parametrize("plan", PLANS)
def test_weighted_importance_sampling_comes_to_the_true_value(plan):
    logged, malicious = log(6_000, 2, EXPLORING)
    drawn = intervals.counts(np.arange(6_000), 200, 0)
    found, replicates = off_policy.weighted_importance_sampling(follow(logged, malicious, plan), drawn)
    assert abs(found - value(plan)) < 4 * replicates.std() + 1e-6
    assert abs(found - value(plan)) < 0.1


@settings(max_examples=100)
@given(
    seed=st.integers(0, 2**32 - 1),
    plan=st.sampled_from(PLANS),
    off=st.floats(-5, 5),
    name=st.sampled_from(sorted(BEHAVIOURS)),
)
def test_doubly_robust_is_unbiased_whatever_the_model_says(seed, plan, off, name):
    logged, malicious, chance = everything(name)
    judged = follow(logged, malicious, plan)
    table = off + np.random.default_rng(seed).normal(size=(problem.FEATURES, len(Action)))
    place = logged.s_tm1[judged.rows].argmax(axis=1)
    q_logged = table[place, logged.a_tm1[judged.rows]]
    q_chosen = table[place, chosen(plan, logged.s_tm1[judged.rows])]
    assert off_policy.doubly_robust(judged, q_logged, q_chosen) @ chance == pytest.approx(value(plan), abs=1e-4)


@pytest.mark.parametrize("plan", PLANS)
def test_doubly_robust_with_the_right_model_hardly_varies(plan):
    logged, malicious = log(4_000, 3, EXPLORING)
    seen = fqe.design(logged, problem.tabular)
    theta = fqe.fit(logged, judgement(logged, malicious, plan), seen)
    judged = follow(logged, malicious, plan)
    q_logged = fqe.values(theta, seen.tm1[judged.rows], logged.a_tm1[judged.rows])
    q_chosen = fqe.values(theta, seen.tm1[judged.rows], chosen(plan, logged.s_tm1[judged.rows]))
    worth = off_policy.doubly_robust(judged, q_logged, q_chosen)
    assert abs(worth.mean() - value(plan)) < 0.06
    assert worth.std() <= ordinary(judged).std() + 1e-9


@pytest.mark.parametrize("plan", PLANS)
def test_fitted_q_evaluation_comes_to_the_true_value(plan):
    logged, malicious = log(6_000, 4, EXPLORING)
    judging, seen = judgement(logged, malicious, plan), fqe.design(logged, problem.tabular)
    theta = fqe.fit(logged, judging, seen)
    begins = follow(logged, malicious, plan)
    rows = begins.rows[begins.step == 0]
    going_on = fqe.values(theta, seen.tm1[rows], judging.chosen_tm1[rows])
    found = np.where(off_policy.STOPS[judging.chosen_tm1[rows]], judging.stop_r[rows], going_on).mean()
    assert abs(found - value(plan)) < 0.06


def test_a_row_that_counts_twice_is_two_rows():
    logged, malicious = log(50, 5, EXPLORING)
    twice = type(logged)._make(np.concatenate([column, column]) for column in logged)
    weighted = fqe.fit(
        logged,
        judgement(logged, malicious, good),
        fqe.design(logged, problem.tabular),
        weights=np.full(len(logged.r_t), 2.0),
    )
    doubled = fqe.fit(twice, judgement(twice, malicious, good), fqe.design(twice, problem.tabular))
    assert np.allclose(weighted, doubled, atol=1e-6)


def test_a_log_without_exploration_answers_for_its_own_actions_and_for_stopping():
    logged, malicious = log(500, 6, WATCHING)
    assert not follow(logged, malicious, patient).unsupported.any()
    assert not follow(logged, malicious, hasty).unsupported.any()
    assert off_policy.effective(follow(logged, malicious, hasty)) == 500
    blind = follow(logged, malicious, nervous)
    assert blind.unsupported.all()
    assert off_policy.effective(blind) == 0
    assert np.isnan(off_policy.weighted_importance_sampling(blind, intervals.counts(np.arange(500), 10, 0))[0])
    assert follow(logged, malicious, late).unsupported.all(), "also where it departs from the log later on"


def test_what_would_have_come_after_a_stop_nobody_knows():
    logged, malicious = log(500, 7, {Action.TERMINATE: 1.0})
    assert follow(logged, malicious, patient).unsupported.all()
    assert not follow(logged, malicious, hasty).unsupported.any()


def test_sessions_without_a_true_end_are_left_out():
    logged, _ = log(20, 8, WATCHING)
    cut = type(logged)._make(column[:-1] for column in logged)
    kept = off_policy.complete(cut)
    assert set(kept.session.tolist()) == set(range(19))
    assert len(kept.r_t) == 19 * problem.STEPS
    assert len(off_policy.complete(logged).r_t) == 20 * problem.STEPS
    assert not off_policy.complete(type(logged)._make(column[:0] for column in logged)).session.size


@pytest.mark.parametrize("plan", PLANS)
def test_sessions_weigh_by_all_their_steps(plan):
    logged, malicious = log(2_000, 9, EXPLORING)
    judged = follow(logged, malicious, plan)
    weights = [judged.ratio[judged.session == session].prod() for session in range(len(judged.ids))]
    expected = sum(weights) ** 2 / sum(weight**2 for weight in weights)
    assert off_policy.effective(judged) == pytest.approx(expected)


@settings(max_examples=100)
@given(seed=st.integers(0, 1000), plan=st.sampled_from(PLANS))
def test_the_effective_number_of_sessions_is_never_more_than_there_are(seed, plan):
    logged, malicious = log(40, seed, SOMETIMES_STOPPING)
    assert 0 <= off_policy.effective(follow(logged, malicious, plan)) <= 40 + 1e-9


def test_choices_are_the_best_permitted_actions():
    masks = np.array([0b00001, 0b00101, 0b11111], dtype=np.uint8)
    ranked = np.array([[0.0, 9.0, 1.0, 5.0, 5.0]] * 3, dtype=np.float32)
    assert off_policy.choose(lambda _: ranked, np.zeros((3, 2), dtype=np.float32), masks).tolist() == [0, 2, 1]

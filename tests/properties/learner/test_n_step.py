"""The laws of n-step returns: what a loop says, and no step over a border."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drlactors.learner.batch import Experiences
from drlactors.learner.n_step import n_step
from tests.unit.learner.numbered import numbered, same

SESSIONS = st.lists(st.tuples(st.integers(1, 12), st.booleans()), max_size=6)  # steps, and whether it truly ended
SEEDS = st.integers(0, 2**32 - 1)


def played(sessions: list[tuple[int, bool]], seed: int) -> Experiences:
    dice = np.random.default_rng(seed)
    count = sum(steps for steps, _ in sessions)
    discounts = dice.uniform(0.1, 1, count)
    ends = np.cumsum([steps for steps, _ in sessions], dtype=np.int64) - 1
    discounts[ends[[ended for _, ended in sessions]]] = 0
    return numbered(0, count)._replace(
        r_t=dice.normal(size=count).astype(np.float32),
        discount_t=discounts.astype(np.float32),
        session=np.repeat(np.arange(len(sessions)), [steps for steps, _ in sessions]),
    )


def one_by_one(experiences: Experiences, n: int) -> Experiences:
    returns, discounts, last = [], [], []
    for row in range(len(experiences.a_tm1)):
        total, discount, at = 0.0, 1.0, row
        for there in range(row, min(row + n, len(experiences.a_tm1))):
            if experiences.session[there] != experiences.session[row] or discount == 0:
                break
            total += discount * float(experiences.r_t[there])
            discount *= float(experiences.discount_t[there])
            at = there
        returns.append(total)
        discounts.append(discount)
        last.append(at)
    reached = np.array(last, dtype=np.int64)
    return experiences._replace(
        r_t=np.array(returns, dtype=np.float32),
        discount_t=np.array(discounts, dtype=np.float32),
        s_t=experiences.s_t[reached],
        mask_t=experiences.mask_t[reached],
    )


@given(SESSIONS, SEEDS, st.integers(1, 15))
def test_it_is_what_a_loop_over_the_steps_says(sessions, seed, n):
    experiences = played(sessions, seed)
    assert same(n_step(experiences, n), one_by_one(experiences, n))


@given(SESSIONS, SEEDS)
def test_one_step_changes_nothing(sessions, seed):
    assert same(n_step(played(sessions, seed), 1), played(sessions, seed))


@given(SESSIONS, SEEDS, st.integers(1, 15))
def test_sessions_do_not_know_of_each_other(sessions, seed, n):
    experiences = played(sessions, seed)
    together = n_step(experiences, n)
    for session in range(len(sessions)):
        rows = experiences.session == session
        assert same(n_step(experiences.select(rows), n), together.select(rows))


def test_a_true_end_is_followed_by_nothing_and_a_cut_by_the_last_state_seen():
    experiences = played([(3, True), (3, False)], seed=0)._replace(
        r_t=np.ones(6, np.float32), discount_t=np.array([0.5, 0.5, 0, 0.5, 0.5, 0.5], np.float32)
    )
    reached = n_step(experiences, 10)
    assert reached.r_t.tolist() == [1.75, 1.5, 1, 1.75, 1.5, 1]
    assert reached.discount_t.tolist() == [0, 0, 0, 0.125, 0.25, 0.5]
    assert np.array_equal(reached.s_t, experiences.s_t[[2, 2, 2, 5, 5, 5]])
    assert np.array_equal(reached.mask_t, experiences.mask_t[[2, 2, 2, 5, 5, 5]])


def test_a_return_is_over_one_step_at_least():
    with pytest.raises(ValueError, match="at least one step, not 0"):
        n_step(numbered(0, 3), 0)

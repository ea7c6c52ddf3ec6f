"""The laws of prioritised replay: drawn in proportion, weighted as the paper says, and never what is gone."""

from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drlactors.learner.prioritised import Prioritisation, PrioritisedReplayBuffer
from drlactors.learner.replay_buffer import LEAST_CAPACITY
from drlactors.learner.sum_tree import SumTree
from tests.unit.learner.numbered import FEATURES, copied, mistaken, numbered, same

PRIORITIES = st.lists(st.integers(0, 1_000), min_size=1, max_size=70).filter(any)
ERRORS = st.lists(st.floats(-1e6, 1e6), min_size=64, max_size=64)
SEEDS = st.integers(0, 2**64 - 1)
#: The 99.9 % quantile of chi-square with 99 degrees of freedom.
CHI_SQUARE_99 = 148.2


def filled(count: int, seed: int = 0, alpha: float = 0.6) -> PrioritisedReplayBuffer:
    prioritisation = Prioritisation(alpha=alpha, beta_updates=1_000)
    buffer = PrioritisedReplayBuffer(FEATURES, seed=seed, capacity=LEAST_CAPACITY, prioritisation=prioritisation)
    buffer.extend(numbered(0, count))
    return buffer


def tree_of(priorities: list[float]) -> SumTree:
    tree = SumTree(len(priorities))
    tree.set(np.arange(len(priorities)), np.array(priorities, dtype=np.float64))
    return tree


def found_by_loop(priorities: list[float], mass: float) -> int:
    for slot, priority in enumerate(priorities):
        if mass < priority:
            return slot
        mass -= priority
    raise AssertionError


@given(PRIORITIES, st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=20))
def test_the_tree_finds_what_a_loop_over_the_priorities_finds(priorities, shares):
    tree = tree_of(priorities)
    assert tree.faults() == []
    assert tree.total == sum(priorities)
    masses = np.floor(np.array(shares) * tree.total)  # whole numbers: every sum is exact
    assert tree.find(masses).tolist() == [found_by_loop(priorities, mass) for mass in masses]


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=70).filter(any), st.floats(0, 1))
def test_the_tree_never_finds_a_priority_of_zero(priorities, share):
    tree = tree_of(priorities)
    assert priorities[tree.find(np.array([share * tree.total]))[0]] > 0


@given(st.lists(st.tuples(st.integers(0, 36), st.floats(0, 1e9)), max_size=40))
def test_a_tree_depends_on_its_priorities_alone_not_on_how_they_came(changes):
    changed, model = SumTree(37), [0.0] * 37
    for slot, priority in changes:
        changed.set(np.array([slot]), np.array([priority]))
        model[slot] = priority
        assert changed.faults() == []
    assert changed.total == tree_of(model).total


@given(ERRORS, SEEDS, st.integers(0, 2_000))
def test_weights_are_those_of_the_paper(errors, seed, update):
    buffer = filled(64, seed)
    buffer.update_priorities(np.arange(64), np.array(errors, dtype=np.float32))
    priorities = [(abs(float(np.float32(error))) + 1e-6) ** 0.6 for error in errors]
    drawn = buffer.sample(32, update)
    beta = 0.4 + 0.6 * min(1, update / 1_000)
    weights = [(64 * priorities[index] / sum(priorities)) ** -beta for index in drawn.indices]
    assert np.allclose(drawn.weights, np.array(weights) / max(weights), rtol=1e-5)
    assert mistaken(drawn) == []
    assert buffer.faults() == []


@given(ERRORS, SEEDS)
def test_each_share_of_the_sum_gives_one_transition(errors, seed):
    buffer = filled(64, seed)
    buffer.update_priorities(np.arange(64), np.array(errors, dtype=np.float32))
    drawn = buffer.sample(16, 3)
    ends = np.cumsum((np.abs(np.array(errors, dtype=np.float32).astype(np.float64)) + 1e-6) ** 0.6)
    shares = np.arange(16) * ends[-1] / 16
    begins, slack = np.append(0, ends), 1e-9 * ends[-1]
    assert (begins[drawn.indices] <= shares + ends[-1] / 16 + slack).all()
    assert (ends[drawn.indices] >= shares - slack).all()


def test_transitions_are_drawn_in_proportion_to_their_priorities():
    buffer = filled(100, seed=3, alpha=1.0)
    errors = np.random.default_rng(1).exponential(size=100).astype(np.float32)
    buffer.update_priorities(np.arange(100), errors)
    counts = np.zeros(100)
    for update in range(4_000):
        counts += np.bincount(buffer.sample(1, update).indices, minlength=100)  # 1: without strata, as chi-square wants
    expected = 4_000 * errors / errors.sum()
    common = expected >= 5
    assert ((counts - expected) ** 2 / expected)[common].sum() < CHI_SQUARE_99


@given(st.integers(1, 25_000), SEEDS)
def test_what_was_overwritten_keeps_no_priority(count, seed):
    buffer = filled(5_000, seed)
    indices = buffer.sample(64, 0).indices.copy()
    buffer.extend(numbered(5_000, count))
    buffer.update_priorities(indices, np.full(64, 1e6, np.float32))
    assert buffer.faults() == []
    oldest = buffer.added - len(buffer)
    raised = np.flatnonzero(buffer.state()["priorities"] != 1) + oldest  # 1 is what is new has
    assert raised.tolist() == sorted({index for index in indices.tolist() if index >= oldest})
    drawn = buffer.sample(256, 1)
    assert drawn.indices.min() >= oldest
    assert mistaken(drawn) == []


def test_what_is_new_is_drawn_like_the_most_surprising_so_far():
    buffer = filled(100, alpha=1.0)
    buffer.update_priorities(np.array([7]), np.array([50], dtype=np.float32))
    buffer.extend(numbered(100, 1))
    priorities = buffer.state()["priorities"]
    assert priorities[100] == priorities[7] == 50 + 1e-6


@pytest.mark.parametrize("error", [nan, inf, -inf])
def test_an_error_that_is_not_finite_changes_no_priority(error):
    buffer = filled(100)
    before = buffer.state()["priorities"]
    with pytest.raises(ValueError, match="not finite: no priority was changed"):
        buffer.update_priorities(np.arange(3), np.array([1, error, 1], dtype=np.float32))
    assert np.array_equal(buffer.state()["priorities"], before)
    assert buffer.faults() == []


@given(st.integers(64, 25_000), SEEDS, st.integers(0, 2_000), st.lists(st.integers(0, 3_000), max_size=4))
def test_a_restored_buffer_goes_on_exactly(count, seed, update, later):
    kept, restored = filled(count, seed), filled(99, seed)
    restored.restore(kept.state())
    for size in [*later, 0]:
        drawn = copied(kept.sample(16, update))
        assert same(drawn, restored.sample(16, update))
        for buffer in (kept, restored):
            buffer.update_priorities(drawn.indices, drawn.r_t)
            buffer.extend(numbered(buffer.added, size))
            assert buffer.faults() == []
        update += 1


def test_a_state_with_other_priorities_than_rows_is_refused():
    state = filled(100).state()
    with pytest.raises(ValueError, match="99 priorities for 100 rows"):
        filled(5).restore(state | {"priorities": state["priorities"][1:]})

"""The laws of the replay buffer: first in, first out; nothing but what is there; the same draw for the same update."""

from collections import deque
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drlactors.learner.replay_buffer import LEAST_CAPACITY, ReplayBuffer
from drlactors.learner.rows import NonFiniteExperience, Rows
from tests.unit.learner.numbered import FEATURES, copied, mistaken, numbered, same

SIZES = st.lists(st.integers(0, 7_000), min_size=1, max_size=6)
SEEDS = st.integers(0, 2**64 - 1)
#: The 99.9 % quantile of chi-square with 99 degrees of freedom.
CHI_SQUARE_99 = 148.2


def filled(sizes: list[int], seed: int = 0, capacity: int = LEAST_CAPACITY) -> ReplayBuffer:
    buffer = ReplayBuffer(FEATURES, seed=seed, capacity=capacity)
    for size in sizes:
        buffer.extend(numbered(buffer.added, size))
        assert buffer.faults() == []
    return buffer


@given(st.integers(1, 40), st.lists(st.integers(0, 100), max_size=8))
def test_the_newest_are_kept_in_the_order_in_which_they_came(capacity, sizes):
    rows = Rows(capacity, FEATURES)
    model: deque[int] = deque(maxlen=capacity)
    for size in sizes:
        model.extend(range(rows.added, rows.added + size))
        rows.extend(numbered(rows.added, size))
        assert rows.faults() == []
        assert rows.numbers().tolist() == list(model)
        everything = rows.drawn(len(rows))
        everything.batch.indices[:] = rows.numbers()
        assert rows.gather(everything).r_t.tolist() == list(model)
        assert mistaken(everything.batch) == []


@given(SIZES, SEEDS, st.integers(1, 200), st.integers(0, 2**40))
def test_only_what_is_there_is_drawn_and_each_row_is_one_transition(sizes, seed, batch, update):
    buffer = filled([*sizes, 1], seed)
    drawn = buffer.sample(batch, update)
    assert np.array_equal(drawn.r_t, drawn.indices)  # transitions are named by their numbers
    assert drawn.indices.min() >= buffer.added - len(buffer)
    assert drawn.indices.max() < buffer.added
    assert mistaken(drawn) == []
    assert (drawn.weights == 1).all()


@given(SEEDS, st.permutations(range(60, 70)))
def test_an_update_draws_the_same_whatever_was_drawn_before(seed, updates):
    buffer = filled([500], seed)
    drawn = {update: buffer.sample(8, update).indices.copy() for update in updates}
    for update in range(60, 70):
        assert np.array_equal(drawn[update], filled([500], seed).sample(8, update).indices)
    assert len({tuple(indices) for indices in drawn.values()}) == 10


@given(SIZES, SEEDS, st.integers(0, 9_999), SIZES)
def test_a_restored_buffer_goes_on_exactly(sizes, seed, update, later):
    kept = filled([*sizes, 1], seed)
    restored = filled([123], seed)
    restored.restore(kept.state())
    assert restored.faults() == []
    for size in later:
        assert same(copied(kept.sample(16, update)), restored.sample(16, update))
        for buffer in (kept, restored):
            buffer.extend(numbered(buffer.added, size))
        update += 1


@given(SIZES, st.tuples(*[st.integers(LEAST_CAPACITY, 2 * LEAST_CAPACITY)] * 2), st.integers(0, 12_000))
def test_of_a_state_of_another_capacity_the_newest_are_kept(sizes, capacities, later):
    kept, restored = (filled([], capacity=capacity) for capacity in capacities)
    for size in [*sizes, 1]:
        kept.extend(numbered(kept.added, size))
    restored.restore(kept.state())
    assert restored.added == kept.added
    assert np.array_equal(restored.state()["rows"], kept.state()["rows"][-restored.capacity :])
    restored.extend(numbered(restored.added, later))
    assert len(restored) == min(len(kept) + later, restored.capacity)
    assert restored.faults() == []


@given(
    st.sampled_from(["s_tm1", "r_t", "discount_t", "s_t", "propensity"]),
    st.sampled_from([nan, inf, -inf]),
    st.integers(1, 300),
    st.data(),
)
def test_a_set_with_a_value_that_is_not_finite_adds_nothing(column, value, count, data):
    buffer = filled([LEAST_CAPACITY - 100])
    before = buffer.state()
    row = data.draw(st.integers(0, count - 1))
    experiences = numbered(buffer.added, count)
    getattr(experiences, column)[row] = value
    with pytest.raises(NonFiniteExperience, match=rf"{column} of row {row} \(session \d+\) is not finite") as refusal:
        buffer.extend(experiences)
    assert (refusal.value.row, refusal.value.session) == (row, experiences.session[row])
    after = buffer.state()
    assert all(np.array_equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("added", [100, 9_900, 10_000, 25_050])
def test_all_are_drawn_equally_often(added):
    buffer = filled([added], seed=7)
    counts = np.zeros(100)
    for update in range(1_000):
        age = buffer.sample(128, update).indices - (added - len(buffer))
        counts += np.bincount(age * 100 // len(buffer), minlength=100)
    expected = counts.sum() / 100
    assert ((counts - expected) ** 2 / expected).sum() < CHI_SQUARE_99


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=40))
def test_large_values_are_finite(values):
    count = len(values)
    experiences = numbered(0, count)._replace(r_t=np.array(values, dtype=np.float32))
    rows = Rows(count, FEATURES)
    rows.extend(experiences)
    assert len(rows) == count

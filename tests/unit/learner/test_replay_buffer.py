"""What the replay buffer refuses, what it lends, and that threads do not meet in it."""

import sys
import threading

import numpy as np
import pytest

from drlactors.learner.prioritised import PrioritisedReplayBuffer
from drlactors.learner.replay_buffer import LEAST_CAPACITY, ReplayBuffer
from drlactors.learner.rows import Rows
from tests.unit.learner.numbered import FEATURES, mistaken, numbered, same


@pytest.fixture(params=[ReplayBuffer, PrioritisedReplayBuffer])
def buffer(request):
    return request.param(FEATURES, seed=1, capacity=LEAST_CAPACITY)


def test_training_begins_once_a_batch_is_there(buffer):
    assert not buffer.ready(64)
    buffer.extend(numbered(0, 63))
    assert not buffer.ready(64)
    buffer.extend(numbered(63, 1))
    assert buffer.ready(64)


def test_an_empty_buffer_has_nothing_to_draw(buffer):
    with pytest.raises(ValueError, match="an empty replay buffer has nothing to draw"):
        buffer.sample(1, 0)


def test_a_buffer_holds_ten_thousand_at_least():
    with pytest.raises(ValueError, match="at least 10000 transitions, not 9999"):
        ReplayBuffer(FEATURES, seed=1, capacity=9_999)


def test_no_transitions_are_no_change(buffer):
    buffer.extend(numbered(0, 0))
    assert (len(buffer), buffer.faults()) == (0, [])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"s_tm1": np.zeros((4, FEATURES + 1), np.float32)}, r"s_tm1 has the shape \(4, 4\), not \(4, 3\)"),
        ({"s_t": np.zeros((4, FEATURES + 1), np.float32)}, r"s_t has the shape \(4, 4\), not \(4, 3\)"),
        ({"r_t": np.zeros(1, np.float32)}, r"r_t has the shape \(1,\), not \(4,\)"),
        ({"r_t": np.zeros((4, 1), np.float32)}, "r_t is float32 in 2 dimensions, not float32"),
        ({"r_t": np.zeros(4)}, "r_t is float64 in 1 dimensions, not float32"),
        ({"a_tm1": np.array([0, 1, 5, 2], np.int8)}, "row 2 has no such action as 5"),
        ({"a_tm1": np.array([0, -1, 0, 2], np.int8)}, "row 1 has no such action as -1"),
        ({"mask_t": np.array([1, 1, 0, 1], np.uint8)}, "in s_t of row 2 nothing is permitted"),
    ],
)
def test_a_set_of_another_shape_or_meaning_adds_nothing(buffer, changed, said):
    with pytest.raises(ValueError, match=said):
        buffer.extend(numbered(0, 4)._replace(**changed))
    assert (len(buffer), buffer.faults()) == (0, [])


def test_a_batch_is_in_the_same_arrays_as_the_last_of_its_size(buffer):
    buffer.extend(numbered(0, 1_000))
    first, second = buffer.sample(32, 0), buffer.sample(32, 1)
    assert all(mine is its for mine, its in zip(first, second, strict=True))
    assert buffer.sample(16, 0).s_t.shape == (16, FEATURES)
    assert mistaken(first) == []


def test_a_row_of_thirty_features_takes_four_cache_lines():
    rows = Rows(10, features=30)
    assert rows.row_bytes == 256


def test_columns_in_another_order_of_memory_are_the_same_columns(buffer):
    doubled = numbered(0, 40)
    buffer.extend(doubled._replace(s_tm1=np.asfortranarray(doubled.s_tm1), r_t=np.repeat(doubled.r_t, 2)[::2]))
    assert mistaken(buffer.sample(64, 0)) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"features": np.array(FEATURES + 1)}, "does not fit this ring"),
        ({"rows": np.zeros((10, 128), np.uint8)}, "does not fit this ring"),
        ({"added": np.array(9)}, "10 rows says that 9 were ever added"),
    ],
)
def test_a_state_of_something_else_is_refused_and_changes_nothing(buffer, changed, said):
    buffer.extend(numbered(0, 10))
    state = buffer.state()
    with pytest.raises(ValueError, match=said):
        buffer.restore(state | changed)
    assert np.array_equal(buffer.state()["rows"], state["rows"])


@pytest.fixture
def restless_threads():
    """Threads that take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_threads_add_while_one_samples(buffer, restless_threads):
    """Two add, each numbers of its own, and go round the ring many times; no row that is drawn mixes transitions."""
    each, block = 20 * LEAST_CAPACITY, 50
    sampled, failures = threading.Event(), []

    def add(first: int) -> None:
        for at in range(first, first + each, block):
            buffer.extend(numbered(at, block))
            if at == first:
                sampled.wait(60)  # so that adding and sampling surely overlap

    def check() -> None:
        batch = buffer.sample(512, 0)
        failures.extend(mistaken(batch))
        if isinstance(buffer, PrioritisedReplayBuffer):
            buffer.update_priorities(batch.indices, batch.r_t)

    buffer.extend(numbered(0, block))
    adders = [threading.Thread(target=add, args=(first,)) for first in (0, each)]
    for adder in adders:
        adder.start()
    while any(adder.is_alive() for adder in adders):
        check()
        sampled.set()
    for adder in adders:
        adder.join()
    assert failures == []
    assert buffer.added == 2 * each + block
    assert buffer.faults() == []


def test_fewer_rows_are_the_same_columns():
    assert same(numbered(0, 10).select(slice(2, 5)), numbered(2, 3))
    assert same(numbered(0, 10).select(np.array([2, 3, 4])), numbered(2, 3))


def test_a_cleared_buffer_holds_nothing_and_its_numbers_go_on(buffer):
    buffer.extend(numbered(0, 100))
    buffer.clear()
    assert (len(buffer), buffer.added, buffer.faults()) == (0, 100, [])
    buffer.extend(numbered(100, 50))
    assert sorted(set(buffer.sample(512, 0).indices.tolist())) == list(range(100, 150))
    assert (mistaken(buffer.sample(512, 1)), buffer.faults()) == ([], [])

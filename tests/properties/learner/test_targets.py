"""Targets and losses are what a loop over the rows, written from the papers, says."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from drlactors.domain.permission import best
from drlactors.learner import targets

ACTIONS = 5
VALUES = st.floats(-100, 100, width=32)


@st.composite
def rows(draw):
    """Columns of a few rows; every mask permits something, and some rows are true ends."""
    n = draw(st.integers(1, 8))

    def column(elements, *shape, dtype=np.float32):
        return torch.from_numpy(draw(arrays(dtype, (n, *shape), elements=elements)))

    bits = column(st.integers(1, 2**ACTIONS - 1), dtype=np.int64)
    return {
        "a_tm1": column(st.integers(0, ACTIONS - 1), dtype=np.int64),
        "r_t": column(VALUES),
        "discount_t": column(st.sampled_from([0.0, 0.9, 0.99**3])),
        "q_t": column(VALUES, ACTIONS),
        "selector_t": column(VALUES, ACTIONS),
        "logits": column(st.floats(-20, 20, width=32), ACTIONS),
        "mask": (bits.unsqueeze(1) >> torch.arange(ACTIONS) & 1).bool(),
    }


def permitted(mask):
    return [action for action in range(ACTIONS) if mask[action]]


@given(rows())
@settings(max_examples=200)
def test_the_target_is_the_loop_of_double_q_learning(given_rows):
    r_t, discount_t, q_t, selector_t, mask = (
        given_rows[name] for name in ("r_t", "discount_t", "q_t", "selector_t", "mask")
    )
    found = targets.bootstrapped(r_t, discount_t, q_t, selector_t, mask)
    for row in range(len(r_t)):
        chosen = max(permitted(mask[row]), key=lambda action: selector_t[row, action].item())
        expected = r_t[row].item() + discount_t[row].item() * q_t[row, chosen].item()
        assert found[row].item() == pytest.approx(expected, rel=1e-5, abs=1e-4)


@given(rows())
@settings(max_examples=200)
def test_with_its_own_values_as_selector_the_target_is_the_masked_maximum(given_rows):
    r_t, discount_t, q_t, mask = (given_rows[name] for name in ("r_t", "discount_t", "q_t", "mask"))
    found = targets.bootstrapped(r_t, discount_t, q_t, q_t, mask)
    for row in range(len(r_t)):
        highest = max(q_t[row, action].item() for action in permitted(mask[row]))
        expected = r_t[row].item() + discount_t[row].item() * highest
        assert found[row].item() == pytest.approx(expected, rel=1e-5, abs=1e-4)


@given(rows(), st.floats(allow_nan=True, allow_infinity=True, width=32))
@settings(max_examples=200)
def test_what_is_not_permitted_changes_no_target(given_rows, anything):
    """Whatever the networks say of it, be it not even a number."""
    r_t, discount_t, q_t, selector_t, mask = (
        given_rows[name] for name in ("r_t", "discount_t", "q_t", "selector_t", "mask")
    )
    other_q, other_selector = q_t.clone(), selector_t.clone()
    other_q[~mask] = other_selector[~mask] = anything
    found = targets.bootstrapped(r_t, discount_t, other_q, other_selector, mask)
    assert torch.equal(found, targets.bootstrapped(r_t, discount_t, q_t, selector_t, mask))


@given(rows())
@settings(max_examples=200)
def test_the_greedy_action_is_the_one_that_serving_takes(given_rows):
    values, mask = given_rows["q_t"], given_rows["mask"]
    found = targets.greedy(values, mask)
    for row in range(len(values)):
        bits = sum(1 << action for action in permitted(mask[row]))
        assert found[row].item() == best(values[row].tolist(), bits)


@given(rows(), st.floats(0.01, 1.0))
@settings(max_examples=200)
def test_actions_without_support_come_last_and_keep_their_order(given_rows, threshold):
    values, logits = given_rows["q_t"], given_rows["logits"]
    found = targets.supported(values, logits, threshold)
    for row in range(len(values)):
        shares = torch.softmax(logits[row].double(), dim=0)
        shares = shares / shares.max()
        kept = [action for action in range(ACTIONS) if found[row, action] == values[row, action]]
        assert kept
        for action in range(ACTIONS):
            share = shares[action].item()
            if not math.isclose(share, threshold, rel_tol=1e-4):
                assert (action in kept) == (share >= threshold)
        dropped = [action for action in range(ACTIONS) if action not in kept]
        if dropped:
            assert max(found[row, action] for action in dropped) < min(found[row, action] for action in kept)


@given(rows())
@settings(max_examples=200)
def test_the_conservative_penalty_is_the_loop_over_permitted_actions(given_rows):
    q, a, mask = given_rows["q_t"], given_rows["a_tm1"], given_rows["mask"]
    found = targets.conservative(q, a, mask)
    for row in range(len(q)):
        soft = np.logaddexp.reduce([q[row, action].item() for action in permitted(mask[row])])
        assert found[row].item() == pytest.approx(soft - q[row, a[row]].item(), rel=1e-4, abs=1e-3)


@given(arrays(np.float32, st.integers(1, 20), elements=VALUES), st.floats(0.1, 10.0))
@settings(max_examples=200)
def test_huber_is_a_square_within_delta_and_linear_beyond(errors, delta):
    found = targets.huber(torch.zeros(len(errors)), torch.from_numpy(errors), delta)
    for error, loss in zip(errors.tolist(), found.tolist(), strict=True):
        expected = error**2 / 2 if abs(error) <= delta else delta * (abs(error) - delta / 2)
        assert loss == pytest.approx(expected, rel=1e-4, abs=1e-4)

"""The agent takes permitted actions only, tries out what may be tried, and says with which probability."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from drlactors.domain.action import Action
from drlactors.domain.exploration import choice
from drlactors.domain.permission import best
from drlactors.learner.agent import choose, probabilities

ACTIONS = len(Action)
IRREVERSIBLE = [action for action in Action if action.irreversible]


@st.composite
def decisions(draw):
    n = draw(st.integers(1, 8))
    values = draw(arrays(np.float32, (n, ACTIONS), elements=st.floats(-1e4, 1e4, width=32)))
    bits = draw(arrays(np.int64, (n, 1), elements=st.integers(1, 2**ACTIONS - 1)))
    return values, (bits >> np.arange(ACTIONS) & 1).astype(bool)


EPSILON = st.floats(0.0, 1.0)


@given(decisions(), EPSILON)
@settings(max_examples=200)
def test_probabilities_are_probabilities_of_permitted_actions(decision, epsilon):
    values, masks = decision
    chances = probabilities(values, masks, epsilon)
    np.testing.assert_allclose(chances.sum(axis=1), 1.0)
    assert (chances >= 0).all()
    assert not chances[~masks].any()


@given(decisions(), EPSILON)
@settings(max_examples=200)
def test_exploration_adds_nothing_to_final_actions(decision, epsilon):
    values, masks = decision
    chances = probabilities(values, masks, epsilon)
    best = np.where(masks, values, -np.inf).argmax(axis=1)
    for row, action in np.ndindex(chances.shape):
        if Action(action).irreversible and action != best[row]:
            assert chances[row, action] == 0.0


@given(decisions(), EPSILON, st.integers(0, 2**32))
@settings(max_examples=300)
def test_the_propensity_is_the_probability_of_what_was_chosen(decision, epsilon, seed):
    values, masks = decision
    chosen = choose(values, masks, epsilon, np.random.default_rng(seed))
    rows = np.arange(len(values))
    assert masks[rows, chosen.actions].all()
    assert (chosen.propensity > 0).all()
    np.testing.assert_array_equal(
        chosen.propensity, probabilities(values, masks, epsilon)[rows, chosen.actions].astype(np.float32)
    )


@given(decisions(), st.integers(0, 2**32))
@settings(max_examples=100)
def test_without_exploration_the_best_permitted_action_is_certain(decision, seed):
    values, masks = decision
    chosen = choose(values, masks, 0.0, np.random.default_rng(seed))
    np.testing.assert_array_equal(chosen.actions, np.where(masks, values, -np.inf).argmax(axis=1))
    assert (chosen.propensity == 1.0).all()


@given(decisions(), EPSILON, st.floats(0.0, 1.0, exclude_max=True))
@settings(max_examples=200)
def test_what_serves_chooses_with_the_chances_of_the_agent(decision, epsilon, drawn):
    values, masks = decision
    masks[:, Action.CONTINUE] = True  # as always where it serves
    chances = probabilities(values, masks, epsilon)
    for row, mask in enumerate(masks @ (1 << np.arange(ACTIONS))):
        chosen = choice(values[row].tolist(), int(mask), epsilon, drawn)
        action = best(values[row].tolist(), int(mask)) if chosen.tried is None else chosen.tried
        np.testing.assert_allclose(chosen.propensity, chances[row, action])


def test_choices_come_as_often_as_their_propensity_says():
    values = np.tile(np.array([[0.0, 1.0, 5.0, 2.0, -1.0]], dtype=np.float32), (100_000, 1))
    masks = np.ones_like(values, dtype=bool)
    chosen = choose(values, masks, 0.3, np.random.default_rng(1))
    shares = np.bincount(chosen.actions, minlength=ACTIONS) / len(values)
    np.testing.assert_allclose(shares, [0.15, 0.15, 0.7, 0.0, 0.0], atol=0.005)

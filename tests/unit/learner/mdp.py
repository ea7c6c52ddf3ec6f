"""A session of four windows with known values, and experiences made up for tests."""

import numpy as np

from drlactors.domain.action import Action
from drlactors.learner.batch import Batch, Experiences
from drlactors.learner.replay_buffer import ReplayBuffer

STATES, ACTIONS = 4, len(Action)
GAMMA = 0.9
#: Going on costs a little; killing pays more the later it comes, and is not permitted before the second window.
WATCHING, KILLING = -0.1, (0.0, 0.2, 1.0, 0.5)
#: Ends a session just as well as killing, for a fortune: it is permitted nowhere.
FORBIDDEN, FORTUNE = Action.QUARANTINE, 100.0
MASKS = tuple(1 << Action.CONTINUE | (1 << Action.TERMINATE if window else 0) for window in range(STATES))


def values() -> dict[tuple[int, Action], float]:
    """Q* of each permitted action in each window, backwards from the last one, after which the session ends at 0."""
    known: dict[tuple[int, Action], float] = {}
    beyond = 0.0
    for window in reversed(range(STATES)):
        known[window, Action.CONTINUE] = WATCHING + GAMMA * beyond
        if window:
            known[window, Action.TERMINATE] = KILLING[window]
        beyond = max(value for (at, _), value in known.items() if at == window)
    return known


def experiences(repeated: int = 1, *, without: tuple[tuple[int, Action], ...] = ()) -> Experiences:
    """Each permitted action of each window once, times ``repeated``; ``without`` some of them."""
    rows = []
    for window in range(STATES):
        for action in (Action.CONTINUE, Action.TERMINATE):
            if not MASKS[window] >> action & 1 or (window, action) in without:
                continue
            ends = action is Action.TERMINATE or window + 1 == STATES
            reward = KILLING[window] if action is Action.TERMINATE else WATCHING
            following = window if ends else window + 1
            rows.append((window, action, reward, 0.0 if ends else GAMMA, following))
    here, chosen, rewards, discounts, there = map(np.array, zip(*rows * repeated, strict=True))
    masks = np.array(MASKS, dtype=np.uint8)
    return Experiences(
        s_tm1=np.eye(STATES, dtype=np.float32)[here],
        a_tm1=chosen.astype(np.int8),
        r_t=rewards.astype(np.float32),
        discount_t=discounts.astype(np.float32),
        s_t=np.eye(STATES, dtype=np.float32)[there],
        mask_tm1=masks[here],
        mask_t=masks[there],
        propensity=np.full(len(here), 0.5, dtype=np.float32),
        session=np.arange(len(here)),
    )


def random_experiences(count: int, features: int = 6, seed: int = 0) -> Experiences:
    dice = np.random.default_rng(seed)
    return Experiences(
        s_tm1=dice.random((count, features), dtype=np.float32),
        a_tm1=dice.integers(0, ACTIONS, count, dtype=np.int8),
        r_t=dice.normal(size=count).astype(np.float32),
        discount_t=np.where(dice.random(count) < 0.1, 0.0, 0.99).astype(np.float32),
        s_t=dice.random((count, features), dtype=np.float32),
        mask_tm1=np.full(count, 2**ACTIONS - 1, dtype=np.uint8),
        mask_t=dice.integers(1, 2**ACTIONS, count, dtype=np.uint8),
        propensity=np.ones(count, dtype=np.float32),
        session=np.arange(count),
    )


def filled(experiences: Experiences, seed: int = 0) -> ReplayBuffer:
    buffer = ReplayBuffer(experiences.s_tm1.shape[1], seed=seed)
    buffer.extend(experiences)
    return buffer


def batch(experiences: Experiences) -> Batch:
    """All rows, in their order."""
    return Batch(
        s_tm1=experiences.s_tm1,
        a_tm1=experiences.a_tm1.astype(np.int64),
        r_t=experiences.r_t,
        discount_t=experiences.discount_t,
        s_t=experiences.s_t,
        mask_tm1=(experiences.mask_tm1[:, None] >> np.arange(ACTIONS) & 1).astype(bool),
        mask_t=(experiences.mask_t[:, None] >> np.arange(ACTIONS) & 1).astype(bool),
        propensity=experiences.propensity,
        weights=np.ones(len(experiences.a_tm1), dtype=np.float32),
        indices=np.arange(len(experiences.a_tm1)),
    )

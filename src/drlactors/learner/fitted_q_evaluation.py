"""Fitted Q evaluation: the value of a policy by regression on logged transitions (Le, Voloshin, and Yue 2019)."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from drlactors.domain.action import Action
from drlactors.learner.batch import Experiences
from drlactors.learner.intervals import Floats
from drlactors.learner.off_policy import STOPS, Actions

#: Two iterations no further apart are the same.
TOLERANCE = 1e-6
#: What a state looks like to the regression: (n, features) -> (n, d).
Features = Callable[[npt.NDArray[np.float32]], Floats]


class Judgement(NamedTuple):
    """What the judged policy does along the log, and what stopping is worth there."""

    chosen_tm1: Actions  # (n,): at s_tm1
    chosen_t: Actions  # (n,): at s_t
    stop_r: Floats  # (n,): what stopping the row's session is worth


def random_features(inputs: int, width: int = 96, seed: int = 0) -> Features:
    """A constant, the state, and ``width`` random rectified sums of it (Rahimi and Recht 2008)."""
    dice = np.random.Generator(np.random.Philox(seed))
    weights = dice.normal(size=(inputs, width)) * np.sqrt(2 / inputs)
    offsets = dice.uniform(-1, 1, size=width)

    def features(states: npt.NDArray[np.float32]) -> Floats:
        plain = states.astype(np.float64)
        return np.hstack([np.ones((len(plain), 1)), plain, np.maximum(plain @ weights + offsets, 0.0)])

    return features


class Design(NamedTuple):
    """The features of a log's states, made once for many fits."""

    tm1: Floats  # (n, d)
    t: Floats  # (n, d)


def design(logged: Experiences, features: Features) -> Design:
    return Design(features(logged.s_tm1), features(logged.s_t))


def fit(
    logged: Experiences,
    judgement: Judgement,
    seen: Design,
    *,
    weights: Floats | None = None,
    iterations: int = 200,
    ridge: float = 1e-5,
) -> Floats:
    """Coefficients, (actions, d), of the judged policy's values of each action that goes on.

    Each iteration regresses r + discount * value(s_t) of the log's transitions on the features, for each action by
    itself. Where the judged policy stops at s_t, that value is ``stop_r``, which is known. Values are held within what
    sessions have earned: a regression that feeds on itself may run away. ``weights``: (n,), how often each row counts.
    """
    often = np.ones(len(logged.r_t)) if weights is None else weights
    r_t, discount_t = logged.r_t.astype(np.float64), logged.discount_t.astype(np.float64)
    least, most = _bounds(r_t, logged.session, judgement.stop_r)
    every, stops = np.arange(len(r_t)), STOPS[judgement.chosen_t]
    theta = np.zeros((len(Action), seen.tm1.shape[1]))
    regressions = []
    for action in Action:
        at = np.flatnonzero((logged.a_tm1 == action) & (often > 0))
        if at.size and not action.irreversible:
            weighted = seen.tm1[at].T * often[at]
            square = weighted @ seen.tm1[at] + ridge * often[at].sum() * np.eye(theta.shape[1])
            regressions.append((action, at, np.linalg.solve(square, weighted)))
    for _ in range(iterations):
        going_on = np.clip((seen.t @ theta.T)[every, judgement.chosen_t], least, most)
        target = r_t + discount_t * np.where(stops, judgement.stop_r, going_on)
        before = theta.copy()
        for action, at, solution in regressions:
            theta[action] = solution @ target[at]
        if np.abs(theta - before).max(initial=0.0) < TOLERANCE:
            break
    return theta


def values(theta: Floats, seen: Floats, actions: Actions) -> Floats:
    """What the judged policy earns from states with these features on, (n,), beginning with these actions.

    None of the actions stops: what that is worth is known.
    """
    found: Floats = (seen @ theta.T)[np.arange(len(seen)), actions]
    return found


def _bounds(r_t: Floats, session: npt.NDArray[np.int64], stop_r: Floats) -> tuple[float, float]:
    """The least and the most that the rest of a session has earned, or could earn by being stopped."""
    rest = np.cumsum(r_t[::-1])[::-1]
    last = np.append(session[1:] != session[:-1], True)
    behind = np.append(rest[1:], 0.0)  # of the sessions that follow, where a session ends
    ends = np.flatnonzero(last)
    rest = rest - behind[ends][np.searchsorted(ends, np.arange(len(rest)))]
    every = np.concatenate([rest, stop_r, [0.0]])
    return float(every.min()), float(every.max())

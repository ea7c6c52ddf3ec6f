"""What another policy would have earned in logged sessions, from the log alone.

The policies that are judged here are deterministic: the best permitted action. What they would have done is given as
actions, one for each logged state; the values that they rank by are no evidence and are not looked at.

Some of what the log does not show is known all the same. Once the truth of a session is known, so is what stopping it
is worth: ``reward.of_action``. Where the judged policy stops, its session ends with that, whatever the log did then
(supposing that stopping succeeds). What nothing can tell is how a session that the log stopped would have gone on, and
what comes of an action that the log never takes there. A log without exploration answers for no other action than its
own: such sessions are counted as unsupported, and carry no weight.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from drlactors.domain.action import Action
from drlactors.learner.batch import Experiences
from drlactors.learner.evaluation import Rank
from drlactors.learner.intervals import Counts, Floats

Actions = npt.NDArray[np.int8]
Bools = npt.NDArray[np.bool_]

STOPS = np.array([action.irreversible for action in Action])
#: A propensity is a float32: so near to 1, nothing else was ever chosen.
CERTAIN = 1 - 1e-6


class Judged(NamedTuple):
    """n rows of m sessions, followed for as long as the judged policy goes on."""

    rows: npt.NDArray[np.intp]  # (n,): which of the experiences
    session: npt.NDArray[np.intp]  # (n,): 0 to m - 1, ascending
    step: npt.NDArray[np.intp]  # (n,): from 0
    stops: Bools  # (n,): the judged policy stops here
    r_t: Floats  # (n,): what stopping is worth where it stops, else what the log has
    discount_t: Floats  # (n,): 0 where it stops
    ratio: Floats  # (n,): pi / b of the step: 1 where it stops, 0 where it does other than the log
    unsupported: Bools  # (m,): it does what the log cannot answer for
    ids: npt.NDArray[np.int64]  # (m,): the sessions, as the experiences call them


class Grid(NamedTuple):
    """Sessions side by side, (m, steps of the longest): one that is over keeps its weight and earns nothing."""

    r_t: Floats
    discount: Floats  # product of the discounts before the step
    weight: Floats  # product of the ratios up to and with the step


def choose(rank: Rank, vectors: npt.NDArray[np.float32], masks: npt.NDArray[np.uint8]) -> Actions:
    """The best permitted action of each row, as ``permission.best`` has it."""
    permitted = (masks[:, None] >> np.arange(len(Action)) & 1).astype(np.bool_)
    values = rank(vectors)
    chosen: Actions = np.where(permitted & (values > -np.inf), values, -np.inf).argmax(axis=1).astype(np.int8)
    return chosen


def complete(logged: Experiences) -> Experiences:
    """Those of sessions whose true end the log has: what became of the others is not known."""
    last = np.append(logged.session[1:] != logged.session[:-1], True)[: len(logged.session)]
    kept = np.isin(logged.session, logged.session[last & (logged.discount_t == 0)])
    return Experiences._make(column[kept] for column in logged)


def follow(logged: Experiences, chosen: Actions, stop_r: Floats) -> Judged:
    """Follow the judged policy through the log of complete sessions.

    ``chosen``: (n,), what it would do at s_tm1. ``stop_r``: what stopping is worth, by session as the experiences
    number them.
    """
    ids, session = np.unique(logged.session, return_inverse=True)
    rows = np.flatnonzero(~_behind(STOPS[chosen], session))
    session, stops = session[rows], STOPS[chosen[rows]]
    same = chosen[rows] == logged.a_tm1[rows]
    propensity = logged.propensity[rows].astype(np.float64)
    unanswered = ~stops & ~same & ((propensity >= CERTAIN) | STOPS[logged.a_tm1[rows]])
    reached = ~_behind(~stops & ~same, session)  # up to its first departure from the log
    return Judged(
        rows=rows,
        session=session,
        step=np.arange(len(rows)) - np.searchsorted(session, session),
        stops=stops,
        r_t=np.where(stops, stop_r[logged.session[rows]], logged.r_t[rows].astype(np.float64)),
        discount_t=np.where(stops, 0.0, logged.discount_t[rows].astype(np.float64)),
        ratio=np.where(stops, 1.0, same / propensity),
        unsupported=np.bincount(session, unanswered & reached, minlength=len(ids)) > 0,
        ids=ids,
    )


def grid(judged: Judged) -> Grid:
    """The same, side by side."""
    shape = len(judged.ids), int(judged.step.max()) + 1 if judged.step.size else 0
    place = judged.session, judged.step
    r_t, ratio, discount = np.zeros(shape), np.ones(shape), np.ones(shape)
    r_t[place], ratio[place], discount[place] = judged.r_t, judged.ratio, judged.discount_t
    before = np.ones(shape)
    before[:, 1:] = np.cumprod(discount, axis=1)[:, :-1]
    return Grid(r_t, before, np.cumprod(ratio, axis=1, dtype=np.float64))


def effective(judged: Judged) -> float:
    """How many sessions of equal weight say as much: (sum w)^2 / sum w^2 (Kish 1965), w at the sessions' ends."""
    weights = grid(judged).weight[:, -1] if judged.rows.size else np.zeros(0)
    square = float((weights * weights).sum())
    return float(weights.sum()) ** 2 / square if square else 0.0


def weighted_importance_sampling(judged: Judged, drawn: Counts) -> tuple[float, Floats]:
    """The value of the judged policy, and in each resample; not a number where no session supports some step.

    Per-decision (Precup, Sutton, and Singh 2000), each step weighted by itself (Thomas 2015, CWPDIS): the sum over t
    of sum_i discount w r / sum_i w. Consistent, and biased with few sessions towards what the log itself earned.
    """
    cells = grid(judged)
    earned = cells.discount * cells.weight * cells.r_t
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float((earned.sum(axis=0) / cells.weight.sum(axis=0)).sum())
        replicates: Floats = ((drawn @ earned) / (drawn @ cells.weight)).sum(axis=1)
    return (value if judged.rows.size else float("nan")), replicates


def doubly_robust(judged: Judged, q_logged: Floats, q_chosen: Floats) -> Floats:
    """The value of each session, (m,), for the judged policy (Jiang and Li 2016, equation 10).

    ``q_logged``, ``q_chosen``: (n,), a model's values of the action in the log and of the one that is judged, fitted
    to other sessions. Unbiased if the propensities are right, whatever the model; where it stops, no model is asked.
    """
    shape = len(judged.ids), int(judged.step.max()) + 1 if judged.step.size else 0
    value = np.zeros(shape[0])
    at = np.full(shape, -1, dtype=np.intp)
    at[judged.session, judged.step] = np.arange(len(judged.rows))
    for step in reversed(range(shape[1])):
        there = at[:, step] >= 0
        row = at[there, step]
        following = judged.r_t[row] + judged.discount_t[row] * value[there]
        corrected = q_chosen[row] + judged.ratio[row] * (following - q_logged[row])
        value[there] = np.where(judged.stops[row], judged.r_t[row], corrected)
    return value


def _behind(ends: Bools, session: npt.NDArray[np.intp]) -> Bools:
    """Which rows come after one that ended their session; ``session``: 0 to m - 1, ascending."""
    before: npt.NDArray[np.int64] = np.cumsum(ends) - ends
    behind: Bools = before > before[np.searchsorted(session, session)]
    return behind

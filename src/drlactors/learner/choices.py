"""What sessions would have taught by other choices than those that were made, as far as that is known."""

import numpy as np
import numpy.typing as npt

from drlactors.domain import reward
from drlactors.domain.action import Action
from drlactors.learner.batch import Experiences
from drlactors.learner.off_policy import STOPS
from drlactors.learner.transitions import Table


def every_choice(traces: Table, gamma: float) -> Experiences:
    """Each permitted choice in each row of a table as a transition, as if it had been drawn from them uniformly.

    Recorded behaviour does not react, so all of them are known. Each row counts as a session of its own: what follows
    in the table is not what follows the choice, and no return reaches beyond one step.
    """
    rows, actions = np.nonzero(traces.permitted)
    following = traces.following[rows, actions]
    ends = following < 0
    there = np.where(ends, rows, following)
    masks = (traces.permitted << np.arange(len(Action))).sum(axis=1).astype(np.uint8)
    return Experiences(
        s_tm1=traces.vectors[rows],
        a_tm1=actions.astype(np.int8),
        r_t=traces.rewards[rows, actions],
        discount_t=np.where(ends, 0.0, gamma).astype(np.float32),
        s_t=traces.vectors[there],
        mask_tm1=masks[rows],
        mask_t=masks[there],
        propensity=(1 / traces.permitted.sum(axis=1))[rows].astype(np.float32),
        session=np.arange(len(rows)),
    )


def with_stops(logged: Experiences, malicious: npt.NDArray[np.bool_], weights: reward.Weights) -> Experiences:
    """The log's transitions, and what stopping would have been worth wherever it was permitted and not chosen.

    ``malicious``: the truth by session, as ``logged.session`` numbers them. Once that is known, so is what a final
    action is worth: ``reward.of_action``, and nothing follows. That it would have succeeded is supposed. Behind each
    session stand its stops, as one of their own: session n becomes 2n, its stops 2n + 1.
    """
    worth = np.array(
        [
            [reward.of_action(weights, action, malicious=bad, failed=False) for action in Action]
            for bad in (False, True)
        ],
        dtype=np.float32,
    )
    every = np.arange(len(Action))
    permitted = (logged.mask_tm1[:, None] >> every & 1).astype(np.bool_)
    rows, actions = np.nonzero(permitted & STOPS & (logged.a_tm1[:, None] != every))
    here = logged.select(rows)
    stops = here._replace(
        a_tm1=actions.astype(np.int8),
        r_t=worth[malicious[here.session].astype(np.intp), actions],
        discount_t=np.zeros(len(rows), dtype=np.float32),
        s_t=here.s_tm1,
        mask_t=here.mask_tm1,
        session=2 * here.session + 1,
    )
    both = [np.concatenate([ours, theirs]) for ours, theirs in zip(logged, stops, strict=True)]
    both[-1][: len(logged.session)] *= 2
    return Experiences._make(both).select(np.argsort(both[-1], kind="stable"))

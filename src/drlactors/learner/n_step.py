"""n-step returns: each transition reaches up to n steps ahead (Sutton 1988; in Rainbow, Hessel et al. 2018, section 3).

R = r_1 + d_1 r_2 + d_1 d_2 r_3 + ..., to be followed by d_1 ... d_m times the value of the state m steps ahead.
"""

import numpy as np

from drlactors.learner.batch import Experiences


def n_step(experiences: Experiences, n: int) -> Experiences:
    """As many transitions, each over m <= n steps: to a true end (its discount is 0) or to its session's last row.

    The last row of a session that was cut off has a discount, and so those before it bootstrap from its ``s_t``.
    What was chosen on the way is taken as it is: the more the policy has changed since, the more a large n is off.
    Give whole sessions: rows of a session that come in another set are not seen from here.
    """
    if n < 1:
        raise ValueError(f"a return is over at least one step, not {n}")
    count = len(experiences.a_tm1)
    returns = experiences.r_t.astype(np.float64)
    discounts = experiences.discount_t.astype(np.float64)
    last = np.arange(count)
    for ahead in range(1, min(n, count)):
        here = np.flatnonzero(
            (experiences.session[ahead:] == experiences.session[:-ahead])
            & (discounts[:-ahead] != 0)
            & (last[:-ahead] == np.arange(ahead - 1, count - 1))  # nothing stopped it before
        )
        there = here + ahead
        returns[here] += discounts[here] * experiences.r_t[there]
        discounts[here] *= experiences.discount_t[there]
        last[here] = there
    return experiences._replace(
        r_t=returns.astype(np.float32),
        discount_t=discounts.astype(np.float32),
        s_t=experiences.s_t[last],
        mask_t=experiences.mask_t[last],
    )

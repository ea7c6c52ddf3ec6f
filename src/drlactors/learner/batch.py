"""The two shapes in which the learner passes transitions on: columns in order, and a batch drawn from them.

Times follow s_tm1, a_tm1, r_t, discount_t, s_t: a discount of 0 is a true end, and nothing else is.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Float32s = npt.NDArray[np.float32]
Int64s = npt.NDArray[np.int64]


class Experiences(NamedTuple):
    """Columns of n transitions: what a projection gives and a replay buffer takes.

    The rows of one session are contiguous and in the order of its steps; that is what n-step returns, bootstraps over
    sessions, and splits go by. A mask has bit a set when action a is permitted.
    """

    s_tm1: Float32s  # (n, features)
    a_tm1: npt.NDArray[np.int8]  # (n,)
    r_t: Float32s  # (n,)
    discount_t: Float32s  # (n,): what the value of s_t counts; 0 only at true ends
    s_t: Float32s  # (n, features)
    mask_tm1: npt.NDArray[np.uint8]  # (n,)
    mask_t: npt.NDArray[np.uint8]  # (n,)
    propensity: Float32s  # (n,): with which a_tm1 was chosen
    session: Int64s  # (n,): which session of this set

    def select(self, rows: slice | npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> "Experiences":
        """The same columns of fewer rows; views of them when ``rows`` is a slice."""
        return Experiences._make(column[rows] for column in self)


class Batch(NamedTuple):
    """Transitions drawn from a replay buffer: what an update takes."""

    s_tm1: Float32s  # (batch, features)
    a_tm1: Int64s  # (batch,)
    r_t: Float32s  # (batch,)
    discount_t: Float32s  # (batch,)
    s_t: Float32s  # (batch, features)
    mask_tm1: npt.NDArray[np.bool_]  # (batch, actions): what was permitted when a_tm1 was chosen
    mask_t: npt.NDArray[np.bool_]  # (batch, actions): what targets may choose from
    propensity: Float32s  # (batch,)
    weights: Float32s  # (batch,): importance weights; 1 when drawn uniformly
    indices: Int64s  # (batch,): where the rows stand in the buffer

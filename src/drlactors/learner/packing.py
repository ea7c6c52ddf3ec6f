"""How transitions lie in rows of bytes, and how columns are checked and written there.

A row is float32 s_tm1, s_t, r_t, discount_t, propensity, then a byte each of a_tm1, mask_tm1, mask_t, and then zeros
up to the next cache line. The passes are compiled by Numba: a set of 32 takes a sixth of the time of NumPy's calls.
"""

from collections.abc import Callable
from functools import cache
from itertools import accumulate
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from drlactors.domain.action import Action
from drlactors.learner.batch import Float32s

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint32]

CACHE_LINE_BYTES = 64
#: What the passes give beside a row: all is well, or the columns do not even belong together.
FINE, MISSHAPEN = -1, -2

_NUMBERS = 3  # float32 beside the two states
_ACTIONS = len(Action)
_INFINITE = np.uint32(0x7F800000)  # all bits of the exponent: those of infinities and NaNs
_CARRY = np.uint32(0x00800000)  # added to an exponent, it reaches the highest bit if that was infinite
_STATES, _NUMBER, _BYTE = "float32[:, ::1]", "float32[::1]", "uint8[::1]"
_COLUMNS = f"{_STATES}, int8[::1], {_NUMBER}, {_NUMBER}, {_STATES}, {_BYTE}, {_BYTE}, {_NUMBER}"


class Passes(NamedTuple):
    """Machine code; contiguous columns of exactly the stored types, or it is a TypeError."""

    first_fault: Callable[..., int]
    put: Callable[..., int]


@cache
def passes() -> Passes:
    """Compiled at the first call, in about a second."""
    first_fault = numba.njit(f"int64(int64, int64, {_COLUMNS})", nogil=True)(_first_fault)
    put = numba.njit(f"int64(uint32[:, ::1], int64, int64, int64, {_COLUMNS})", nogil=True)(_putting(first_fault))
    return Passes(first_fault, put)


def row_type(features: int) -> np.dtype[np.void]:
    """The same row as a structure; 256 bytes for 30 features."""
    names = ["s_tm1", "s_t", "r_t", "discount_t", "propensity", "a_tm1", "mask_tm1", "mask_t"]
    formats: list[Any] = [("<f4", (features,)), ("<f4", (features,)), "<f4", "<f4", "<f4", "i1", "u1", "u1"]
    *offsets, end = accumulate((np.dtype(each).itemsize for each in formats), initial=0)
    row_bytes = -(-end // CACHE_LINE_BYTES) * CACHE_LINE_BYTES
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": row_bytes})


def unwritten(rows: int, row_bytes: int) -> Bytes:
    """Rows that begin at cache lines, of any contents; pages that were never written take no memory."""
    memory = np.empty(rows * row_bytes + CACHE_LINE_BYTES, dtype=np.uint8)
    skipped = -memory.ctypes.data % CACHE_LINE_BYTES
    return memory[skipped : skipped + rows * row_bytes].reshape(rows, row_bytes)


def _first_fault(
    features: int,
    look: int,
    s_tm1: Float32s,
    a_tm1: npt.NDArray[np.int8],
    r_t: Float32s,
    discount_t: Float32s,
    s_t: Float32s,
    mask_tm1: Bytes,
    mask_t: Bytes,
    propensity: Float32s,
) -> int:
    """Of the first ``look`` rows, the first with a number that is not finite, no such action, or no way on in s_t."""
    count = len(a_tm1)
    if s_tm1.shape != (count, features) or s_t.shape != (count, features):
        return MISSHAPEN
    if len(r_t) != count or len(discount_t) != count or len(propensity) != count:
        return MISSHAPEN
    if len(mask_tm1) != count or len(mask_t) != count:
        return MISSHAPEN
    before, after = s_tm1.view(np.uint32), s_t.view(np.uint32)
    rewards, discounts, propensities = r_t.view(np.uint32), discount_t.view(np.uint32), propensity.view(np.uint32)
    for row in range(min(look, count)):
        # Whole numbers, and no way out of the loop: so the compiler takes several features at a time.
        infinite = 0
        for feature in range(features):
            infinite += (before[row, feature] & _INFINITE) == _INFINITE
            infinite += (after[row, feature] & _INFINITE) == _INFINITE
        infinite += (rewards[row] & _INFINITE) == _INFINITE
        infinite += (discounts[row] & _INFINITE) == _INFINITE
        infinite += (propensities[row] & _INFINITE) == _INFINITE
        if infinite or not 0 <= a_tm1[row] < _ACTIONS or mask_t[row] == 0:
            return row
    return FINE


def _putting(first_fault: Callable[..., int]) -> Callable[..., int]:
    def put(
        words: Words,
        slot: int,
        free: int,
        features: int,
        s_tm1: Float32s,
        a_tm1: npt.NDArray[np.int8],
        r_t: Float32s,
        discount_t: Float32s,
        s_t: Float32s,
        mask_tm1: Bytes,
        mask_t: Bytes,
        propensity: Float32s,
    ) -> int:
        """Write all to the slots from ``slot`` on, after the last of which comes the first; or return the first fault.

        ``words`` is the memory of the rows. The first ``free`` slots hold nothing that could be lost: what fits there
        is looked at as it is written. What does not is looked at before anything is overwritten.
        """
        count = len(a_tm1)
        fault = first_fault(
            features, count if count > free else 0, s_tm1, a_tm1, r_t, discount_t, s_t, mask_tm1, mask_t, propensity
        )
        if fault != FINE:
            return fault
        before, after = s_tm1.view(np.uint32), s_t.view(np.uint32)
        rewards, discounts, propensities = r_t.view(np.uint32), discount_t.view(np.uint32), propensity.view(np.uint32)
        numbers, last = 2 * features, 2 * features + _NUMBERS
        carried, unlawful = np.uint32(0), False
        for row in range(count):
            for feature in range(features):
                here, there = before[row, feature], after[row, feature]
                words[slot, feature] = here
                words[slot, features + feature] = there
                carried = np.uint32(carried | np.uint32(np.uint32(here & _INFINITE) + _CARRY))
                carried = np.uint32(carried | np.uint32(np.uint32(there & _INFINITE) + _CARRY))
            words[slot, numbers] = rewards[row]
            words[slot, numbers + 1] = discounts[row]
            words[slot, numbers + 2] = propensities[row]
            for number in (rewards[row], discounts[row], propensities[row]):
                carried = np.uint32(carried | np.uint32(np.uint32(number & _INFINITE) + _CARRY))
            words[slot, last] = np.uint8(a_tm1[row]) | mask_tm1[row] << 8 | mask_t[row] << 16
            for rest in range(last + 1, words.shape[1]):
                words[slot, rest] = 0
            unlawful |= bool(np.uint8(a_tm1[row]) >= _ACTIONS)
            unlawful |= bool(mask_t[row] == 0)
            slot += 1
            if slot == len(words):
                slot = 0
        if carried >> 31 or unlawful:
            return first_fault(features, count, s_tm1, a_tm1, r_t, discount_t, s_t, mask_tm1, mask_t, propensity)
        return FINE

    return put

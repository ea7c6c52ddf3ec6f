"""How transitions lie in rows of bytes, and how columns are checked and written there, each in one pass.

A row is float32 s_tm1, s_t, r_t, discount_t, propensity, then a byte each of a_tm1, mask_tm1, mask_t, and then nothing
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

CACHE_LINE_BYTES = 64
#: What ``first_fault`` gives beside a row: all is well, or the columns do not even belong together.
FINE, MISSHAPEN = -1, -2

_NUMBERS = 3  # float32 beside the two states
_ACTIONS = len(Action)
_INFINITE = np.uint32(0x7F800000)  # the exponent of infinities and NaNs
_STATES, _NUMBER, _BYTE = "float32[:, ::1]", "float32[::1]", "uint8[::1]"
_COLUMNS = f"{_STATES}, int8[::1], {_NUMBER}, {_NUMBER}, {_STATES}, {_BYTE}, {_BYTE}, {_NUMBER}"


class Passes(NamedTuple):
    """Machine code; contiguous columns of exactly the stored types, or it is a TypeError."""

    first_fault: Callable[..., int]
    pack: Callable[..., None]


@cache
def passes() -> Passes:
    """Compiled at the first call, in about a second."""
    return Passes(
        numba.njit(f"int64(int64, {_COLUMNS})", nogil=True)(_first_fault),
        numba.njit(f"void(uint8[:, ::1], {_STATES}, int64, {_COLUMNS})", nogil=True)(_pack),
    )


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
    s_tm1: Float32s,
    a_tm1: npt.NDArray[np.int8],
    r_t: Float32s,
    discount_t: Float32s,
    s_t: Float32s,
    mask_tm1: Bytes,
    mask_t: Bytes,
    propensity: Float32s,
) -> int:
    """The first row with a number that is not finite, no such action, or nothing permitted in s_t."""
    count = len(a_tm1)
    if s_tm1.shape != (count, features) or s_t.shape != (count, features):
        return MISSHAPEN
    if len(r_t) != count or len(discount_t) != count or len(propensity) != count:
        return MISSHAPEN
    if len(mask_tm1) != count or len(mask_t) != count:
        return MISSHAPEN
    before, after = s_tm1.view(np.uint32), s_t.view(np.uint32)
    rewards, discounts, propensities = r_t.view(np.uint32), discount_t.view(np.uint32), propensity.view(np.uint32)
    for row in range(count):
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


def _pack(
    rows: Bytes,
    floats: Float32s,
    slot: int,
    s_tm1: Float32s,
    a_tm1: npt.NDArray[np.int8],
    r_t: Float32s,
    discount_t: Float32s,
    s_t: Float32s,
    mask_tm1: Bytes,
    mask_t: Bytes,
    propensity: Float32s,
) -> None:
    """Write all to the slots from ``slot`` on; after the last slot comes the first.

    ``floats`` is the memory of ``rows`` as float32. The columns are taken to be without fault: nothing is checked here.
    """
    features = s_tm1.shape[1]
    numbers, last = 2 * features, 4 * (2 * features + _NUMBERS)
    for row in range(len(a_tm1)):
        for feature in range(features):
            floats[slot, feature] = s_tm1[row, feature]
        for feature in range(features):
            floats[slot, features + feature] = s_t[row, feature]
        floats[slot, numbers] = r_t[row]
        floats[slot, numbers + 1] = discount_t[row]
        floats[slot, numbers + 2] = propensity[row]
        rows[slot, last] = a_tm1[row]
        rows[slot, last + 1] = mask_tm1[row]
        rows[slot, last + 2] = mask_t[row]
        for rest in range(last + 3, rows.shape[1]):
            rows[slot, rest] = 0
        slot += 1
        if slot == len(rows):
            slot = 0

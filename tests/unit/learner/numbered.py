"""Experiences whose every column follows from the transition's number, so that any row can be recognised."""

import numpy as np
import numpy.typing as npt

from drlactors.learner.batch import Batch, Experiences

FEATURES = 3


def numbered(first: int, count: int, features: int = FEATURES, steps: int = 5) -> Experiences:
    """Transitions ``first`` to ``first + count - 1``, in sessions of ``steps``; numbers below 2**23 are exact."""
    return of(np.arange(first, first + count), features, steps)


def of(number: npt.NDArray[np.int64], features: int = FEATURES, steps: int = 5) -> Experiences:
    exact = number.astype(np.float32)
    return Experiences(
        s_tm1=np.repeat(exact[:, None], features, axis=1),
        a_tm1=(number % 5).astype(np.int8),
        r_t=exact,
        discount_t=np.where(number % steps == steps - 1, 0, 0.5).astype(np.float32),
        s_t=np.repeat(exact[:, None] + 0.5, features, axis=1),
        mask_tm1=(number % 32).astype(np.uint8),
        mask_t=(number % 31 + 1).astype(np.uint8),
        propensity=(1 / (1 + exact)).astype(np.float32),
        session=number // steps,
    )


def mistaken(batch: Batch) -> list[str]:
    """The columns that do not belong to the transition that their row's reward names."""
    right = of(batch.r_t.astype(np.int64), batch.s_tm1.shape[1])
    names = [name for name in Experiences._fields if name != "session"]
    expected = {name: getattr(right, name) for name in names}
    expected |= {name: expected[name][:, None] >> np.arange(5) & 1 for name in ("mask_tm1", "mask_t")}
    return [name for name in names if not np.array_equal(getattr(batch, name), expected[name])]


def same(one: Batch | Experiences, other: Batch | Experiences) -> bool:
    return all(np.array_equal(np.asarray(mine), np.asarray(its)) for mine, its in zip(one, other, strict=True))


def copied(batch: Batch) -> Batch:
    """A batch is overwritten by the next one."""
    return Batch._make(np.array(column) for column in batch)

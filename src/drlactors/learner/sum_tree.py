"""A sum tree: finds in logarithmic time where a running sum of priorities reaches a given mass.

Compiled by Numba at its first use, in about half a second: a tree of NumPy operations took six times as long for a
batch of 64 out of 100,000.
"""

import numba
import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]


class SumTree:
    """Priorities of ``slots`` slots, 0 at first; about ``32 * slots`` bytes at most.

    A parent is the sum of its children, made anew whenever one of them changes: no error adds up, and equal priorities
    make an equal tree whatever their history. Node 1 is the root, and node i has the children 2 i and 2 i + 1.
    """

    def __init__(self, slots: int) -> None:
        self._leaves = 1 << (slots - 1).bit_length()
        self._nodes: Float64s = np.zeros(2 * self._leaves)
        #: By slot; only ``set`` may change them.
        self.priorities: Float64s = self._nodes[self._leaves : self._leaves + slots]

    @property
    def total(self) -> float:
        return float(self._nodes[1])

    def set(self, slots: Int64s, priorities: Float64s) -> None:
        """One priority for each slot; of a slot that is named twice, the last one counts."""
        _set(self._nodes, slots, priorities)

    def find(self, masses: Float64s) -> Int64s:
        """For each mass in [0, total), the slot in whose share of the running sum it lies; never one of priority 0."""
        slots = np.empty(len(masses), dtype=np.int64)
        _find(self._nodes, masses.copy(), slots)
        return slots

    def faults(self) -> list[str]:
        found = []
        children = self._nodes.reshape(-1, 2)[1:]  # of nodes 1, 2, ...
        if not np.array_equal(self._nodes[1 : self._leaves], children.sum(axis=1)):
            found.append("a node is not the sum of its children")
        if not (np.isfinite(self.priorities).all() and (self.priorities >= 0).all()):
            found.append("a priority is negative or not finite")
        return found


# Level by level, not one after another: the processor waits for the memory of all of them at once (half the time).


@numba.njit(nogil=True)
def _set(nodes: Float64s, slots: Int64s, priorities: Float64s) -> None:
    leaves = len(nodes) // 2
    for k in range(len(slots)):
        nodes[leaves + slots[k]] = priorities[k]
    height = 1
    while leaves >> height:
        for k in range(len(slots)):
            node = (leaves + slots[k]) >> height
            nodes[node] = nodes[2 * node] + nodes[2 * node + 1]
        height += 1


@numba.njit(nogil=True)
def _find(nodes: Float64s, masses: Float64s, slots: Int64s) -> None:
    leaves = len(nodes) // 2
    slots[:] = 1
    level = 1
    while level < leaves:
        for k in range(len(masses)):
            node = 2 * slots[k]
            # Sums are rounded: a mass may seem to lie beyond the last priority that is not 0.
            right = (masses[k] >= nodes[node]) & (nodes[node + 1] > 0)
            masses[k] -= right * nodes[node]
            slots[k] = node + right
        level *= 2
    slots -= leaves

"""From how far a policy leaned to the chance that it was right to: calibrated on what samples turned out to be.

A policy's values are not chances: a network's are rewards, those of trees log-odds, the rules' a scale of their own,
and the highest of them says nothing of how often its owner is wrong. What it leaned to is worth what became of the
sessions in which it leaned as far: they are counted, policy by policy, in bins, and bins are pooled until a stronger
leaning never means a lower chance (pool adjacent violators: Ayer et al., 1955; for classifiers: Zadrozny and Elkan,
2002).
"""

from collections.abc import Iterable, Mapping, Sequence
from math import exp
from typing import NamedTuple

from drlactors.domain.action import Action

#: Of equal width over [0, 1].
BINS = 20
#: Each bin begins as if it had seen so many sessions with the policy's own share of malicious ones.
PRIOR_SESSIONS = 1.0


class Tally(NamedTuple):
    """Sessions of one policy and bin whose truth is known."""

    malicious: int = 0
    benign: int = 0


def leaning(values: Sequence[float]) -> float:
    """How far the best final action is ahead of the best other one, as a logistic in (0, 1): above a half, it leads.

    An order, not yet a chance. Of all actions, also those that were not permitted: rules say nothing of the sample.
    """
    final = max(value for action, value in zip(Action, values, strict=True) if action.irreversible)
    other = max(value for action, value in zip(Action, values, strict=True) if not action.irreversible)
    ahead = max(-30.0, min(30.0, final - other))
    return 1 / (1 + exp(-ahead))


def bin_of(leaned: float) -> int:
    return min(int(leaned * BINS), BINS - 1)


def chances(tallies: Mapping[int, Tally]) -> tuple[float, ...]:
    """For each bin the chance that a sample is malicious: never lower for a stronger leaning.

    Without any session with a known truth it is a half.
    """
    malicious, benign = (sum(column) for column in zip(Tally(), *tallies.values(), strict=True))
    share = (malicious + 1) / (malicious + benign + 2)
    pools: list[tuple[float, float, int]] = []  # malicious, all, bins
    for index in range(BINS):
        seen = tallies.get(index, Tally())
        pool = (seen.malicious + PRIOR_SESSIONS * share, sum(seen) + PRIOR_SESSIONS, 1)
        while pools and pools[-1][0] / pools[-1][1] >= pool[0] / pool[1]:
            before = pools.pop()
            pool = (before[0] + pool[0], before[1] + pool[1], before[2] + pool[2])
        pools.append(pool)
    return tuple(part / whole for part, whole, bins in pools for _ in range(bins))


class Calibration:
    """The chances of every policy, from what is known of its sessions now."""

    def __init__(self, tallies: Iterable[tuple[str, int, Tally]] = ()) -> None:
        """Of each policy and bin."""
        by_policy: dict[str, dict[int, Tally]] = {}
        for policy, index, tally in tallies:
            by_policy.setdefault(policy, {})[index] = tally
        self._chances = {policy: chances(bins) for policy, bins in by_policy.items()}

    def confidence(self, policy: str, leaned: float) -> float:
        """The chance, in (0, 1), that a sample is malicious for which the policy leaned so far; a half of a new one."""
        known = self._chances.get(policy)
        return 0.5 if known is None else known[bin_of(leaned)]

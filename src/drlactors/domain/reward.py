"""The reward: a pure function of recorded facts, versioned, never a stored fact."""

from dataclasses import dataclass

from drlactors.domain.action import Action

#: Raised with every change of the formula, so that a figure can be traced to the rewards it was made with.
VERSION = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What counts how much; ``configs/`` has the values. All are amounts, the formula has the signs."""

    right_verdict: float  # a final action on a malicious sample
    wrong_verdict: float  # a final action on a benign one
    missed: float  # a malicious session that ended without a final action
    released: float  # a benign session that ended untouched
    second: float  # observing for one second
    damage: float  # a malicious sample's unhindered second
    isolation_hinders: float  # the part of the damage that one step of isolation takes away
    disturbance: float  # one step of isolation on a benign sample
    review: float  # a person's time
    failed_action: float  # an action that the sandbox could not carry out


def of_action(weights: Weights, action: Action, *, malicious: bool, failed: bool) -> float:
    """What the choice itself is worth once the truth is known."""
    if failed:
        return -weights.failed_action
    match action:
        case Action.TERMINATE | Action.QUARANTINE:
            return weights.right_verdict if malicious else -weights.wrong_verdict
        case Action.REVIEW:
            return -weights.review
        case Action.ISOLATE:
            return 0.0 if malicious else -weights.disturbance
        case Action.CONTINUE:
            return 0.0


def of_time(weights: Weights, seconds: float, isolation: int, *, malicious: bool) -> float:
    """What the time until the next window cost."""
    cost = weights.second * seconds
    if malicious:
        cost += weights.damage * seconds * max(0.0, 1 - weights.isolation_hinders * isolation)
    return -cost


def of_end(weights: Weights, *, malicious: bool, stopped: bool, ordered: bool = False) -> float:
    """What the session's end is worth; ``ordered``: a final action was carried out on a person's word, or by default.

    Whoever asks has not missed what is then stopped, and answers for what asking came to as for an action of its own.
    """
    if stopped:
        return 0.0  # the final action has had its reward
    if ordered:
        return of_action(weights, Action.TERMINATE, malicious=malicious, failed=False)
    return -weights.missed if malicious else weights.released

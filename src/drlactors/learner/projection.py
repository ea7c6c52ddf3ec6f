"""Recorded decisions, what is known of them today, and the rewards' weights become experiences, all sessions at once.

``domain/experience.py`` and ``domain/truth.py`` say the same of one session, event by event; a test proves that both
agree. Nothing here depends on chance, on the clock or on how the log was read: the same log gives the same arrays, bit
for bit, and a stretch of it gives those that would have been built when it ended there.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from drlactors.domain import reward
from drlactors.domain.action import Action
from drlactors.learner.batch import Experiences
from drlactors.ports.decisions import MALICIOUS, NOTHING, Facts, Kind, Recorded

Bools = npt.NDArray[np.bool_]
Int64s = npt.NDArray[np.int64]

_IRREVERSIBLE = np.array([action.irreversible for action in Action])


class Labels(NamedTuple):
    """What is known of each of m sessions."""

    known: Bools  # (m,): whether there is a truth to learn from
    malicious: Bools  # (m,): the truth, where it is known
    ended: Bools  # (m,): the last decision led to the session's end
    ordered: Bools  # (m,): a final action that was ordered stands


def labels(recorded: Recorded) -> Labels:
    """The truth about every session, as ``domain.truth.malicious`` has it.

    Unknown are also sessions that were decided under two feature schemas: they give no experiences.
    """
    facts, numbers = recorded.facts, recorded.sessions.number
    reported = _newest(facts, Kind.REPORTED, numbers)
    end = _newest(facts, Kind.ENDED, numbers)
    spoilt = (_newest(facts, Kind.LOST, numbers) == 0) | (end == 1) | (reported == NOTHING)
    spoilt |= _newest(facts, Kind.MIXED, numbers) == 0
    entered = _newest(facts, Kind.ENTERED, numbers)
    episodes = np.unique(entered)
    verdict = _newest(facts, Kind.VERDICT, episodes)[np.searchsorted(episodes, entered)]
    corrected = _newest(facts, Kind.CORRECTED, episodes)[np.searchsorted(episodes, entered)]
    truth = np.where(corrected >= 0, corrected, np.where((verdict >= 0) & (verdict != NOTHING), verdict, reported))
    ordered = _newest(facts, Kind.ORDERED, numbers) == 1
    return Labels(known=(truth >= 0) & ~spoilt, malicious=truth == MALICIOUS, ended=end == 0, ordered=ordered)


def concluded(recorded: Recorded) -> Bools:
    """Of each session, (m,), whether its truth is no longer waited for: it is in no episode, or that has a verdict.

    Until then what is known of stage 1 is its own word, which stage 2 overturns where it finds a false negative.
    """
    entered = _newest(recorded.facts, Kind.ENTERED, recorded.sessions.number)
    episodes = np.unique(entered)
    over = _newest(recorded.facts, Kind.VERDICT, episodes) >= 0
    over |= _newest(recorded.facts, Kind.CORRECTED, episodes) >= 0
    return (entered < 0) | over[np.searchsorted(episodes, entered)]


def experiences(recorded: Recorded, *, weights: reward.Weights, gamma: float) -> Experiences:
    """The transitions of all sessions whose truth is known, in the order of the sessions' starts and of their steps.

    ``Experiences.session`` is the index into ``recorded.sessions``. Rewards are summed in double precision and rounded
    once. ``domain/reward.py`` has the formula, ``configs/`` its weights.
    """
    decisions = recorded.decisions
    order = _by_session(decisions.session)
    number, action = decisions.session[order], decisions.action[order]
    session = _index(recorded.sessions.number, number)
    # A session that began before this stretch of the log stands behind the others, and nothing is known of it.
    known, malicious, ended, ordered = (np.append(each, False)[session] for each in labels(recorded))
    failed = _failed(recorded.facts, number, decisions.seq[order])

    last = np.ones(len(order), dtype=np.bool_)
    last[:-1] = number[1:] != number[:-1]
    stopped = _IRREVERSIBLE[action] & ~failed
    # Behind the action that stopped the sample there is nothing to learn; before an open end there is no next state.
    here = np.flatnonzero(known & ~_behind(stopped, last) & (stopped | ~last | ended))
    goes_on = ~(stopped | last)[here]
    there = here + goes_on
    tm1, t = order[here], order[there]

    r_t = _of_action(weights)[malicious[here].astype(np.intp), failed[here].astype(np.intp), action[here]]
    seconds = (decisions.elapsed_ms[t] - decisions.elapsed_ms[tm1]) / 1000
    of_time = _of_time(weights, seconds, decisions.isolation[tm1], malicious[here])
    of_end = _of_end(weights)[
        malicious[here].astype(np.intp), stopped[here].astype(np.intp), ordered[here].astype(np.intp)
    ]
    r_t += np.where(goes_on, of_time, of_end)
    return Experiences(
        s_tm1=decisions.state.take(tm1, axis=0),
        a_tm1=action[here].astype(np.int8),
        r_t=r_t.astype(np.float32),
        discount_t=np.where(goes_on, gamma, 0.0).astype(np.float32),
        s_t=decisions.state.take(t, axis=0),
        mask_tm1=decisions.mask[tm1],
        mask_t=decisions.mask[t],
        propensity=decisions.propensity[tm1],
        session=session[here].astype(np.int64),
    )


def _by_session(session: Int64s) -> npt.NDArray[np.intp]:
    """An order that brings the rows of a session together and leaves them in theirs."""
    if np.all(session[1:] >= session[:-1]):
        return np.arange(len(session))
    return np.argsort(session, kind="stable")


def _behind(stopped: Bools, last: Bools) -> Bools:
    """Which rows come after one that stopped their session."""
    before: Int64s = np.cumsum(stopped) - stopped
    first = np.concatenate(([True], last[:-1]))
    at_start = np.maximum.accumulate(np.where(first, before, 0))
    behind: Bools = before > at_start
    return behind


def _index(ascending: Int64s, wanted: Int64s) -> Int64s:
    """Where each wanted position of the log stands; where it does not, behind the last."""
    at = np.searchsorted(ascending, wanted)
    found: Int64s = np.where(np.append(ascending, -1)[at] == wanted, at, len(ascending))
    return found


def _newest(facts: Facts, kind: Kind, subjects: Int64s) -> Int64s:
    """For each of the subjects (ascending) the value of its newest fact of the kind; -1 without any."""
    found = np.full(len(subjects) + 1, -1, dtype=np.int64)
    told = np.flatnonzero(facts.kind == kind)
    found[_index(subjects, facts.subject[told])] = facts.value[told]  # of several for one place, the last one stays
    return found[:-1]


def _failed(facts: Facts, number: Int64s, seq: Int64s) -> Bools:
    """Which rows, ordered by session and window, are of actions that could not be carried out, as far as is known."""
    told = np.flatnonzero((facts.kind == Kind.FAILED) | (facts.kind == Kind.CARRIED_OUT))
    session, wanted = facts.subject[told], facts.value[told]
    low, end = np.searchsorted(number, session, "left"), np.searchsorted(number, session, "right")
    high = end
    while np.any(searched := low < high):  # halving, for all at once: windows ascend within a session
        middle = (low + high) // 2
        below = seq[np.minimum(middle, len(seq) - 1)] < wanted
        low = np.where(searched & below, middle + 1, low)
        high = np.where(searched & ~below, middle, high)
    there = low < end
    there[there] = seq[low[there]] == wanted[there]
    failed = np.zeros(len(number), dtype=np.bool_)
    failed[low[there]] = facts.kind[told[there]] == Kind.FAILED  # the newest stays
    return failed


def _of_action(weights: reward.Weights) -> npt.NDArray[np.float64]:
    """``reward.of_action``, by [malicious, failed, action]."""
    return np.array(
        [
            [
                [reward.of_action(weights, action, malicious=bad, failed=failed) for action in Action]
                for failed in (False, True)
            ]
            for bad in (False, True)
        ]
    )


def _of_end(weights: reward.Weights) -> npt.NDArray[np.float64]:
    """``reward.of_end``, by [malicious, stopped, ordered]."""
    return np.array(
        [
            [
                [reward.of_end(weights, malicious=bad, stopped=stop, ordered=told) for told in (False, True)]
                for stop in (False, True)
            ]
            for bad in (False, True)
        ]
    )


def _of_time(
    weights: reward.Weights, seconds: npt.NDArray[np.float64], isolation: npt.NDArray[np.uint16], malicious: Bools
) -> npt.NDArray[np.float64]:
    """``reward.of_time`` of each row, with its operations in the same order: the same bits."""
    unhindered = np.maximum(0.0, 1 - weights.isolation_hinders * isolation)
    damage = np.where(malicious, weights.damage * seconds * unhindered, 0.0)
    cost: npt.NDArray[np.float64] = -(weights.second * seconds + damage)
    return cost

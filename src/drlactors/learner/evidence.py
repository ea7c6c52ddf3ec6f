"""Evidence from the log: by three estimates, how much more a candidate would have earned than the model in charge."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from drlactors.domain import reward
from drlactors.domain.action import Action
from drlactors.learner import fitted_q_evaluation as fqe
from drlactors.learner import intervals, off_policy
from drlactors.learner.batch import Experiences
from drlactors.learner.evaluation import Rank
from drlactors.learner.fitted_q_evaluation import Design, Judgement
from drlactors.learner.gate import Limits, OffPolicy
from drlactors.learner.intervals import Counts, Floats, Interval
from drlactors.learner.off_policy import STOPS, Judged

#: Regressions that an interval of fitted Q evaluation rests on: each costs as much as the estimate itself.
REFITS = 30


class Log(NamedTuple):
    """Experiences with what is known of their sessions, by the number that ``experiences.session`` has."""

    experiences: Experiences
    malicious: npt.NDArray[np.bool_]
    artifact: npt.NDArray[np.int64]


def gather(
    candidate: Rank, incumbent: Rank, log: Log, weights: reward.Weights, limits: Limits, *, seed: int = 0
) -> OffPolicy | None:
    """What the log tells of both, on the same sessions and resamples; None of a log without a complete session."""
    logged = off_policy.complete(log.experiences)
    if not logged.session.size:
        return None
    stop_r = _of_stop(weights, log.malicious)
    seen = fqe.design(logged, fqe.random_features(logged.s_tm1.shape[1], seed=seed))
    artifact = log.artifact[np.unique(logged.session)]
    drawn, half = intervals.counts(artifact, limits.resamples, seed), _halves(artifact, seed)
    ours, theirs = (_estimates(logged, rank, stop_r, seen, drawn, half) for rank in (candidate, incumbent))
    return OffPolicy(
        more={
            "weighted importance sampling": _more(ours.sampled, theirs.sampled, limits),
            "doubly robust": intervals.mean(ours.robust - theirs.robust, drawn, limits.confidence),
            "fitted Q evaluation": _more(ours.fitted, theirs.fitted, limits),
        },
        sessions=len(ours.judged.ids),
        effective=off_policy.effective(ours.judged),
        unsupported=float(ours.judged.unsupported.mean()),
    )


class _Estimates(NamedTuple):
    """Of one policy's value: each figure with its resamples, or by session."""

    judged: Judged
    sampled: tuple[float, Floats]
    robust: Floats
    fitted: tuple[float, Floats]


def _estimates(
    logged: Experiences, rank: Rank, stop_r: Floats, seen: Design, drawn: Counts, half: npt.NDArray[np.int64]
) -> _Estimates:
    judgement = Judgement(
        off_policy.choose(rank, logged.s_tm1, logged.mask_tm1),
        off_policy.choose(rank, logged.s_t, logged.mask_t),
        stop_r[logged.session],
    )
    judged = off_policy.follow(logged, judgement.chosen_tm1, stop_r)
    return _Estimates(
        judged,
        off_policy.weighted_importance_sampling(judged, drawn),
        _robust(logged, judgement, judged, seen, half),
        _fitted(logged, judgement, judged, seen, drawn),
    )


def _of_stop(weights: reward.Weights, malicious: npt.NDArray[np.bool_]) -> Floats:
    """``reward.of_action`` of stopping each session, supposing that it succeeds."""
    worth = [reward.of_action(weights, Action.TERMINATE, malicious=bad, failed=False) for bad in (False, True)]
    return np.array(worth, dtype=np.float64)[malicious.astype(np.intp)]


def _more(ours: tuple[float, Floats], theirs: tuple[float, Floats], limits: Limits) -> Interval:
    return intervals.percentile(ours[0] - theirs[0], ours[1] - theirs[1], limits.confidence)


def _halves(artifact: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    """0 or 1 for each session, by its artifact: a model that has seen one of its sessions has seen them all."""
    _, number = np.unique(artifact, return_inverse=True)
    count = int(number.max()) + 1
    half: npt.NDArray[np.int64] = (np.random.Generator(np.random.Philox(seed)).permutation(count) % 2)[number]
    return half


def _robust(
    logged: Experiences, judgement: Judgement, judged: Judged, seen: Design, half: npt.NDArray[np.int64]
) -> Floats:
    """The doubly robust value of each session, by a model that was fitted to the other half of the artifacts."""
    of_row = half[np.searchsorted(judged.ids, logged.session)]
    q_logged, q_chosen = np.zeros(len(judged.rows)), np.zeros(len(judged.rows))
    for fold in (0, 1):
        theta = fqe.fit(logged, judgement, seen, weights=(of_row != fold).astype(np.float64))
        here = np.flatnonzero(of_row[judged.rows] == fold)
        rows = judged.rows[here]
        q_logged[here] = fqe.values(theta, seen.tm1[rows], logged.a_tm1[rows])
        q_chosen[here] = fqe.values(theta, seen.tm1[rows], judgement.chosen_tm1[rows])
    return off_policy.doubly_robust(judged, q_logged, q_chosen)


def _fitted(
    logged: Experiences, judgement: Judgement, judged: Judged, seen: Design, drawn: Counts
) -> tuple[float, Floats]:
    """The value that the regression gives the sessions' beginnings, fitted anew in each of some resamples."""
    begins = judged.rows[judged.step == 0]
    at = np.searchsorted(judged.ids, logged.session)

    def value(often: Floats) -> float:
        theta = fqe.fit(logged, judgement, seen, weights=often[at])
        chosen = judgement.chosen_tm1[begins]
        going_on = fqe.values(theta, seen.tm1[begins], chosen)
        return float(np.average(np.where(STOPS[chosen], judgement.stop_r[begins], going_on), weights=often))

    whole = value(np.ones(len(judged.ids)))
    return whole, np.array([value(often.astype(np.float64)) for often in drawn[:REFITS]])

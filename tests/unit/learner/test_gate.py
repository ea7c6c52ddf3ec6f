"""The gate promotes what is better, says why it does not, and says when it cannot know."""

import math
from itertools import product

import numpy as np
import pytest

from drlactors.domain.action import Action
from drlactors.domain.model import DECIDER, Answer, Evaluated, Trained
from drlactors.domain.reward import Weights
from drlactors.learner.evaluation import Played
from drlactors.learner.evidence import Log, gather
from drlactors.learner.gate import HeldOut, Limits, OffPolicy, decide
from drlactors.learner.intervals import Interval
from tests.unit.learner import small_problem as problem
from tests.unit.learner.small_problem import good, hasty, log, nervous, patient, ranking, value

LIMITS = Limits(
    false_positive_rate=0.45,
    confidence=0.95,
    least_sessions=50,
    least_effective=100,
    most_unsupported=0.05,
    resamples=300,
)
#: Only what stopping is worth is asked of them.
WEIGHTS = Weights(
    right_verdict=problem.STOP[True],
    wrong_verdict=-problem.STOP[False],
    missed=0.0,
    released=0.0,
    second=0.0,
    damage=0.0,
    isolation_hinders=0.0,
    disturbance=0.0,
    review=0.0,
    failed_action=0.0,
)
EXPLORING = {Action.CONTINUE: 0.7, Action.ISOLATE: 0.2, Action.REVIEW: 0.1}
WATCHING = {Action.CONTINUE: 1.0}
NO_ACTIONS = np.zeros((0, 0), dtype=np.int8)


def played(plan, sessions, seed):
    dice = np.random.default_rng([seed, 1])
    malicious = dice.random(sessions) < 0.5
    reward, stopped = np.zeros(sessions), np.zeros(sessions, dtype=bool)
    for session, bad in enumerate(malicious.tolist()):
        for step in range(problem.STEPS):
            action = plan(step, bool(dice.random() < problem.SIGN[bad]))
            reward[session] += problem.STOP[bad] if action.irreversible else problem.OWN[action][bad]
            if action.irreversible:
                stopped[session] = True
                break
        else:
            reward[session] += problem.END[bad]
    nothing = np.zeros(sessions)
    return Played(malicious, stopped, nothing.astype(np.float32), reward, nothing.astype(np.intp), NO_ACTIONS)


def judged(candidate, incumbent=patient, *, sessions=1500, logged=2000, behaviour=EXPLORING, seed=0, rules=patient):
    def same_sessions(plan):
        return played(plan, sessions, seed)

    held_out = HeldOut(
        same_sessions(candidate), same_sessions(incumbent), same_sessions(rules), np.arange(sessions, dtype=np.int64)
    )
    off_policy = None
    if logged:
        experiences, malicious = log(logged, seed, behaviour)
        known = Log(experiences, malicious, np.arange(logged, dtype=np.int64))
        off_policy = gather(ranking(candidate), ranking(incumbent), known, WEIGHTS, LIMITS, seed=seed)
    return decide(held_out, off_policy, LIMITS, seed=seed)


def test_a_better_candidate_is_promoted_with_figures():
    assert value(good) > value(patient)
    found = judged(good)
    assert found.answer is Answer.PROMOTE, found.reasons
    assert all(reason.startswith("for it: ") for reason in found.reasons)
    figures = {figure.name: figure for figure in found.figures}
    worth = figures["reward by doubly robust, more than the model in charge"]
    assert worth.low < value(good) - value(patient) < worth.high
    assert 0 < figures["false positive rate"].value < 0.45


@pytest.mark.parametrize(("candidate", "seed"), [*product([hasty, nervous], range(10))])
def test_a_worse_candidate_is_never_promoted(candidate, seed):
    assert value(candidate) < value(patient)
    assert judged(candidate, sessions=300, logged=400, seed=seed).answer is not Answer.PROMOTE


def test_advantages_in_log_odds_are_judged_as_the_same_choices_in_rewards_are():
    """What a stopping policy ranks by: no reward, nothing above going on but where something is to be done."""

    def in_log_odds(vectors):
        values = ranking(good)(vectors)
        return 7 * (values - values[:, [Action.CONTINUE]])

    experiences, malicious = log(400, 0, EXPLORING)
    known = Log(experiences, malicious, np.arange(400, dtype=np.int64))
    by_rewards = gather(ranking(good), ranking(patient), known, WEIGHTS, LIMITS)
    assert gather(in_log_odds, ranking(patient), known, WEIGHTS, LIMITS) == by_rewards
    swapped = gather(ranking(patient), ranking(good), known, WEIGHTS, LIMITS)
    assert gather(ranking(patient), in_log_odds, known, WEIGHTS, LIMITS) == swapped


def test_doubly_robust_no_session_is_judged_by_a_model_that_saw_its_artifact():
    """So a second run of each artifact that goes as the first did tells nothing new."""
    once, malicious = log(300, 0, EXPLORING)
    twice = type(once)._make(np.concatenate([column, column]) for column in once)
    twice = twice._replace(session=np.concatenate([once.session, once.session + 300]))
    artifact = np.arange(300, dtype=np.int64)
    found = [
        gather(ranking(good), ranking(patient), known, WEIGHTS, LIMITS)
        for known in (
            Log(once, malicious, artifact),
            Log(twice, np.tile(malicious, 2), np.tile(artifact, 2)),
        )
    ]
    worth = [told.more["doubly robust"].value for told in found if told is not None]
    assert worth[1] == pytest.approx(worth[0], abs=1e-6)


AHEAD, BEHIND = Interval(1.0, 0.5, 1.5), Interval(-1.0, -1.5, -0.5)


def from_the_log(*, effective=1000.0, unsupported=0.0, more=AHEAD, limits=LIMITS, plan=good):
    theirs = played(patient, 200, 0)
    held_out = HeldOut(played(plan, 200, 0), theirs, theirs, np.arange(200))
    return decide(held_out, OffPolicy({"a guess": more}, 1000, effective, unsupported), limits)


@pytest.mark.parametrize("too_little", [{"effective": 99.0}, {"unsupported": 0.051}])
@pytest.mark.parametrize("more", [AHEAD, BEHIND])
def test_an_estimate_that_rests_on_too_little_speaks_neither_for_nor_against(too_little, more):
    found = from_the_log(**too_little, more=more)
    assert any(reason.startswith("not enough: by a guess") for reason in found.reasons)


def test_just_enough_is_enough():
    found = from_the_log(effective=100.0, unsupported=0.05)
    assert any(reason.startswith("for it: by a guess") for reason in found.reasons)
    assert not any(reason.startswith("not enough: ") and "logged" in reason for reason in found.reasons)


def test_a_figure_without_bounds_is_told_and_not_recorded():
    found = from_the_log(more=Interval(1.0, -math.inf, math.inf))
    assert any("by a guess" in reason for reason in found.reasons)
    assert not any("a guess" in figure.name for figure in found.figures)


def test_no_false_positive_is_not_against_a_candidate_where_none_is_allowed():
    found = from_the_log(plan=patient, limits=LIMITS._replace(false_positive_rate=0.0))
    assert any(reason.startswith("not enough: it stops 0.0%") for reason in found.reasons)


def test_a_refusal_explains_itself():
    found = judged(hasty)
    assert found.answer is Answer.REJECT
    assert found.reasons[0].startswith("against it: it stops 100.0%")
    assert found.reasons[0].endswith("against the model in charge +100.0 points (+100.0 to +100.0)")
    assert any("held out, it earns -" in reason for reason in found.reasons)


def test_the_model_in_charge_is_no_better_than_itself():
    found = judged(patient)
    assert found.answer is Answer.INSUFFICIENT
    assert "+0.000" in " ".join(found.reasons)


def test_what_only_beats_the_model_in_charge_and_not_the_tuned_rules_is_not_promoted():
    assert judged(good, incumbent=patient, rules=good).answer is Answer.INSUFFICIENT


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"sessions": 60}, "are needed"),
        ({"logged": 0}, "no log"),
        ({"logged": 40}, "weigh as"),
    ],
)
def test_too_little_is_an_answer_of_its_own(changed, says):
    found = judged(good, **changed)
    assert found.answer is Answer.INSUFFICIENT
    assert found.reasons[0].startswith("not enough: ")
    assert says in " ".join(reason for reason in found.reasons if reason.startswith("not enough"))


def test_one_session_proves_nothing_and_no_share_of_none_is_named():
    found = judged(good, sessions=1, logged=0)
    assert found.answer is Answer.INSUFFICIENT
    said = " ".join(found.reasons)
    assert "an unknown share of " in said
    assert "nan" not in said


def test_a_log_that_cannot_answer_for_the_candidate_is_no_evidence():
    found = judged(good, behaviour=WATCHING)
    assert found.answer is Answer.INSUFFICIENT
    assert "what the log cannot answer for" in found.reasons[0] + found.reasons[1]


def test_estimates_that_disagree_promote_nothing():
    experiences, malicious = log(3000, 0, EXPLORING)
    known = Log(experiences, malicious, np.arange(3000, dtype=np.int64))
    off_policy = gather(ranking(good), ranking(patient), known, WEIGHTS, LIMITS)
    assert off_policy is not None
    calm = played(patient, 2000, 0)
    held_out = HeldOut(played(good, 2000, 0), calm, calm, np.arange(2000, dtype=np.int64))
    name = "fitted Q evaluation"
    doubtful = off_policy._replace(more=off_policy.more | {name: off_policy.more[name]._replace(low=-0.01)})
    assert decide(held_out, doubtful, LIMITS).answer is Answer.INSUFFICIENT
    against = off_policy._replace(more=off_policy.more | {name: off_policy.more[name]._replace(low=-2, high=-1)})
    assert decide(held_out, against, LIMITS).answer is Answer.REJECT


def test_the_same_evidence_gives_the_same_decision():
    assert judged(good, sessions=200, logged=300) == judged(good, sessions=200, logged=300)


@pytest.mark.parametrize("behaviour", [EXPLORING, WATCHING], ids=["exploring", "watching"])
@pytest.mark.parametrize("candidate", [good, hasty, nervous, patient])
def test_a_decision_can_be_recorded(candidate, behaviour):
    found = judged(candidate, sessions=200, logged=300, behaviour=behaviour)
    evaluated = found.recorded("old", "a problem of known values", 200)
    assert all(math.isfinite(bound) for figure in evaluated.figures for bound in figure[1:])
    trained = Trained("ab" * 32, 1, "2026-11-24T00:00:00+00:00", "f1", 200, "the log", "key")
    assert DECIDER.decide(evaluated, DECIDER.fold([trained])) == (Evaluated(*evaluated),)
    assert (evaluated.answer, evaluated.reasons) == (found.answer, found.reasons)

"""The gate: whether a candidate may take the place of the model in charge, by evidence, and why.

Two kinds of evidence have to agree. Sessions that nobody learned from are played again by the candidate, by the model
in charge, and by the rule policy with thresholds tuned on the training part: there the truth is known and recorded
behaviour does not react. And the log tells by three off-policy estimates what the candidate would have earned where
actions had consequences. Each of these estimates alone promoted worse candidates on a problem of known values (weighted
importance sampling in up to 47 of 100 cases, fitted Q evaluation in up to 28, doubly robust in up to 7); in agreement,
with enough effective sessions and a bound on false positives, none of 315. The price is power: with few sessions the
answer is "insufficient evidence", which is no fault of the candidate. The values by which a model ranks are never
looked at: they claim what it hopes for.
"""

from math import isfinite
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from drlactors.domain.model import Answer, Evaluate, Figure
from drlactors.learner import intervals
from drlactors.learner.evaluation import Played
from drlactors.learner.intervals import Counts, Floats, Interval

Bools = npt.NDArray[np.bool_]


class Limits(NamedTuple):
    """``configs/`` has the values, in its section ``gate``."""

    false_positive_rate: float
    confidence: float
    least_sessions: int  # held out, of each class
    least_effective: int  # logged sessions, by their weights
    most_unsupported: float  # share of logged sessions
    resamples: int


class HeldOut(NamedTuple):
    """The same m sessions, played by three policies."""

    candidate: Played
    incumbent: Played
    tuned_rules: Played
    artifact: npt.NDArray[np.int64]  # (m,): sessions of one artifact are resampled together


class OffPolicy(NamedTuple):
    """What the log tells: of each estimate how much more the candidate would have earned a session, with interval."""

    more: dict[str, Interval]  # by the name of the estimate
    sessions: int
    effective: float
    unsupported: float  # share of the sessions


class Finding(NamedTuple):
    """One thing that was looked at."""

    speaks: Answer  # what follows from it alone
    reason: str
    figures: tuple[Figure, ...] = ()


class Decision(NamedTuple):
    answer: Answer
    reasons: tuple[str, ...]  # those that decided first
    figures: tuple[Figure, ...]  # those that are defined, and bounded

    def recorded(self, against: str, data: str, sessions: int) -> Evaluate:
        """As the log keeps it. ``against``: the policy in charge; ``data``: what the held-out sessions were."""
        return Evaluate(against, data, sessions, self.figures, self.answer, self.reasons)


def decide(held_out: HeldOut, off_policy: OffPolicy | None, limits: Limits, *, seed: int = 0) -> Decision:
    """Promote when everything speaks for it, reject when anything speaks against it, and say neither otherwise.

    ``off_policy`` is None where there is no log yet.
    """
    drawn = intervals.counts(held_out.artifact, limits.resamples, seed)
    findings = [
        _enough(held_out.candidate, limits),
        _false_positives(held_out, drawn, limits),
        _detection(held_out, drawn, limits),
        _better("the model in charge", held_out.candidate, held_out.incumbent, drawn, limits),
        _better("the rules with tuned thresholds", held_out.candidate, held_out.tuned_rules, drawn, limits),
        *_from_the_log(off_policy, limits),
    ]
    spoken = {finding.speaks for finding in findings}
    answer = next(each for each in (Answer.REJECT, Answer.INSUFFICIENT, Answer.PROMOTE) if each in spoken)
    findings.sort(key=lambda finding: finding.speaks is not answer)
    return Decision(
        answer,
        tuple(f"{_WORDS[finding.speaks]}: {finding.reason}" for finding in findings),
        tuple(figure for finding in findings for figure in finding.figures if all(map(isfinite, figure[1:]))),
    )


_WORDS = {Answer.PROMOTE: "for it", Answer.REJECT: "against it", Answer.INSUFFICIENT: "not enough"}


def _enough(played: Played, limits: Limits) -> Finding:
    malicious = int(played.malicious.sum())
    benign = len(played.malicious) - malicious
    enough = min(malicious, benign) >= limits.least_sessions
    return Finding(
        Answer.PROMOTE if enough else Answer.INSUFFICIENT,
        f"{malicious} malicious and {benign} benign sessions were held out, {limits.least_sessions} of each are needed",
    )


def _false_positives(held_out: HeldOut, drawn: Counts, limits: Limits) -> Finding:
    """Within what is allowed. That it stops more of them than the model in charge is told, and counts in the reward."""
    benign = ~held_out.candidate.malicious
    wrong = held_out.candidate.stopped & benign
    rate = intervals.share(int(wrong.sum()), int(benign.sum()), limits.confidence)
    more = _rate_difference(wrong, held_out.incumbent.stopped & benign, benign, drawn, limits)
    told = f"it stops {_percent(rate)} of benign sessions, allowed are {limits.false_positive_rate:.1%}; "
    told += f"against the model in charge {_points(more)}"
    speaks = _three(against=rate.low > limits.false_positive_rate, speaks_for=rate.high <= limits.false_positive_rate)
    figures = Figure("false positive rate", *rate), Figure("false positive rate, more than the model in charge", *more)
    return Finding(speaks, told, figures)


def _detection(held_out: HeldOut, drawn: Counts, limits: Limits) -> Finding:
    """Whether it is shown to miss more than the model in charge; what it is worth counts in the reward."""
    malicious = held_out.candidate.malicious
    found = held_out.candidate.stopped & malicious
    more = _rate_difference(found, held_out.incumbent.stopped & malicious, malicious, drawn, limits)
    rate = intervals.share(int(found.sum()), int(malicious.sum()), limits.confidence)
    told = f"it stops {_percent(rate)} of malicious sessions; against the model in charge {_points(more)}"
    figures = Figure("true positive rate", *rate), Figure("true positive rate, more than the model in charge", *more)
    return Finding(_three(against=more.high < 0, speaks_for=bool(malicious.any())), told, figures)


def _better(name: str, candidate: Played, other: Played, drawn: Counts, limits: Limits) -> Finding:
    more = intervals.mean(candidate.reward - other.reward, drawn, limits.confidence)
    return Finding(
        _three(against=more.high < 0, speaks_for=more.low > 0),
        f"held out, it earns {more} a session more than {name}",
        (Figure(f"reward, more than {name}", *more),),
    )


def _from_the_log(off_policy: OffPolicy | None, limits: Limits) -> list[Finding]:
    if off_policy is None:
        return [Finding(Answer.INSUFFICIENT, "there is no log to estimate from")]
    effective, unsupported = off_policy.effective, off_policy.unsupported
    told = f"{off_policy.sessions} logged sessions weigh as {effective:.0f} would that it had decided itself"
    findings = [
        Finding(
            Answer.PROMOTE if effective >= limits.least_effective else Answer.INSUFFICIENT,
            f"{told}, {limits.least_effective} are needed",
            (Figure("effective sessions", effective, effective, effective),),
        ),
        Finding(
            Answer.PROMOTE if unsupported <= limits.most_unsupported else Answer.INSUFFICIENT,
            f"in {unsupported:.1%} of them it does what the log cannot answer for, allowed are "
            f"{limits.most_unsupported:.1%}",
            (Figure("unsupported", unsupported, unsupported, unsupported),),
        ),
    ]
    trusted = all(finding.speaks is Answer.PROMOTE for finding in findings)
    for name, more in off_policy.more.items():
        # An estimate that rests on too little speaks neither for nor against.
        speaks = _three(against=more.high < 0, speaks_for=more.low > 0) if trusted else Answer.INSUFFICIENT
        figure = Figure(f"reward by {name}, more than the model in charge", *more)
        findings.append(
            Finding(speaks, f"by {name} it earns {more} a session more than the model in charge", (figure,))
        )
    return findings


def _three(*, against: bool, speaks_for: bool) -> Answer:
    if against:
        return Answer.REJECT
    return Answer.PROMOTE if speaks_for else Answer.INSUFFICIENT


def _rate_difference(
    first: npt.NDArray[np.bool_],
    second: npt.NDArray[np.bool_],
    of: npt.NDArray[np.bool_],
    drawn: Counts,
    limits: Limits,
) -> Interval:
    """How much larger the first share is, resampled in pairs."""
    difference: Floats = first[of].astype(np.float64) - second[of]
    return intervals.mean(difference, drawn[:, of], limits.confidence)


def _percent(rate: Interval) -> str:
    return f"{rate.value:.1%} ({rate.low:.1%} to {rate.high:.1%})" if isfinite(rate.value) else "an unknown share"


def _points(more: Interval) -> str:
    if not isfinite(more.value):
        return "nothing is known"
    return f"{100 * more.value:+.1f} points ({100 * more.low:+.1f} to {100 * more.high:+.1f})"

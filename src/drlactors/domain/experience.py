"""Experiences: what a session's events teach, derived and never stored.

One session at a time, as plainly as it can be said. ``learner/projection.py`` does the same for all sessions at once,
and is tested against this.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from drlactors.domain import reward
from drlactors.domain.action import Action
from drlactors.domain.session import (
    DECIDER,
    INITIAL,
    ActionFailed,
    ActionSelected,
    Ended,
    Event,
    FeedbackReceived,
    SessionLost,
    TelemetryRecorded,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Experience:
    """One transition. A discount of 0 is a true end; a session that was lost or still runs ends in no experience."""

    s_tm1: bytes  # little-endian float32, in the order of ``schema``
    a_tm1: Action
    r_t: float
    discount_t: float
    s_t: bytes
    mask_tm1: int
    mask_t: int
    propensity: float
    policy: str
    schema: str


def experiences(
    events: Iterable[Event], *, malicious: bool, weights: reward.Weights, gamma: float
) -> tuple[Experience, ...]:
    """The transitions of one session, in order; ``malicious`` is the truth as it is known today (``domain/truth.py``).

    A session that was decided under two feature schemas, because it lived through a change of the configuration,
    gives none: its state vectors do not belong together.
    """
    state, elapsed_ms = INITIAL, 0
    steps: list[tuple[ActionSelected, int, int]] = []  # decision, its window's elapsed time, isolation in force
    failed: set[int] = set()
    ended = False
    for event in events:
        state = DECIDER.evolve(state, event)
        match event:
            case TelemetryRecorded():
                elapsed_ms = state.progress.elapsed_ms
            case ActionSelected():
                steps.append((event, elapsed_ms, state.response.isolation))
            case FeedbackReceived(seq=seq, success=False) | ActionFailed(seq=seq):
                failed.add(seq)
            case FeedbackReceived(seq=seq):
                failed.discard(seq)  # a late success outweighs having been given up on
            case Ended():
                ended = True
            case SessionLost():
                break

    if len({step.schema for step, _, _ in steps}) > 1:
        return ()
    learned: list[Experience] = []
    for (here, here_ms, isolation), (there, there_ms, _) in pairwise(steps):
        wrong = here.seq in failed
        r_t = reward.of_action(weights, here.action, malicious=malicious, failed=wrong)
        if here.action.irreversible and not wrong:
            learned.append(_transition(here, r_t, 0.0, here))
            return tuple(learned)
        r_t += reward.of_time(weights, (there_ms - here_ms) / 1000, isolation, malicious=malicious)
        learned.append(_transition(here, r_t, gamma, there))
    if steps and (ended or steps[-1][0].action.irreversible):
        last = steps[-1][0]
        wrong = last.seq in failed
        stopped = last.action.irreversible and not wrong
        r_t = reward.of_action(weights, last.action, malicious=malicious, failed=wrong)
        if stopped or ended:
            ordered = state.response.ordered_final
            r_t += reward.of_end(weights, malicious=malicious, stopped=stopped, ordered=ordered)
            learned.append(_transition(last, r_t, 0.0, last))
    return tuple(learned)


def _transition(here: ActionSelected, r_t: float, discount_t: float, there: ActionSelected) -> Experience:
    return Experience(
        s_tm1=here.state_vector,
        a_tm1=here.action,
        r_t=r_t,
        discount_t=discount_t,
        s_t=there.state_vector,
        mask_tm1=here.mask,
        mask_t=there.mask,
        propensity=here.propensity,
        policy=here.policy,
        schema=here.schema,
    )

"""What a session's state permits, and the best permitted choice: rules, never training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from drlactors.domain.action import Action

if TYPE_CHECKING:
    from drlactors.domain.session import State

_ACTIONS = tuple(Action)  # indexing it costs a tenth of Action(number)
_CONTINUE = 1 << Action.CONTINUE
_ISOLATE = 1 << Action.ISOLATE
_TERMINATE = 1 << Action.TERMINATE
_QUARANTINE = 1 << Action.QUARANTINE
_REVIEW = 1 << Action.REVIEW


class Rules(NamedTuple):
    """The limits that a session began with; ``configs/`` has their values."""

    isolation_steps: int  # how often isolation may be increased
    isolation_before_quarantine: int  # steps that have to stand before the artifact may be taken away
    reviews: int  # questions to a person in one session
    windows_before_final: int  # windows that must have been seen before anything irreversible
    lost_windows_before_final: int  # more lost windows than this, and nothing irreversible is permitted
    exploration: float = 0.0  # the share of windows in which something reversible is tried by chance


def permitted(state: State) -> int:
    """The mask of permitted actions: bit n stands for action n. Going on is always permitted."""
    started, progress, response = state.started, state.progress, state.response
    if started is None or state.over or response.final is not None or response.released:
        return _CONTINUE
    rules = started.rules
    mask = _CONTINUE
    if response.isolation < rules.isolation_steps:
        mask |= _ISOLATE
    if response.reviews < rules.reviews:
        mask |= _REVIEW
    if progress.lost <= rules.lost_windows_before_final and progress.windows >= rules.windows_before_final:
        mask |= _TERMINATE
        if response.isolation >= rules.isolation_before_quarantine:
            mask |= _QUARANTINE
    return mask & ~response.unsupported | _CONTINUE


def best(values: Sequence[float], mask: int) -> Action:
    """The permitted action of the highest value; among equals the one with the lowest number, the mildest first."""
    chosen, highest = 0, float("-inf")
    for number, value in enumerate(values):
        if mask >> number & 1 and value > highest:
            chosen, highest = number, value
    return _ACTIONS[chosen]

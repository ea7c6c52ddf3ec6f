"""Exploration: now and then something reversible is tried instead of the best, so that the log can answer for it."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from drlactors.domain.action import Action
from drlactors.domain.ids import SessionId
from drlactors.domain.permission import best

#: What may be tried by chance. A final action would be a false verdict, and a question takes a person's time.
EXPLORABLE = (Action.CONTINUE, Action.ISOLATE)
#: Why an action was taken that was tried by chance.
BY_CHANCE = "tried by chance"


class Choice(NamedTuple):
    tried: Action | None  # by chance; None: the best permitted action
    propensity: float  # with what chance this action was chosen, in (0, 1]


def drawn(session: SessionId, seq: int) -> float:
    """Uniform in [0, 1), and the same whenever it is asked for: who replays a session draws what the plane drew.

    A session's id is random, and known to nobody before the session begins: no sample can wait for its draw.
    """
    digest = blake2b(seq.to_bytes(8, "big"), key=session.bytes, digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / (1 << 53)


def choice(values: Sequence[float], mask: int, share: float, draw: float) -> Choice:
    """Epsilon-greedy, with ``share`` as epsilon: exploration is uniform over what may be tried and is permitted.

    Going on is always permitted, so something always may be tried.
    """
    usual = best(values, mask)
    may = [action for action in EXPLORABLE if mask >> action & 1]
    each = share / len(may)
    tried = may[min(int(draw / each), len(may) - 1)] if draw < share else None
    action = usual if tried is None else tried
    return Choice(tried, (1.0 - share) * (action is usual) + each * (action in may))

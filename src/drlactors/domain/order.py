"""Orders: what is done about a sample beside the policy's choices, on a person's word or because a time is up."""

from typing import NamedTuple

from drlactors.domain.action import Action
from drlactors.domain.ids import OrderId


class Undone(NamedTuple):
    """An action of the policy's that is taken back: the pause that a review began, or a step of isolation."""

    seq: int
    action: Action


# Commands


class Order(NamedTuple):
    order: OrderId  # giving the same one again changes nothing
    action: Action
    undoes: Undone | None
    releases: bool  # a person finds nothing wrong with the sample: from here on the policy only watches
    policy: str  # who gives it: ``person:NAME``, or the rule that does
    why: str


class AnswerOrder(NamedTuple):
    order: OrderId
    success: bool
    outcome: str
    message: str


class GiveUpOrder(NamedTuple):
    order: OrderId
    attempts: int
    reason: str


# Events: their fields are a stored format


class ActionOrdered(NamedTuple):
    order: OrderId
    seq: int  # the window that had been answered last
    action: Action
    undoes: Undone | None
    releases: bool
    policy: str
    why: str


class OrderAnswered(NamedTuple):
    order: OrderId
    success: bool
    outcome: str
    message: str


class OrderFailed(NamedTuple):
    order: OrderId
    attempts: int
    reason: str


# State


class Standing(NamedTuple):
    """What became of an order."""

    order: OrderId
    action: Action
    steps: int  # of isolation, that it adds
    waits: bool = True  # for its answer
    stands: bool = True  # carried out, or not known to have failed


def standing(event: ActionOrdered) -> Standing:
    steps = int(event.action is Action.ISOLATE)
    if event.undoes is not None and event.undoes.action is Action.ISOLATE:
        steps -= 1
    return Standing(event.order, event.action, steps)

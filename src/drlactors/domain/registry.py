"""The registry of models: which there are, and which one of them is in charge.

Each model has a stream of its own, and nothing keeps two streams from both saying "promoted". So one stream says who is
in charge: an append to it that follows what another has just changed is stale, and is decided anew. What a model's own
stream says of its promotion follows from here (``consequences``), and is written again when a crash came between.
"""

from typing import NamedTuple

from drlactors.domain import model
from drlactors.domain.decider import Decider
from drlactors.domain.errors import AlreadyServing, NobodyBefore, NotEntered, ReasonMissing, StillServing
from drlactors.domain.model import Authority

#: Stands for what the configuration names, where no model was put in charge.
CONFIGURED = ""


# Commands


class Enter(NamedTuple):
    sha256: str


class Withdraw(NamedTuple):
    """It is no candidate any more, and nobody goes back to it; entering it again or passing the charge undoes that."""

    sha256: str


class PassCharge(NamedTuple):
    sha256: str
    instead: str  # the policy that acts now
    authority: Authority
    author: str
    reason: str


class ReturnCharge(NamedTuple):
    author: str
    reason: str


Command = Enter | Withdraw | PassCharge | ReturnCharge


# Events: their fields are a stored format


class ModelEntered(NamedTuple):
    sha256: str


class ModelWithdrawn(NamedTuple):
    sha256: str


class ChargePassed(NamedTuple):
    turn: int
    sha256: str  # in charge from now on
    before: str  # sha256 of the model that was, empty: none
    instead: str  # the policy that acted until now
    authority: Authority
    author: str
    reason: str


class ChargeReturned(NamedTuple):
    turn: int
    sha256: str  # in charge again; empty: what the configuration names
    before: str  # was in charge until now
    author: str
    reason: str


Event = ModelEntered | ModelWithdrawn | ChargePassed | ChargeReturned


# State


class State(NamedTuple):
    models: tuple[str, ...] = ()  # in the order in which they were entered
    withdrawn: frozenset[str] = frozenset()
    line: tuple[str, ...] = ()  # who was in charge, each once; the last one is, and goes back to the one before
    turn: int = 0  # counts changes of charge

    @property
    def in_charge(self) -> str:
        return self.line[-1] if self.line else CONFIGURED


INITIAL = State()


# Decide


def decide(command: Command, state: State) -> tuple[Event, ...]:
    match command:
        case Enter(sha256=sha256):
            return () if sha256 in state.models and sha256 not in state.withdrawn else (ModelEntered(sha256),)
        case Withdraw(sha256=sha256) | PassCharge(sha256=sha256) if sha256 not in state.models:
            raise NotEntered
        case Withdraw(sha256=sha256) if sha256 == state.in_charge:
            raise StillServing
        case Withdraw(sha256=sha256):
            return () if sha256 in state.withdrawn else (ModelWithdrawn(sha256),)
        case PassCharge(sha256=sha256) if sha256 == state.in_charge:
            raise AlreadyServing
        case PassCharge(sha256=sha256, instead=instead, authority=authority, author=author, reason=reason):
            return (ChargePassed(state.turn + 1, sha256, state.in_charge, instead, authority, author, reason),)
        case ReturnCharge() if not state.line:
            raise NobodyBefore
        case ReturnCharge(reason=reason) if not reason.strip():
            raise ReasonMissing
        case ReturnCharge(author=author, reason=reason):
            back = state.line[-2] if len(state.line) > 1 else CONFIGURED
            return (ChargeReturned(state.turn + 1, back, state.in_charge, author, reason),)


# Evolve


def evolve(state: State, event: Event) -> State:
    match event:
        case ModelEntered(sha256=sha256):
            models = (*(one for one in state.models if one != sha256), sha256)
            return state._replace(models=models, withdrawn=state.withdrawn - {sha256})
        case ModelWithdrawn(sha256=sha256):
            line = tuple(one for one in state.line if one != sha256)
            return state._replace(withdrawn=state.withdrawn | {sha256}, line=line)
        case ChargePassed(turn=turn, sha256=sha256):
            line = (*(one for one in state.line if one != sha256), sha256)
            return state._replace(line=line, turn=turn, withdrawn=state.withdrawn - {sha256})
        case ChargeReturned(turn=turn, before=before):
            return state._replace(line=state.line[:-1], turn=turn, withdrawn=state.withdrawn | {before})


DECIDER: Decider[Command, Event, State] = Decider(decide=decide, evolve=evolve, initial=INITIAL)


# Questions


def candidates(state: State, most: int) -> tuple[str, ...]:
    """The newest models that were neither in charge nor withdrawn, the newest first: those worth a look."""
    entered = [one for one in state.models if one not in state.withdrawn and one not in state.line]
    return tuple(reversed(entered[-most:])) if most else ()


def consequences(event: Event) -> tuple[tuple[str, model.Event], ...]:
    """What a change of charge means for the models that it touches: sha256, and the event of its own stream."""
    match event:
        case ChargePassed(turn, sha256, before, instead, authority, author, reason):
            leaving = ((before, model.Retired(turn, sha256)),) if before else ()
            return (*leaving, (sha256, model.Promoted(turn, instead, authority, author, reason)))
        case ChargeReturned(turn, sha256, before, author, reason):
            coming = model.Promoted(turn, before, Authority.PERSON, author, reason)
            return ((before, model.RolledBack(turn, author, reason)), *(((sha256, coming),) if sha256 else ()))
        case _:
            return ()

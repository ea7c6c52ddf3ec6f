"""A model: its life, from its training to the day that another one serves in its place."""

from enum import StrEnum
from typing import NamedTuple

from drlactors.domain.action import Action
from drlactors.domain.decider import Decider
from drlactors.domain.errors import (
    AlreadyServing,
    AlreadyTrained,
    EvaluatedAgainstAnother,
    GateDeclined,
    NotEvaluated,
    NotTrained,
    ReasonMissing,
    StillServing,
    WasRejected,
)


class Answer(StrEnum):
    """What the gate says to a candidate."""

    PROMOTE = "promote"
    REJECT = "reject"
    INSUFFICIENT = "insufficient evidence"  # neither: more sessions may tell


class Authority(StrEnum):
    """By what right a model is put in charge."""

    GATE = "gate"  # by evidence: the answer of its newest evaluation
    PERSON = "person"  # by a reason, which is recorded; evidence is not asked for


class Standing(StrEnum):
    """Where a model is in its life."""

    CANDIDATE = "candidate"
    PROMOTED = "promoted"
    RETIRED = "retired"
    ROLLED_BACK = "rolled-back"
    REJECTED = "rejected"


class Figure(NamedTuple):
    """A number that was measured, and how sure it is."""

    name: str
    value: float
    low: float  # of the interval at the gate's confidence; the value itself where there is none
    high: float


class Pairing(NamedTuple):
    """How often the model in charge chose one thing while the candidate would have chosen the other, or the same."""

    chosen: Action
    instead: Action
    windows: int


# Commands


class Train(NamedTuple):
    sha256: str  # of the ONNX file
    version: int
    date: str  # ISO 8601
    schema: str  # the feature schema's id
    sessions: int  # that it learned from
    data: str  # what they were, in words
    signed_by: str  # public key; empty when it is not signed


class Evaluate(NamedTuple):
    against: str  # the policy that it was compared with
    data: str
    sessions: int
    figures: tuple[Figure, ...]
    answer: Answer
    reasons: tuple[str, ...]


class Shadow(NamedTuple):
    """Ranked beside the model in charge, for an interval."""

    beside: str  # policy that acted
    interval_ms: int
    pairings: tuple[Pairing, ...]
    passed_by: int  # windows that it did not see, because it was behind
    failed: int  # windows that it gave no usable answer to


class Promote(NamedTuple):
    turn: int  # of the registry
    instead: str  # the policy whose place it takes
    authority: Authority
    author: str
    reason: str


class Reject(NamedTuple):
    author: str
    reasons: tuple[str, ...]


class Retire(NamedTuple):
    turn: int
    successor: str


class RollBack(NamedTuple):
    turn: int
    author: str
    reason: str


Command = Train | Evaluate | Shadow | Promote | Reject | Retire | RollBack


# Events: their fields are a stored format


class Trained(NamedTuple):
    sha256: str
    version: int
    date: str
    schema: str
    sessions: int
    data: str
    signed_by: str


class Evaluated(NamedTuple):
    against: str
    data: str
    sessions: int
    figures: tuple[Figure, ...]
    answer: Answer
    reasons: tuple[str, ...]


class Shadowed(NamedTuple):
    beside: str
    interval_ms: int
    pairings: tuple[Pairing, ...]
    passed_by: int
    failed: int


class Promoted(NamedTuple):
    turn: int
    instead: str
    authority: Authority
    author: str
    reason: str


class Rejected(NamedTuple):
    author: str
    reasons: tuple[str, ...]


class Retired(NamedTuple):
    turn: int
    successor: str


class RolledBack(NamedTuple):
    turn: int
    author: str
    reason: str


Event = Trained | Evaluated | Shadowed | Promoted | Rejected | Retired | RolledBack


# State


class State(NamedTuple):
    trained: Trained | None = None
    evaluated: Evaluated | None = None  # the newest one
    standing: Standing = Standing.CANDIDATE
    turn: int = 0  # the last one of the registry that touched it
    shadowed: int = 0  # windows
    differed: int = 0  # those in which it would have chosen otherwise
    rejected: tuple[str, ...] = ()  # the reasons


INITIAL = State()


# Decide


def decide(command: Command, state: State) -> tuple[Event, ...]:
    match command:
        case Train() if state.trained is None:
            return (Trained(*command),)
        case Train() if Trained(*command) == state.trained:
            return ()
        case Train():
            raise AlreadyTrained
        case _ if state.trained is None:
            raise NotTrained
        case Evaluate():
            return (Evaluated(*command),)
        case Shadow():
            return (Shadowed(*command),)
        case Promote(turn=turn) | Retire(turn=turn) | RollBack(turn=turn) if turn <= state.turn:
            return ()
        case Promote():
            _check_promotion(command, state)
            return (Promoted(*command),)
        case Reject(reasons=reasons) if not any(reasons):
            raise ReasonMissing
        case Reject() if state.standing is Standing.PROMOTED:
            raise StillServing
        case Reject():
            return () if state.standing is Standing.REJECTED else (Rejected(*command),)
        case Retire():
            return (Retired(*command),)
        case RollBack():
            return (RolledBack(*command),)


def _check_promotion(command: Promote, state: State) -> None:
    evaluated = state.evaluated
    if state.standing is Standing.PROMOTED:
        raise AlreadyServing
    if command.authority is Authority.PERSON:
        if not command.reason.strip():
            raise ReasonMissing
        return
    if state.standing is Standing.REJECTED:
        raise WasRejected
    if evaluated is None:
        raise NotEvaluated
    if evaluated.answer is not Answer.PROMOTE:
        raise GateDeclined
    if evaluated.against != command.instead:
        raise EvaluatedAgainstAnother


# Evolve


def evolve(state: State, event: Event) -> State:
    match event:
        case Trained():
            return state._replace(trained=event)
        case Evaluated():
            return state._replace(evaluated=event)
        case Shadowed(pairings=pairings):
            windows = sum(pairing.windows for pairing in pairings)
            same = sum(pairing.windows for pairing in pairings if pairing.chosen is pairing.instead)
            return state._replace(shadowed=state.shadowed + windows, differed=state.differed + windows - same)
        case Promoted(turn=turn):
            return state._replace(standing=Standing.PROMOTED, turn=turn, rejected=())
        case Rejected(reasons=reasons):
            return state._replace(standing=Standing.REJECTED, rejected=reasons)
        case Retired(turn=turn):
            return state._replace(standing=Standing.RETIRED, turn=turn)
        case RolledBack(turn=turn):
            return state._replace(standing=Standing.ROLLED_BACK, turn=turn)


DECIDER: Decider[Command, Event, State] = Decider(decide=decide, evolve=evolve, initial=INITIAL)

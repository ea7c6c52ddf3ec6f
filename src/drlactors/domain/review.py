"""A review: a question to a person about a sample, with a deadline and a default for when nobody answers."""

from enum import StrEnum
from typing import NamedTuple

from drlactors.domain.action import Action
from drlactors.domain.decider import Decider
from drlactors.domain.episode import Correct, Verdict
from drlactors.domain.errors import AlreadyDecided, NoReview, NotDecided, ReasonMissing
from drlactors.domain.ids import EpisodeId, ReviewId, SessionId, order_of
from drlactors.domain.order import Order, Undone
from drlactors.domain.session import Artifact


class Ruling(StrEnum):
    """What a person, or the default, makes of the question."""

    CONTINUE = "continue"  # go on watching: no word on what the sample is
    RELEASE = "release"  # it is benign: go on, and do nothing more about it
    TERMINATE = "terminate"  # it is malicious: kill it
    QUARANTINE = "quarantine"  # it is malicious: take it away


_ACTIONS = {Ruling.TERMINATE: Action.TERMINATE, Ruling.QUARANTINE: Action.QUARANTINE}
#: What a ruling says of the sample; going on says nothing.
_VERDICTS = {
    Ruling.RELEASE: Verdict.BENIGN,
    Ruling.TERMINATE: Verdict.MALICIOUS,
    Ruling.QUARANTINE: Verdict.MALICIOUS,
}


# Commands


class Open(NamedTuple):
    session: SessionId
    seq: int  # the window whose answer was to ask
    episode: EpisodeId
    artifact: Artifact
    proposed: Action | None  # what needs a person's consent; None: the policy itself asks
    deadline_us: int  # microseconds since 1970
    default: Ruling


class Decide(NamedTuple):
    ruling: Ruling
    who: str
    why: str


class Lapse(NamedTuple):
    """The deadline has passed."""


class Close(NamedTuple):
    """What follows from it is done: nothing more can be done in its session."""


Command = Open | Decide | Lapse | Close


# Events: their fields are a stored format; each is alone in its append


class ReviewOpened(NamedTuple):
    session: SessionId
    seq: int
    episode: EpisodeId
    artifact: Artifact
    proposed: Action | None
    deadline_us: int
    default: Ruling


class ReviewDecided(NamedTuple):
    ruling: Ruling
    who: str
    why: str
    late: bool  # after the deadline: it still counts for what is learned


class ReviewLapsed(NamedTuple):
    ruling: Ruling  # the default


class ReviewClosed(NamedTuple):
    pass


Event = ReviewOpened | ReviewDecided | ReviewLapsed | ReviewClosed


# State


class State(NamedTuple):
    opened: ReviewOpened | None = None
    lapsed: ReviewLapsed | None = None
    decided: ReviewDecided | None = None
    closed: bool = False


INITIAL = State()


# Decide


def decide(command: Command, state: State) -> tuple[Event, ...]:
    match command:
        case Open() if state.opened is not None:
            return ()  # the configuration may have changed between two readings of one question
        case Open():
            return (ReviewOpened(*command),)
        case _ if state.opened is None:
            raise NoReview
        case Decide(ruling, who, why) if state.decided is not None:
            if (ruling, who, why) == state.decided[:3]:
                return ()
            raise AlreadyDecided
        case Decide(why=why) if not why.strip():
            raise ReasonMissing
        case Decide(ruling, who, why):
            return (ReviewDecided(ruling, who, why, late=state.lapsed is not None),)
        case Lapse() if state.decided is not None or state.lapsed is not None:
            return ()
        case Lapse():
            return (ReviewLapsed(state.opened.default),)
        case Close() if state.closed:
            return ()
        case Close() if state.decided is None and state.lapsed is None:
            raise NotDecided
        case Close():
            return (ReviewClosed(),)


# Evolve


def evolve(state: State, event: Event) -> State:
    match event:
        case ReviewOpened():
            return state._replace(opened=event)
        case ReviewDecided():
            return state._replace(decided=event)
        case ReviewLapsed():
            return state._replace(lapsed=event)
        case ReviewClosed():
            return state._replace(closed=True)


DECIDER: Decider[Command, Event, State] = Decider(decide=decide, evolve=evolve, initial=INITIAL)


# Questions


def order(review: ReviewId, state: State) -> Order | None:
    """What the session is to do now that a person has decided, or that the time is up; None before."""
    said = state.decided or state.lapsed
    if said is None or state.opened is None:
        return None
    action = _ACTIONS.get(said.ruling, Action.CONTINUE)
    asked = Undone(state.opened.seq, Action.REVIEW)
    return Order(
        order=order_of(review, "decided" if state.decided else "lapsed"),
        action=action,
        undoes=asked if action is Action.CONTINUE else None,
        releases=said.ruling is Ruling.RELEASE,
        policy=f"person:{state.decided.who}" if state.decided else "default",
        why=state.decided.why if state.decided else "nobody answered the review in time",
    )


def correction(state: State) -> Correct | None:
    """What a person's decision says of the episode. A default is nobody's word on what the sample is."""
    if state.decided is None or state.decided.ruling not in _VERDICTS:
        return None
    return Correct(_VERDICTS[state.decided.ruling], state.decided.who, state.decided.why)

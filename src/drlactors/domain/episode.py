"""An episode: an artifact's whole way through the stages."""

from enum import StrEnum
from typing import NamedTuple

from drlactors.domain.decider import Decider
from drlactors.domain.errors import EpisodeOver, WrongStage
from drlactors.domain.ids import SessionId
from drlactors.domain.session import Artifact, Outcome


class Verdict(StrEnum):
    """What the whole way came to."""

    MALICIOUS = "malicious"
    FALSE_NEGATIVE = "false-negative"  # judged clean in stage 1, malicious in stage 2
    BENIGN = "benign"
    PARTIAL = "partial"  # a stage was lost or failed: nothing was concluded


# Commands


class EnterStage(NamedTuple):
    stage: int
    session: SessionId
    artifact: Artifact


class ConcludeStage(NamedTuple):
    stage: int
    session: SessionId
    outcome: Outcome | None  # None: the session was lost, or ended without an outcome


Command = EnterStage | ConcludeStage


# Events: their fields are a stored format


class StageEntered(NamedTuple):
    stage: int
    session: SessionId
    artifact: Artifact


class StageConcluded(NamedTuple):
    stage: int
    session: SessionId
    outcome: Outcome | None


class EpisodeCompleted(NamedTuple):
    verdict: Verdict


Event = StageEntered | StageConcluded | EpisodeCompleted


# State


class State(NamedTuple):
    stage: int = 0  # the stage that was entered last
    session: SessionId | None = None
    outcomes: tuple[Outcome | None, ...] = ()  # of the stages concluded, in order
    verdict: Verdict | None = None


INITIAL = State()


# Decide


def decide(command: Command, state: State) -> tuple[Event, ...]:
    match command:
        case EnterStage(session=session) if session == state.session:
            return ()
        case ConcludeStage(stage=stage) if stage <= len(state.outcomes):
            return ()
        case _ if state.verdict is not None:
            raise EpisodeOver
        case EnterStage(stage=stage) if stage != state.stage + 1 or len(state.outcomes) != state.stage:
            raise WrongStage
        case EnterStage(stage=stage, session=session, artifact=artifact):
            return (StageEntered(stage=stage, session=session, artifact=artifact),)
        case ConcludeStage(session=session) if session != state.session:
            raise WrongStage
        case ConcludeStage(stage=stage, session=session, outcome=outcome):
            concluded = StageConcluded(stage=stage, session=session, outcome=outcome)
            verdict = verdict_of(stage, outcome)
            return (concluded,) if verdict is None else (concluded, EpisodeCompleted(verdict=verdict))


def verdict_of(stage: int, outcome: Outcome | None) -> Verdict | None:
    """What a stage's outcome means for the episode; None: the next stage has to look."""
    match outcome:
        case Outcome.MALICIOUS:
            return Verdict.MALICIOUS if stage == 1 else Verdict.FALSE_NEGATIVE
        case Outcome.BENIGN:
            return None if stage == 1 else Verdict.BENIGN
        case _:
            return Verdict.PARTIAL


# Evolve


def evolve(state: State, event: Event) -> State:
    match event:
        case StageEntered(stage=stage, session=session):
            return state._replace(stage=stage, session=session)
        case StageConcluded(outcome=outcome):
            return state._replace(outcomes=(*state.outcomes, outcome))
        case EpisodeCompleted(verdict=verdict):
            return state._replace(verdict=verdict)


DECIDER: Decider[Command, Event, State] = Decider(decide=decide, evolve=evolve, initial=INITIAL)

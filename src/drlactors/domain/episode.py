"""An episode: an artifact's whole way through the stages."""

from enum import StrEnum
from typing import NamedTuple

from drlactors.domain.decider import Decider
from drlactors.domain.errors import EpisodeOver, NoEpisode, NoVerdict, WrongStage
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


class Correct(NamedTuple):
    """A person knows better, before or after the episode is completed."""

    verdict: Verdict  # malicious or benign: what the artifact is, not which way it went
    who: str
    why: str


Command = EnterStage | ConcludeStage | Correct


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


class VerdictCorrected(NamedTuple):
    verdict: Verdict
    who: str
    why: str


Event = StageEntered | StageConcluded | EpisodeCompleted | VerdictCorrected


# State


class State(NamedTuple):
    stage: int = 0  # the stage that was entered last
    session: SessionId | None = None
    outcomes: tuple[Outcome | None, ...] = ()  # of the stages concluded, in order
    verdict: Verdict | None = None
    corrected: VerdictCorrected | None = None  # the newest correction


INITIAL = State()


# Decide


def decide(command: Command, state: State) -> tuple[Event, ...]:
    match command:
        case EnterStage(session=session) if session == state.session:
            return ()
        case ConcludeStage(stage=stage) if stage <= len(state.outcomes):
            return ()
        case Correct():
            return _correct(command, state)
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


def _correct(command: Correct, state: State) -> tuple[Event, ...]:
    if state.stage == 0:
        raise NoEpisode
    if command.verdict not in (Verdict.MALICIOUS, Verdict.BENIGN):
        raise NoVerdict
    corrected = VerdictCorrected(*command)
    return () if corrected == state.corrected else (corrected,)


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
        case VerdictCorrected():
            return state._replace(corrected=event)


DECIDER: Decider[Command, Event, State] = Decider(decide=decide, evolve=evolve, initial=INITIAL)

"""An episode: an artifact's whole way through the stages.

Stages may overlap, and what is known of them may come in any order. What the way came to follows from their outcomes
alone, so that it is the same in whatever order they came.
"""

from enum import StrEnum
from typing import NamedTuple

from drlactors.domain.decider import Decider
from drlactors.domain.errors import NoEpisode, NoVerdict, WrongStage
from drlactors.domain.ids import SessionId
from drlactors.domain.session import Artifact, Outcome


class Verdict(StrEnum):
    """What the whole way came to."""

    MALICIOUS = "malicious"
    FALSE_NEGATIVE = "false-negative"  # judged clean in stage 1, malicious in stage 2
    BENIGN = "benign"
    PARTIAL = "partial"  # a stage was lost, failed or never began: nothing was concluded


class Refusal(StrEnum):
    """Why a session is no stage of the episode that it names."""

    TAKEN = "taken"  # another session is that stage
    OVER = "over"  # the episode is completed, and waits for no stage
    OTHER_ARTIFACT = "other-artifact"  # the episode is about another file


# Commands


class EnterStage(NamedTuple):
    stage: int
    session: SessionId
    artifact: Artifact


class ConcludeStage(NamedTuple):
    stage: int
    session: SessionId
    outcome: Outcome | None  # None: the session was lost, or ended without an outcome


class Miss(NamedTuple):
    """The stage that would be next has not begun for too long."""


class Correct(NamedTuple):
    """A person knows better, before or after the episode is completed."""

    verdict: Verdict  # malicious or benign: what the artifact is, not which way it went
    who: str
    why: str


Command = EnterStage | ConcludeStage | Miss | Correct


# Events: their fields are a stored format


class StageEntered(NamedTuple):
    stage: int
    session: SessionId
    artifact: Artifact


class StageConcluded(NamedTuple):
    stage: int
    session: SessionId
    outcome: Outcome | None


class StageMissed(NamedTuple):
    stage: int  # that never began, or begins later than was waited for


class StageRefused(NamedTuple):
    stage: int
    session: SessionId  # goes on alone
    why: Refusal


class EpisodeCompleted(NamedTuple):
    """Comes again where a stage that had been missed begins after all, and says more than partial."""

    verdict: Verdict


class VerdictCorrected(NamedTuple):
    verdict: Verdict
    who: str
    why: str


Event = StageEntered | StageConcluded | StageMissed | StageRefused | EpisodeCompleted | VerdictCorrected


# State


class Stage(NamedTuple):
    session: SessionId
    artifact: Artifact
    concluded: bool = False
    outcome: Outcome | None = None


class State(NamedTuple):
    stages: tuple[tuple[int, Stage], ...] = ()  # those that were entered, in that order
    missed: int | None = None  # the stage that was not waited for any longer
    refused: frozenset[SessionId] = frozenset()
    verdict: Verdict | None = None
    corrected: VerdictCorrected | None = None  # the newest correction

    def stage(self, number: int) -> Stage | None:
        return next((stage for entered, stage in self.stages if entered == number), None)


INITIAL = State()


# Decide


def decide(command: Command, state: State) -> tuple[Event, ...]:
    match command:
        case EnterStage(stage, session, artifact):
            known = state.stage(stage)
            if session in state.refused or (known is not None and known.session == session):
                return ()
            why = _refusal(command, state)
            return (StageRefused(stage, session, why),) if why else (StageEntered(stage, session, artifact),)
        case ConcludeStage(session=session) if session in state.refused:
            return ()
        case ConcludeStage(stage, session, outcome):
            known = state.stage(stage)
            if known is None or known.session != session:
                raise WrongStage
            if known.concluded:
                return ()
            concluded = StageConcluded(stage, session, outcome)
            verdict = verdict_of(evolve(state, concluded))
            return (concluded,) if verdict in (None, state.verdict) else (concluded, EpisodeCompleted(verdict))
        case Miss():
            missing = waits_for(state)
            return () if missing is None else (StageMissed(missing), EpisodeCompleted(Verdict.PARTIAL))
        case Correct():
            return _correct(command, state)


def _refusal(command: EnterStage, state: State) -> Refusal | None:
    if state.stage(command.stage) is not None:
        return Refusal.TAKEN
    if any(stage.artifact.sha256 != command.artifact.sha256 for _, stage in state.stages):
        return Refusal.OTHER_ARTIFACT
    if state.verdict is not None and state.missed != command.stage:
        return Refusal.OVER
    return None


def _correct(command: Correct, state: State) -> tuple[Event, ...]:
    if not state.stages:
        raise NoEpisode
    if command.verdict not in (Verdict.MALICIOUS, Verdict.BENIGN):
        raise NoVerdict
    corrected = VerdictCorrected(*command)
    return () if corrected == state.corrected else (corrected,)


# Evolve


def evolve(state: State, event: Event) -> State:
    match event:
        case StageEntered(stage, session, artifact):
            return state._replace(stages=(*state.stages, (stage, Stage(session, artifact))))
        case StageConcluded(number, _, outcome):
            stages = tuple(
                (entered, stage._replace(concluded=True, outcome=outcome) if entered == number else stage)
                for entered, stage in state.stages
            )
            return state._replace(stages=stages)
        case StageMissed(stage):
            return state._replace(missed=stage)
        case StageRefused(session=session):
            return state._replace(refused=state.refused | {session})
        case EpisodeCompleted(verdict=verdict):
            return state._replace(verdict=verdict)
        case VerdictCorrected():
            return state._replace(corrected=event)


DECIDER: Decider[Command, Event, State] = Decider(decide=decide, evolve=evolve, initial=INITIAL)


# Questions


def verdict_of(state: State) -> Verdict | None:
    """What the stages come to; None while there is one to wait for."""
    first, second = state.stage(1), state.stage(2)
    if first is None or not first.concluded:
        return None
    if first.outcome is Outcome.MALICIOUS:
        return Verdict.MALICIOUS
    if first.outcome is not Outcome.BENIGN:
        return Verdict.PARTIAL
    if second is None or not second.concluded:
        return None
    if second.outcome is None or second.outcome is Outcome.FAILED:
        return Verdict.PARTIAL
    return Verdict.FALSE_NEGATIVE if second.outcome is Outcome.MALICIOUS else Verdict.BENIGN


def waits_for(state: State) -> int | None:
    """The stage that would have to begin for the episode to go on; None where nothing has to."""
    if state.verdict is not None or not state.stages:
        return None
    first = state.stage(1)
    if first is None:
        return 1
    return 2 if first.concluded and state.stage(2) is None else None

"""The rules of an episode, told as given, when, then."""

from collections.abc import Sequence
from uuid import UUID

import pytest

from drlactors.domain.episode import (
    DECIDER,
    Command,
    ConcludeStage,
    Correct,
    EnterStage,
    EpisodeCompleted,
    Event,
    StageConcluded,
    StageEntered,
    Verdict,
    VerdictCorrected,
)
from drlactors.domain.errors import EpisodeOver, NoEpisode, NoVerdict, WrongStage
from drlactors.domain.ids import SessionId
from drlactors.domain.session import Outcome
from drlactors.testing.given import ARTIFACT

FIRST, SECOND = SessionId(UUID(int=1)), SessionId(UUID(int=2))
ENTERED = StageEntered(stage=1, session=FIRST, artifact=ARTIFACT)
CLEAN: list[Event] = [ENTERED, StageConcluded(stage=1, session=FIRST, outcome=Outcome.BENIGN)]

CORRECT = Correct(Verdict.BENIGN, "an analyst", "a signed installer")


def when(command: Command, *, given: Sequence[Event] = ()) -> tuple[Event, ...]:
    return DECIDER.decide(command, DECIDER.fold(given))


def test_an_episode_opens_with_stage_one() -> None:
    enter = EnterStage(stage=1, session=FIRST, artifact=ARTIFACT)
    assert when(enter) == (ENTERED,)
    assert when(enter, given=[ENTERED]) == ()


def test_stage_two_needs_a_concluded_stage_one() -> None:
    enter = EnterStage(stage=2, session=SECOND, artifact=ARTIFACT)
    with pytest.raises(WrongStage):
        when(enter)
    with pytest.raises(WrongStage):
        when(enter, given=[ENTERED])
    assert when(enter, given=CLEAN) == (StageEntered(stage=2, session=SECOND, artifact=ARTIFACT),)


@pytest.mark.parametrize(
    ("stage", "outcome", "verdict"),
    [
        (1, Outcome.MALICIOUS, Verdict.MALICIOUS),
        (1, Outcome.FAILED, Verdict.PARTIAL),
        (1, None, Verdict.PARTIAL),
        (2, Outcome.MALICIOUS, Verdict.FALSE_NEGATIVE),
        (2, Outcome.BENIGN, Verdict.BENIGN),
        (2, Outcome.FAILED, Verdict.PARTIAL),
    ],
)
def test_a_stage_that_decides_completes_the_episode(stage: int, outcome: Outcome | None, verdict: Verdict) -> None:
    session = FIRST if stage == 1 else SECOND
    given: list[Event] = [ENTERED] if stage == 1 else [*CLEAN, StageEntered(stage=2, session=SECOND, artifact=ARTIFACT)]
    concluded, completed = when(ConcludeStage(stage=stage, session=session, outcome=outcome), given=given)
    assert concluded == StageConcluded(stage=stage, session=session, outcome=outcome)
    assert completed == EpisodeCompleted(verdict=verdict)


def test_judged_clean_in_stage_one_waits_for_stage_two() -> None:
    conclude = ConcludeStage(stage=1, session=FIRST, outcome=Outcome.BENIGN)
    assert when(conclude, given=[ENTERED]) == (CLEAN[1],)
    assert when(conclude, given=CLEAN) == ()


def test_a_completed_episode_takes_no_further_stage() -> None:
    given: list[Event] = [
        ENTERED,
        StageConcluded(stage=1, session=FIRST, outcome=None),
        EpisodeCompleted(verdict=Verdict.PARTIAL),
    ]
    with pytest.raises(EpisodeOver):
        when(EnterStage(stage=2, session=SECOND, artifact=ARTIFACT), given=given)


def test_a_stage_is_concluded_by_its_own_session_only() -> None:
    with pytest.raises(WrongStage):
        when(ConcludeStage(stage=1, session=SECOND, outcome=Outcome.BENIGN), given=[ENTERED])


COMPLETED: list[Event] = [
    ENTERED,
    StageConcluded(stage=1, session=FIRST, outcome=Outcome.MALICIOUS),
    EpisodeCompleted(verdict=Verdict.MALICIOUS),
]


@pytest.mark.parametrize("given", [[ENTERED], CLEAN, COMPLETED], ids=["entered", "concluded", "completed"])
def test_a_person_may_correct_at_any_time(given: list[Event]) -> None:
    assert when(CORRECT, given=given) == (VerdictCorrected(*CORRECT),)


def test_the_newest_correction_counts_and_its_repeat_is_quiet() -> None:
    corrected = [*COMPLETED, VerdictCorrected(*CORRECT)]
    assert when(CORRECT, given=corrected) == ()
    for other in (
        CORRECT._replace(verdict=Verdict.MALICIOUS),
        CORRECT._replace(who="another"),
        CORRECT._replace(why=""),
    ):
        (event,) = when(other, given=corrected)
        assert event == VerdictCorrected(*other)
        assert DECIDER.fold([*corrected, event]).corrected == event
        assert when(CORRECT, given=[*corrected, event]) == (VerdictCorrected(*CORRECT),)


def test_a_correction_does_not_complete_an_episode() -> None:
    enter = EnterStage(stage=2, session=SECOND, artifact=ARTIFACT)
    assert when(enter, given=[*CLEAN, VerdictCorrected(*CORRECT)]) == (
        StageEntered(stage=2, session=SECOND, artifact=ARTIFACT),
    )


def test_what_is_not_known_cannot_be_corrected() -> None:
    with pytest.raises(NoEpisode):
        when(CORRECT)


@pytest.mark.parametrize("verdict", [Verdict.PARTIAL, Verdict.FALSE_NEGATIVE])
def test_a_correction_says_what_the_artifact_is(verdict: Verdict) -> None:
    with pytest.raises(NoVerdict):
        when(CORRECT._replace(verdict=verdict), given=COMPLETED)

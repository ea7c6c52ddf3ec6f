"""The rules of an episode, told as given, when, then."""

from collections.abc import Sequence
from itertools import permutations
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
    Miss,
    Refusal,
    StageConcluded,
    StageEntered,
    StageMissed,
    StageRefused,
    Verdict,
    VerdictCorrected,
)
from drlactors.domain.errors import NoEpisode, NoVerdict, WrongStage
from drlactors.domain.ids import SessionId
from drlactors.domain.session import Artifact, Outcome
from drlactors.testing.given import ARTIFACT

FIRST, SECOND, THIRD = (SessionId(UUID(int=number)) for number in (1, 2, 3))
ENTERED = StageEntered(stage=1, session=FIRST, artifact=ARTIFACT)
CLEAN: list[Event] = [ENTERED, StageConcluded(stage=1, session=FIRST, outcome=Outcome.BENIGN)]

ENTERED_TOO = StageEntered(stage=2, session=SECOND, artifact=ARTIFACT)
MISSED: list[Event] = [*CLEAN, StageMissed(stage=2), EpisodeCompleted(Verdict.PARTIAL)]

CORRECT = Correct(Verdict.BENIGN, "an analyst", "a signed installer")


def when(command: Command, *, given: Sequence[Event] = ()) -> tuple[Event, ...]:
    return DECIDER.decide(command, DECIDER.fold(given))


def test_an_episode_opens_with_stage_one() -> None:
    enter = EnterStage(stage=1, session=FIRST, artifact=ARTIFACT)
    assert when(enter) == (ENTERED,)
    assert when(enter, given=[ENTERED]) == ()


def test_stage_two_follows_stage_one() -> None:
    enter = EnterStage(stage=2, session=SECOND, artifact=ARTIFACT)
    assert when(enter, given=CLEAN) == (ENTERED_TOO,)


OUTCOMES = (Outcome.MALICIOUS, Outcome.BENIGN, Outcome.FAILED, None)


@pytest.mark.parametrize("first", OUTCOMES)
@pytest.mark.parametrize("second", OUTCOMES)
def test_stages_that_overlap_come_to_the_same_in_whatever_order(first: Outcome | None, second: Outcome | None) -> None:
    commands: list[Command] = [
        EnterStage(stage=1, session=FIRST, artifact=ARTIFACT),
        EnterStage(stage=2, session=SECOND, artifact=ARTIFACT),
        ConcludeStage(stage=1, session=FIRST, outcome=first),
        ConcludeStage(stage=2, session=SECOND, outcome=second),
    ]
    verdicts = set()
    for order in permutations(commands):
        if order.index(commands[0]) > order.index(commands[2]) or order.index(commands[1]) > order.index(commands[3]):
            continue  # no session is over before it began
        went: list[Event] = []
        for command in order:
            went += when(command, given=went)
        verdicts.add(DECIDER.fold(went).verdict)
        assert sum(isinstance(event, EpisodeCompleted) for event in went) == 1
    assert len(verdicts) == 1


@pytest.mark.parametrize(
    ("session", "stage", "artifact", "given", "why"),
    [
        (THIRD, 1, ARTIFACT, [ENTERED], Refusal.TAKEN),
        (THIRD, 2, ARTIFACT, [*CLEAN, ENTERED_TOO], Refusal.TAKEN),
        (SECOND, 2, ARTIFACT._replace(sha256="cd" * 32), [ENTERED], Refusal.OTHER_ARTIFACT),
        (THIRD, 1, ARTIFACT, MISSED, Refusal.TAKEN),
        (SECOND, 2, ARTIFACT, [ENTERED, EpisodeCompleted(Verdict.MALICIOUS)], Refusal.OVER),
    ],
)
def test_a_session_that_is_no_stage_of_the_episode_is_refused_with_the_reason_and_goes_on_alone(
    session: SessionId, stage: int, artifact: Artifact, given: list[Event], why: Refusal
) -> None:
    (refused,) = when(EnterStage(stage, session, artifact), given=given)
    assert refused == StageRefused(stage, session, why)
    after = [*given, refused]
    assert when(EnterStage(stage, session, artifact), given=after) == ()
    assert when(ConcludeStage(stage, session, Outcome.MALICIOUS), given=after) == ()
    assert DECIDER.fold(after).verdict == DECIDER.fold(given).verdict


@pytest.mark.parametrize(("given", "stage"), [(CLEAN, 2), ([ENTERED_TOO], 1)])
def test_a_stage_that_never_begins_makes_the_episode_partial(given: list[Event], stage: int) -> None:
    assert when(Miss(), given=given) == (StageMissed(stage), EpisodeCompleted(Verdict.PARTIAL))
    assert when(Miss(), given=[*given, StageMissed(stage), EpisodeCompleted(Verdict.PARTIAL)]) == ()


@pytest.mark.parametrize("given", [[], [ENTERED], [*CLEAN, ENTERED_TOO], [ENTERED, ENTERED_TOO]])
def test_nothing_is_missed_while_a_session_of_the_episode_runs(given: list[Event]) -> None:
    assert when(Miss(), given=given) == ()


def test_a_stage_that_begins_after_it_was_missed_still_counts() -> None:
    late = [*MISSED, *when(EnterStage(stage=2, session=SECOND, artifact=ARTIFACT), given=MISSED)]
    assert late[-1] == ENTERED_TOO
    conclude = ConcludeStage(stage=2, session=SECOND, outcome=Outcome.MALICIOUS)
    assert when(conclude, given=late)[-1] == EpisodeCompleted(Verdict.FALSE_NEGATIVE)
    lost = conclude._replace(outcome=None)
    assert when(lost, given=late) == (StageConcluded(2, SECOND, None),)


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


def test_a_stage_is_concluded_by_its_own_session_only() -> None:
    with pytest.raises(WrongStage):
        when(ConcludeStage(stage=1, session=SECOND, outcome=Outcome.BENIGN), given=[ENTERED])
    with pytest.raises(WrongStage):
        when(ConcludeStage(stage=2, session=SECOND, outcome=Outcome.BENIGN), given=[ENTERED])


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

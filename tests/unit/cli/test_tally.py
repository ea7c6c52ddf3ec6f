"""Counting episodes: each is counted once, and a partial one says why."""

from uuid import UUID

import pytest

from drlactors.cli.tally import Way, tally
from drlactors.domain.episode import (
    EpisodeCompleted,
    Event,
    Refusal,
    StageConcluded,
    StageEntered,
    StageMissed,
    StageRefused,
    Verdict,
    VerdictCorrected,
)
from drlactors.domain.ids import SessionId
from drlactors.domain.session import Outcome
from drlactors.testing.given import ARTIFACT

FIRST, SECOND = SessionId(UUID(int=1)), SessionId(UUID(int=2))
ENTERED, ENTERED_TOO = StageEntered(1, FIRST, ARTIFACT), StageEntered(2, SECOND, ARTIFACT)
CLEAN = (ENTERED, StageConcluded(1, FIRST, Outcome.BENIGN))
PARTIAL = EpisodeCompleted(Verdict.PARTIAL)
FOUND = (*CLEAN, ENTERED_TOO, StageConcluded(2, SECOND, Outcome.MALICIOUS), EpisodeCompleted(Verdict.FALSE_NEGATIVE))


def counted(*ways: tuple[Event, ...]) -> dict[str, int | float | None]:
    return dict(tally(Way(events, 1_000_000, 3_500_000) for events in ways))


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ((ENTERED, StageConcluded(1, FIRST, None), PARTIAL), "stage 1 was lost or said nothing"),
        ((ENTERED, StageConcluded(1, FIRST, Outcome.FAILED), PARTIAL), "stage 1 failed to run"),
        ((*CLEAN, ENTERED_TOO, StageConcluded(2, SECOND, None), PARTIAL), "stage 2 was lost or said nothing"),
        ((*CLEAN, StageMissed(2), PARTIAL), "stage 2 never began"),
        ((*CLEAN, StageMissed(2), PARTIAL, ENTERED_TOO), "stage 2 began late and still runs"),
        ((ENTERED_TOO, StageMissed(1), PARTIAL), "stage 1 never began"),
    ],
)
def test_a_partial_episode_says_why(events: tuple[Event, ...], why: str) -> None:
    assert counted(events)[f"partial, since {why}"] == 1


def test_shares_are_of_what_was_judged() -> None:
    benign = (*CLEAN, ENTERED_TOO, StageConcluded(2, SECOND, Outcome.BENIGN), EpisodeCompleted(Verdict.BENIGN))
    caught = (ENTERED, StageConcluded(1, FIRST, Outcome.MALICIOUS), EpisodeCompleted(Verdict.MALICIOUS))
    corrected = (
        *caught,
        StageRefused(2, SECOND, Refusal.OVER),
        VerdictCorrected(Verdict.BENIGN, "ann", "an installer"),
    )
    counts = counted(FOUND, benign, benign, caught, caught, corrected)
    assert counts["share of the malicious that stage 1 judged clean"] == 0.25
    assert counts["share of what stage 2 judged that it found malicious"] == pytest.approx(1 / 3, abs=1e-4)
    assert counts["corrected to benign after malicious"] == 1
    assert counts["sessions that were no stage of the episode they named"] == 1
    assert (counts["artifacts"], counts["artifacts in more than one episode"]) == (1, 1)
    assert counts["seconds to the verdict, median"] == 2.5
    assert counted()["seconds to the verdict, median"] is None

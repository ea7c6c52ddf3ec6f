"""Episodes on a running line: stages in order, at once, twice, late and never, and over a restart."""

from uuid import UUID

import pytest

from drlactors.actors.messages import Tick
from drlactors.domain.episode import (
    EpisodeCompleted,
    Event,
    Refusal,
    StageConcluded,
    StageEntered,
    StageMissed,
    StageRefused,
    Verdict,
)
from drlactors.domain.ids import DAY_US, REGISTRY, EpisodeId, SessionId, guard_day
from drlactors.domain.session import EndReason, Outcome
from drlactors.ports.log import Category, Stream
from drlactors.sandboxes.sdk import Done, Session
from drlactors.testing.given import ARTIFACT
from tests.integration.actors.test_line import LIMITS, Plane, running, send, until


def went(plane: Plane, episode: EpisodeId) -> list[Event]:
    return [event for entry in plane.log.stream(Stream(Category.EPISODE, episode)) for event in entry.of_episode]


def verdicts(plane: Plane, episode: EpisodeId) -> list[Verdict]:
    return [event.verdict for event in went(plane, episode) if isinstance(event, EpisodeCompleted)]


def second(plane: Plane, first: Session) -> Session:
    return plane.host.start(ARTIFACT, lambda _: Done(), continues=first.episode)


def over(plane: Plane, session: Session, outcome: Outcome, stage: int = 1) -> None:
    send(session, 0, 2)
    assert session.wait_answered(10)
    session.report(outcome)
    session.end(EndReason.FINISHED)
    concluded = StageConcluded(stage, session.id, outcome)
    until(lambda: concluded in went(plane, session.episode), "the stage is concluded")


def test_an_episode_follows_its_sessions_from_stage_to_stage() -> None:
    with running() as plane:
        first = plane.open()
        over(plane, first, Outcome.BENIGN)
        later = second(plane, first)
        over(plane, later, Outcome.MALICIOUS, 2)
        assert went(plane, first.episode) == [
            StageEntered(1, first.id, ARTIFACT),
            StageConcluded(1, first.id, Outcome.BENIGN),
            StageEntered(2, later.id, ARTIFACT),
            StageConcluded(2, later.id, Outcome.MALICIOUS),
            EpisodeCompleted(Verdict.FALSE_NEGATIVE),
        ]


def test_stages_may_overlap() -> None:
    with running() as plane:
        first = plane.open()
        later = second(plane, first)
        over(plane, later, Outcome.MALICIOUS, 2)
        assert verdicts(plane, first.episode) == []
        over(plane, first, Outcome.BENIGN)
        assert verdicts(plane, first.episode) == [Verdict.FALSE_NEGATIVE]


def test_an_artifact_that_is_analysed_twice_has_two_episodes() -> None:
    with running() as plane:
        one, other = plane.open(), plane.open()
        over(plane, one, Outcome.MALICIOUS)
        over(plane, other, Outcome.BENIGN)
        over(plane, second(plane, other), Outcome.BENIGN, 2)
        assert verdicts(plane, one.episode) == [Verdict.MALICIOUS]
        assert verdicts(plane, other.episode) == [Verdict.BENIGN]


def test_a_second_session_for_one_stage_is_refused_with_the_reason_and_changes_nothing() -> None:
    with running() as plane:
        first = plane.open()
        over(plane, first, Outcome.BENIGN)
        later, intruder = second(plane, first), second(plane, first)
        until(lambda: len(went(plane, first.episode)) == 4, "both were heard of")
        assert went(plane, first.episode)[-1] == StageRefused(2, intruder.id, Refusal.TAKEN)
        send(intruder, 0, 2)
        assert intruder.wait_answered(10), "it goes on alone"
        intruder.report(Outcome.MALICIOUS)
        intruder.end()
        over(plane, later, Outcome.BENIGN, 2)
        assert verdicts(plane, first.episode) == [Verdict.BENIGN]


def test_a_stage_that_continues_what_is_no_episode_runs_alone_and_harms_nobody() -> None:
    with running() as plane:
        first = plane.open()
        astray = plane.host.start(ARTIFACT, lambda _: Done(), continues=EpisodeId(first.id))  # its session, by mistake
        for session in (first, astray):
            send(session, 0, 2)
            assert session.wait_answered(10)
        over(plane, first, Outcome.MALICIOUS)
        assert verdicts(plane, first.episode) == [Verdict.MALICIOUS]
        assert plane.ended == []


def test_a_session_by_the_id_of_an_episode_is_turned_away_with_the_reason_and_harms_nobody() -> None:
    with running() as plane:
        first = plane.open()
        send(first, 0, 2)
        until(lambda: went(plane, first.episode), "the episode is there")
        intruder = plane.host.start(ARTIFACT, lambda _: Done(), session=SessionId(first.episode))
        send(intruder, 0, 1)
        send(intruder, 0, 1)
        until(lambda: len(intruder.refusals) >= 2, "it is turned away")
        assert all("this id belongs to episode-" in reason for _, reason in intruder.refusals)
        over(plane, first, Outcome.MALICIOUS)
        assert verdicts(plane, first.episode) == [Verdict.MALICIOUS]
        assert plane.ended == []


@pytest.mark.parametrize("taken", [REGISTRY, guard_day(DAY_US)], ids=["registry", "the guard's of tomorrow"])
def test_no_session_and_no_episode_takes_an_id_that_the_system_is_known_to_need(taken: UUID) -> None:
    with running() as plane:
        intruders = [
            plane.host.start(ARTIFACT, lambda _: Done(), session=SessionId(taken)),
            plane.host.start(ARTIFACT, lambda _: Done(), continues=EpisodeId(taken)),
        ]
        until(lambda: all(one.refusals for one in intruders), "they are turned away")
        assert all(reason == "this id belongs to the system itself" for one in intruders for _, reason in one.refusals)
        assert plane.log.head() == 0


def test_a_stage_that_never_begins_makes_the_episode_partial_and_counts_if_it_begins_after_all() -> None:
    with running() as plane:
        first, busy = plane.open(), plane.open()
        over(plane, first, Outcome.BENIGN)
        plane.clock.seconds += LIMITS.stage_wait_s - 1
        send(busy, 0, 1)
        assert busy.wait_answered(10)
        assert verdicts(plane, first.episode) == []
        plane.clock.seconds += 2
        until(lambda: verdicts(plane, first.episode), "it is given up")
        assert went(plane, first.episode)[-2:] == [StageMissed(2), EpisodeCompleted(Verdict.PARTIAL)]
        assert verdicts(plane, busy.episode) == [], "a session that runs is waited for"
        over(plane, second(plane, first), Outcome.MALICIOUS, 2)
        assert verdicts(plane, first.episode) == [Verdict.PARTIAL, Verdict.FALSE_NEGATIVE]


def test_the_deadline_of_a_stage_survives_a_restart() -> None:
    with running() as plane:
        first = plane.open()
        over(plane, first, Outcome.BENIGN)
        log, clock = plane.log, plane.clock
    clock.seconds += LIMITS.stage_wait_s - 1
    with running(log=log, clock=clock) as again:
        assert verdicts(again, first.episode) == []
        clock.seconds += 2
        until(lambda: verdicts(again, first.episode) == [Verdict.PARTIAL], "it is given up")


@pytest.mark.parametrize("set_ahead_s", [7200.0, -900.0])
def test_a_clock_that_is_set_anew_changes_no_waiting_for_a_stage(set_ahead_s: float) -> None:
    with running() as plane:
        first = plane.open()
        over(plane, first, Outcome.BENIGN)
        plane.clock.set_ahead_s = set_ahead_s
        plane.clock.seconds += LIMITS.stage_wait_s - 1
        plane.line.coordinator.tell(Tick())
        over(plane, plane.open(), Outcome.BENIGN)  # whatever the time brought about comes before this
        assert verdicts(plane, first.episode) == []
        plane.clock.seconds += 2
        until(lambda: verdicts(plane, first.episode) == [Verdict.PARTIAL], "it is given up")

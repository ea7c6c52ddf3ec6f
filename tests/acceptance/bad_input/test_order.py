"""Unknown sandboxes, sessions that were never started or have ended, windows repeated, reordered and skipped."""

import psycopg
import pytest

from drlactors.codec import sandbox as wire
from drlactors.domain.session import (
    ActionSelected,
    Artifact,
    EndReason,
    FeedbackReceived,
    LossCause,
    Outcome,
    Started,
    TelemetryLost,
)
from drlactors.domain.telemetry import Telemetry, Window
from drlactors.ports.bus import Kind
from drlactors.store.log import PostgresEventLog
from drlactors.testing.servers import EmbeddedNats, EmbeddedPostgres
from tests.acceptance.bad_input.kit import counted, events, feedback, gauge, recorded
from tests.acceptance.harness import SystemProcess, wait_for
from tests.acceptance.raw import SANDBOX, Box, Raw


@pytest.mark.parametrize("kind", Kind)
def test_an_unknown_sandbox_is_refused_and_buried(kind: Kind, raw: Raw, log: PostgresEventLog) -> None:
    box = Box(raw, sandbox="nobody")
    message = {
        Kind.TELEMETRY: wire.windows(box.id, "nobody", [Window(0, 250, 1, Telemetry())]),
        Kind.FEEDBACK: feedback(box.id, 0).replace(SANDBOX.encode(), b"foo"),
        Kind.EPISODE: box.start(),
    }[kind]
    box.tell(kind, message)
    box.refused(kind, "is not known here", message)
    assert events(log, box.id) == []


def test_what_belongs_to_a_session_never_started_is_refused_and_buried(raw: Raw, log: PostgresEventLog) -> None:
    box = Box(raw)
    for kind, message in (
        (Kind.TELEMETRY, wire.windows(box.id, SANDBOX, [Window(0, 250, 1, Telemetry())])),
        (Kind.TELEMETRY, wire.windows(box.id, SANDBOX, [Window(7, 250, 1, Telemetry())])),
        (Kind.FEEDBACK, feedback(box.id, 0)),
        (Kind.EPISODE, wire.report(box.id, SANDBOX, Outcome.BENIGN)),
        (Kind.EPISODE, wire.end(box.id, SANDBOX, EndReason.FINISHED)),
        (Kind.EPISODE, wire.loss(box.id, SANDBOX, 0, 3)),
    ):
        box.tell(kind, message)
        box.refused(kind, "it has to be started first", message)
    assert events(log, box.id) == []
    box.started().see(0)
    box.answered(0)


def test_a_repeated_start_is_quiet_and_another_one_refused(box: Box, log: PostgresEventLog) -> None:
    box.started()
    other = wire.start(box.id, SANDBOX, 1, Artifact("cd" * 32, "elf"), 250)
    box.tell(Kind.EPISODE, other)
    box.refused(Kind.EPISODE, "started before, with other facts", other)
    wait_for(lambda: [type(event) for event in events(log, box.id)] == [Started], 60, "only its start is in the log")


def test_repeated_windows_are_quiet_recorded_once_and_answered_again(box: Box, log: PostgresEventLog) -> None:
    box.see(0, 1, 2)
    box.answered(0, 1, 2)
    box.see(1, 0, 2, 2, 0)
    wait_for(lambda: len(box.answers()) > 3, 60, "the newest answers are sent again")
    box.see(3)
    wait_for(lambda: 3 in box.answers(), 60, "the next window is answered")
    box.quiet()
    assert recorded(log, box.id) == [0, 1, 2, 3]
    selected = [event.seq for event in events(log, box.id) if isinstance(event, ActionSelected)]
    assert selected == [0, 1, 2, 3]


def test_reordered_windows_are_put_in_order_without_a_loss(box: Box, log: PostgresEventLog) -> None:
    box.see(0, 3, 2, 1, 5, 4)
    box.answered(0, 1, 2, 3, 4, 5)
    box.quiet()
    assert recorded(log, box.id) == [0, 1, 2, 3, 4, 5]
    assert not [event for event in events(log, box.id) if isinstance(event, TelemetryLost)]


def test_skipped_windows_are_an_event_once_they_were_waited_for(box: Box, log: PostgresEventLog) -> None:
    box.see(0, 1, 5)
    box.answered(0, 1, 5)
    box.see(3)  # given up for lost: quiet
    box.see(6)
    wait_for(lambda: 6 in box.answers(), 60, "the next window is answered")
    box.quiet()
    assert recorded(log, box.id) == [0, 1, 5, 6]
    lost = [event for event in events(log, box.id) if isinstance(event, TelemetryLost)]
    assert lost == [TelemetryLost(2, 4, LossCause.GAP)]


def test_after_the_end_only_repeats_and_late_answers_are_quiet(box: Box, log: PostgresEventLog) -> None:
    box.see(0)
    box.answered(0)
    end = wire.end(box.id, SANDBOX, EndReason.FINISHED)
    box.tell(Kind.EPISODE, end)
    for kind, message in (
        (Kind.TELEMETRY, wire.windows(box.id, SANDBOX, [Window(1, 250, 1, Telemetry())])),
        (Kind.EPISODE, wire.report(box.id, SANDBOX, Outcome.MALICIOUS)),
        (Kind.EPISODE, wire.loss(box.id, SANDBOX, 1, 3)),
    ):
        box.tell(Kind.EPISODE, end)
        box.tell(Kind.FEEDBACK, feedback(box.id, 0))
        box.tell(kind, message)
        box.refused(kind, "The session has ended", message)
    assert recorded(log, box.id) == [0]


def test_feedback_to_nothing_is_refused_and_to_going_on_quiet(box: Box, log: PostgresEventLog) -> None:
    seqs = range(10)
    box.see(*seqs)
    box.answered(*seqs)
    going_on = [event.seq for event in events(log, box.id) if isinstance(event, ActionSelected) and not event.action]
    assert going_on
    box.tell(Kind.FEEDBACK, feedback(box.id, going_on[0]))
    nothing = feedback(box.id, 10)
    box.tell(Kind.FEEDBACK, nothing)
    box.refused(Kind.FEEDBACK, "No action of this session waits for that feedback", nothing)
    assert not [event for event in events(log, box.id) if isinstance(event, FeedbackReceived)]


def test_a_session_whose_rows_cannot_be_read_is_refused_and_nobody_waits_for_it(
    raw: Raw, box: Box, log: PostgresEventLog, real: tuple[EmbeddedNats, EmbeddedPostgres], system: SystemProcess
) -> None:
    """As after going back to an older program: every message is settled, none is kept waiting."""
    wait_for(lambda: len(events(log, box.id)) == 1, 60, "it has begun")
    wait_for(lambda: gauge(system, 'drl_sessions{state="awake"}') > 0, 60, "the gauge, renewed now and then, has it")
    box.tell(Kind.EPISODE, wire.end(box.id, SANDBOX, EndReason.FINISHED))  # so that it leaves memory
    wait_for(lambda: len(events(log, box.id)) == 2, 60, "it has ended")
    wait_for(lambda: gauge(system, 'drl_sessions{state="awake"}') == 0, 120, "it has left memory")
    with psycopg.connect(real[1].dsn) as connection:
        connection.execute(
            "UPDATE eventlog.stored_events SET topic = 'session.dreamt:1' WHERE originator_id = %s", (box.id,)
        )
    before = counted(system, "drl_refusals_total")
    for seq in range(50):
        box.see(seq)
    wait_for(lambda: counted(system, "drl_refusals_total") == before + 50, 60, "all of them are refused")
    wait_for(lambda: len(raw.letters(box.id)) == 50, 60, "all of them are buried")
    assert any("session.dreamt:1" in letter.reason for letter in raw.letters(box.id))
    neighbour = Box(raw).started()
    neighbour.see(0)
    neighbour.answered(0)

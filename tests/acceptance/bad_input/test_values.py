"""Absurd and missing values are taken as missing; what nothing can be done without is refused."""

import math

import pytest

from drlactors.codec import sandbox as wire
from drlactors.domain.session import ActionSelected, TelemetryLost, TelemetryRecorded
from drlactors.domain.telemetry import Telemetry, Window
from drlactors.ports.bus import Kind
from drlactors.store.log import PostgresEventLog
from drlactors.wire.v1 import episode_pb2, telemetry_pb2
from tests.acceptance.bad_input.kit import events, feedback
from tests.acceptance.harness import wait_for
from tests.acceptance.raw import SANDBOX, Box, Raw


def test_absurd_values_are_taken_as_missing_and_the_sandbox_is_warned(box: Box, log: PostgresEventLog) -> None:
    absurd = {
        "syscall_count": -1,
        "file_read_count": -(2**63),  # what 2^63 is on the wire
        "bytes_sent": 2**63 - 1,
        "cpu_usage": math.nan,
        "memory_usage": math.inf,
    }
    message = telemetry_pb2.Windows(session_id=str(box.id), sandbox_id=SANDBOX)
    message.windows.add(seq=0, window_ms=2**32 - 1, observed_us=-5).telemetry.MergeFrom(
        telemetry_pb2.Telemetry(file_write_count=7, **absurd)  # type: ignore[arg-type]  # of both kinds of numbers
    )
    box.tell(Kind.TELEMETRY, message.SerializeToString())
    box.answered(0)
    wait_for(box.warnings, 60, "a warning")
    assert box.warnings() == [
        f"{name}: absurd value taken as missing" for name in sorted((*absurd, "window_ms", "observed_us"))
    ]
    box.quiet()
    (window,) = [event.window for event in events(log, box.id) if isinstance(event, TelemetryRecorded)]
    assert window == Window(0, 250, 0, Telemetry(file_write_count=7))
    (selected,) = [event for event in events(log, box.id) if isinstance(event, ActionSelected)]
    assert all(map(math.isfinite, selected.values))


@pytest.mark.parametrize("seq", [2**40 + 1, 2**63, 2**64 - 1])
def test_an_absurd_sequence_number_is_refused_and_buried(seq: int, box: Box, log: PostgresEventLog) -> None:
    for kind, message in (
        (Kind.TELEMETRY, wire.windows(box.id, SANDBOX, [Window(seq, 250, 1, Telemetry())])),
        (Kind.FEEDBACK, feedback(box.id, seq)),
        (Kind.EPISODE, wire.loss(box.id, SANDBOX, 0, seq)),
    ):
        box.tell(kind, message)
        box.refused(kind, str(seq), message)
    box.see(0)
    box.answered(0)
    assert not [event for event in events(log, box.id) if isinstance(event, TelemetryLost)]


def test_missing_fields_of_a_window_are_taken_as_not_seen(box: Box, log: PostgresEventLog) -> None:
    message = telemetry_pb2.Windows(session_id=str(box.id), sandbox_id=SANDBOX)
    message.windows.add()
    box.tell(Kind.TELEMETRY, message.SerializeToString())
    box.answered(0)
    box.quiet()
    (window,) = [event.window for event in events(log, box.id) if isinstance(event, TelemetryRecorded)]
    assert window == Window(0, 250, 0, Telemetry())


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ("session_id", "session_id '' is not the session of the subject"),
        ("sandbox_id", "sandbox_id is missing"),
        ("stage", "stage 0: 1 or 2 is allowed"),
        ("artifact", "64 hexadecimal digits"),
        ("window_ms", "window_ms 0"),
    ],
)
def test_a_start_with_a_missing_field_is_refused_and_buried(
    missing: str, reason: str, raw: Raw, log: PostgresEventLog
) -> None:
    box = Box(raw)
    message = episode_pb2.Episode.FromString(box.start())
    message.start.ClearField(missing)
    box.tell(Kind.EPISODE, message.SerializeToString())
    box.refused(Kind.EPISODE, reason, message.SerializeToString())
    assert events(log, box.id) == []


def test_stage_2_without_its_episode_is_refused_and_buried(raw: Raw) -> None:
    box = Box(raw)
    message = box.start(stage=2)
    box.tell(Kind.EPISODE, message)
    box.refused(Kind.EPISODE, "episode_id has to be its UUID", message)

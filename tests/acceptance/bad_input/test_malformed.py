"""What cannot be understood is refused and buried."""

import pytest

from drlactors.codec import sandbox as wire
from drlactors.codec.inbound import MAX_WINDOWS
from drlactors.domain.session import Started, TelemetryRecorded
from drlactors.domain.telemetry import Telemetry, Window
from drlactors.ports.bus import Kind
from drlactors.store.log import PostgresEventLog
from tests.acceptance.bad_input.kit import counted, events, of_each_kind, recorded
from tests.acceptance.harness import SystemProcess, wait_for
from tests.acceptance.raw import SANDBOX, Box, Raw

MAX_MESSAGE_BYTES = 1 << 20
SOME = "0b9c6a5e-2d4f-4a7b-9c1d-3e5f7a9b1c2d"
NOT_THIS_KIND = "not a message of this kind"


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("rubbish", [b"\xff" * 40, b"\x0a\x24half", bytes(500)], ids=["bits", "cut off", "zeros"])
def test_malformed_protobuf_is_refused_and_buried(kind: Kind, rubbish: bytes, box: Box, log: PostgresEventLog) -> None:
    box.tell(kind, rubbish)
    box.refused(kind, NOT_THIS_KIND, rubbish)
    box.see(0)
    box.answered(0)
    assert recorded(log, box.id) == [0]


@pytest.mark.parametrize("kind", Kind)
def test_an_empty_message_is_refused_and_buried(kind: Kind, box: Box) -> None:
    box.tell(kind, b"")
    box.refused(kind, {Kind.EPISODE: "nothing in it"}.get(kind, "is not the session of the subject"), b"")


@pytest.mark.parametrize("is_a", Kind)
@pytest.mark.parametrize("sent_as", Kind)
def test_a_message_on_another_kind_s_subject_is_refused_and_buried(
    is_a: Kind, sent_as: Kind, box: Box, log: PostgresEventLog
) -> None:
    if is_a is sent_as:
        return
    message = of_each_kind(box.id)[is_a]
    box.tell(sent_as, message)
    box.refused(sent_as, "", message)
    wait_for(lambda: [type(event) for event in events(log, box.id)] == [Started], 60, "only its start is in the log")


def test_another_session_s_id_is_refused_and_buried_and_that_session_untouched(
    raw: Raw, box: Box, log: PostgresEventLog
) -> None:
    other = Box(raw).started()
    for kind, message in of_each_kind(other.id).items():
        box.tell(kind, message)
        box.refused(kind, f"session_id '{other.id}' is not the session of the subject", message)
    other.see(0)
    other.answered(0)
    other.quiet()
    assert recorded(log, box.id) == []


@pytest.mark.parametrize("count", [0, MAX_WINDOWS + 1])
def test_no_windows_or_too_many_are_refused_and_buried(count: int, box: Box) -> None:
    message = wire.windows(box.id, SANDBOX, [Window(seq, 250, 1, Telemetry()) for seq in range(count)])
    box.tell(Kind.TELEMETRY, message)
    box.refused(Kind.TELEMETRY, f"{count} windows in one message", message)


@pytest.mark.parametrize("megabytes", [2, 7])
def test_a_message_of_several_mb_is_refused_and_the_beginning_of_it_buried(
    megabytes: int, box: Box, system: SystemProcess, log: PostgresEventLog
) -> None:
    before = counted(system, "drl_dead_letters_total")
    message = wire.windows(box.id, SANDBOX, [Window(0, 250, 1, Telemetry(syscall_types=("x" * (megabytes << 20),)))])
    box.tell(Kind.TELEMETRY, message)
    box.refused(Kind.TELEMETRY, f"{len(message)} bytes are more than the 1048576", message[:MAX_MESSAGE_BYTES])
    assert counted(system, "drl_dead_letters_total") == before + 1
    box.see(0)
    box.answered(0)
    assert recorded(log, box.id) == [0]


def test_a_message_that_is_just_not_too_large_is_taken_and_its_texts_are_cut(box: Box, log: PostgresEventLog) -> None:
    long = Telemetry(accessed_paths=tuple("/" + "p" * 9_000 for _ in range(100)))
    box.see(0, telemetry=long)
    box.answered(0)
    (window,) = [event.window for event in events(log, box.id) if isinstance(event, TelemetryRecorded)]
    assert window.telemetry.accessed_paths == ("/" + "p" * 255,) * 64
    wait_for(lambda: "accessed_paths: absurd value taken as missing" in box.warnings(), 60, "a warning")


@pytest.mark.parametrize("subject", ["nonsense", f"{SOME}.more", SOME.upper(), "{1234}", "é"])
def test_a_subject_that_names_no_session_is_buried_and_counted(subject: str, raw: Raw, system: SystemProcess) -> None:
    before = counted(system, "drl_dead_letters_total")
    sent_to = f"drl.v1.telemetry.{subject}"
    raw.publish([(sent_to, b"whatever")])
    wait_for(lambda: raw.dead, 60, "it is buried")
    told = sent_to if sent_to.isascii() else "drl.v1.telemetry.\\xe9"
    assert raw.dead == [(told, "its subject names no session", b"whatever")]
    wait_for(lambda: counted(system, "drl_dead_letters_total") == before + 1, 60, "it is counted")


def test_a_trace_header_that_is_none_is_passed_over(raw: Raw, box: Box) -> None:
    for seq, trace in enumerate(("", "00-zz-zz-01", "x" * 5_000, "00-" + "0" * 32 + "-" + "0" * 16 + "-01")):
        message = wire.windows(box.id, SANDBOX, [Window(seq, 250, 1, Telemetry())])
        raw.send(Kind.TELEMETRY, box.id, message, {"traceparent": trace})
    box.answered(0, 1, 2, 3)
    box.quiet()

"""Bad input: whatever a sandbox sends has a defined answer, and nobody else notices."""

import json
import math
import random
import re
import threading
import urllib.request
from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest

from drlactors.codec import sandbox as wire
from drlactors.codec.inbound import MAX_WINDOWS, Malformed, decode
from drlactors.codec.sandbox import Instruction
from drlactors.config.load import load
from drlactors.config.share import share
from drlactors.domain.action import Action
from drlactors.domain.ids import SessionId
from drlactors.domain.permission import Rules
from drlactors.domain.session import (
    ActionSelected,
    Artifact,
    EndReason,
    Event,
    FeedbackReceived,
    LossCause,
    Outcome,
    Start,
    Started,
    TelemetryLost,
    TelemetryRecorded,
)
from drlactors.domain.telemetry import Telemetry, Window
from drlactors.ports.bus import Kind
from drlactors.ports.log import Category, Stream
from drlactors.sandboxes.host import Answer, Host
from drlactors.store.log import PostgresEventLog
from drlactors.testing.servers import EmbeddedNats, EmbeddedPostgres
from drlactors.wire.v1 import episode_pb2, telemetry_pb2
from drlactors.wiring import SystemClock, sandbox_link
from tests.acceptance.harness import Crowd, SystemProcess, audit, resident_mb, servers, wait_for
from tests.acceptance.raw import ARTIFACT, SANDBOX, Box, Raw

MAX_MESSAGE_BYTES = 1 << 20
RULES = Rules(**load().settings.rules.model_dump())
SOME = "0b9c6a5e-2d4f-4a7b-9c1d-3e5f7a9b1c2d"
NOT_THIS_KIND = "not a message of this kind"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedNats, EmbeddedPostgres]]:
    yield from servers(tmp_path_factory.mktemp("servers"))


@pytest.fixture(scope="module")
def system(
    tmp_path_factory: pytest.TempPathFactory, real: tuple[EmbeddedNats, EmbeddedPostgres]
) -> Iterator[SystemProcess]:
    """One system for all of it: what one test sends must not trouble the next."""
    folder = tmp_path_factory.mktemp("system")
    with SystemProcess(folder, real[0].url, real[1].dsn, sandboxes__known=[SANDBOX, "crowd"]) as process:
        yield process.start()
        assert process.stop() == 0
        assert "actor.failed" not in process.log_path.read_text(), process.log_path.read_text()[-4000:]


@pytest.fixture
def raw(real: tuple[EmbeddedNats, EmbeddedPostgres], system: SystemProcess) -> Iterator[Raw]:
    with Raw(real[0].url) as client:
        yield client
    assert system.alive()


@pytest.fixture
def box(raw: Raw) -> Box:
    return Box(raw).started()


@pytest.fixture(scope="module")
def log(real: tuple[EmbeddedNats, EmbeddedPostgres], system: SystemProcess) -> Iterator[PostgresEventLog]:
    log = PostgresEventLog(real[1].dsn, schema_dir=share("eventstore"))
    yield log
    log.close()


def events(log: PostgresEventLog, session: UUID) -> list[Event]:
    return [event for entry in log.stream(Stream(Category.SESSION, session)) for event in entry.of_session]


def recorded(log: PostgresEventLog, session: UUID) -> list[int]:
    return [event.window.seq for event in events(log, session) if isinstance(event, TelemetryRecorded)]


# What cannot be understood


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


def of_each_kind(session: SessionId) -> dict[Kind, bytes]:
    seen = [Window(0, 250, 1, Telemetry(syscall_count=3))]
    return {
        Kind.TELEMETRY: wire.windows(session, SANDBOX, seen),
        Kind.FEEDBACK: feedback(session, 0),
        Kind.EPISODE: wire.start(session, SANDBOX, 1, ARTIFACT, 250),
    }


def feedback(session: SessionId, seq: int, *, success: bool = True) -> bytes:
    action = Instruction(f"{session}:3", seq, Action.ISOLATE, True, 1, "", (), ())
    return wire.feedback(session, SANDBOX, action, success=success, outcome="done", message="")


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
    wait_for(lambda: [type(event) for event in events(log, box.id)] == [Started], 5, "only its start is in the log")


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
    wait_for(lambda: "accessed_paths: absurd value taken as missing" in box.warnings(), 5, "a warning")


@pytest.mark.parametrize("subject", ["nonsense", f"{SOME}.more", SOME.upper(), "{1234}", "é"])
def test_a_subject_that_names_no_session_is_buried_and_counted(subject: str, raw: Raw, system: SystemProcess) -> None:
    before = counted(system, "drl_dead_letters_total")
    sent_to = f"drl.v1.telemetry.{subject}"
    raw.publish([(sent_to, b"whatever")])
    wait_for(lambda: raw.dead, 10, "it is buried")
    told = sent_to if sent_to.isascii() else "drl.v1.telemetry.\\xe9"
    assert raw.dead == [(told, "its subject names no session", b"whatever")]
    wait_for(lambda: counted(system, "drl_dead_letters_total") == before + 1, 5, "it is counted")


def test_a_trace_header_that_is_none_is_passed_over(raw: Raw, box: Box) -> None:
    for seq, trace in enumerate(("", "00-zz-zz-01", "x" * 5_000, "00-" + "0" * 32 + "-" + "0" * 16 + "-01")):
        message = wire.windows(box.id, SANDBOX, [Window(seq, 250, 1, Telemetry())])
        raw.send(Kind.TELEMETRY, box.id, message, {"traceparent": trace})
    box.answered(0, 1, 2, 3)
    box.quiet()


# Values


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
    wait_for(box.warnings, 5, "a warning")
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


# Who and when


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
    wait_for(lambda: [type(event) for event in events(log, box.id)] == [Started], 5, "only its start is in the log")


def test_repeated_windows_are_quiet_recorded_once_and_answered_again(box: Box, log: PostgresEventLog) -> None:
    box.see(0, 1, 2)
    box.answered(0, 1, 2)
    box.see(1, 0, 2, 2, 0)
    wait_for(lambda: len(box.answers()) > 3, 10, "the newest answers are sent again")
    box.see(3)
    wait_for(lambda: 3 in box.answers(), 10, "the next window is answered")
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
    wait_for(lambda: 6 in box.answers(), 10, "the next window is answered")
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
    box.tell(Kind.EPISODE, wire.end(box.id, SANDBOX, EndReason.FINISHED))  # so that it leaves memory
    wait_for(lambda: len(events(log, box.id)) == 2, 10, "it has ended")
    wait_for(lambda: gauge(system, 'drl_sessions{state="awake"}') == 0, 120, "it has left memory")
    with psycopg.connect(real[1].dsn) as connection:
        connection.execute(
            "UPDATE eventlog.stored_events SET topic = 'session.dreamt:1' WHERE originator_id = %s", (box.id,)
        )
    before = counted(system, "drl_refusals_total")
    for seq in range(50):
        box.see(seq)
    wait_for(lambda: counted(system, "drl_refusals_total") == before + 50, 20, "all of them are refused")
    wait_for(lambda: len(raw.letters(box.id)) == 50, 10, "all of them are buried")
    assert any("session.dreamt:1" in letter.reason for letter in raw.letters(box.id))
    neighbour = Box(raw).started()
    neighbour.see(0)
    neighbour.answered(0)


# A hundred thousand of them


def counted(system: SystemProcess, name: str) -> int:
    """The sum of a metric over its labels."""
    return int(sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", metrics(system), re.MULTILINE)))


def gauge(system: SystemProcess, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", metrics(system), re.MULTILINE)
    assert found, name
    return float(found[1])


def metrics(system: SystemProcess) -> str:
    with urllib.request.urlopen(f"{addresses(system)['metrics_url']}/metrics", timeout=30) as answer:
        text: str = answer.read().decode()
        return text


def addresses(system: SystemProcess) -> dict[str, str]:
    found: dict[str, str] = json.loads((system.folder / "run.json").read_text())
    return found


MESSAGES = 100_000
SESSIONS = 20
CALM_ROUNDS = 60
#: Sent as fast as it is turned away. All messages are one queue: a window behind ten thousand others waits for them.
BEHIND_AT_MOST, PORTION = 500, 100
#: Machines are noisy, and this one plays sandboxes and servers, too.
GROWTH_AT_MOST_MB = 200.0


def rubbish(dice: random.Random) -> tuple[Kind, SessionId, bytes]:
    """Bits, mutated messages, and good ones for sessions that nobody started: a third each."""
    session = SessionId(UUID(int=dice.getrandbits(128), version=4))
    kind = dice.choice(list(Kind))
    match dice.randrange(3):
        case 0:
            return kind, session, dice.randbytes(dice.randrange(300))
        case 1:
            message = bytearray(of_each_kind(session)[kind])
            for _ in range(dice.randrange(1, 6)):
                message[dice.randrange(len(message))] = dice.randrange(256)
            return kind, session, bytes(message[: dice.randrange(len(message) // 2, len(message) + 1)])
        case _:
            message_of = {
                Kind.TELEMETRY: lambda: wire.windows(
                    session, SANDBOX, [Window(dice.randrange(4), 250, 1, Telemetry(syscall_count=3))]
                ),
                Kind.FEEDBACK: lambda: feedback(session, dice.randrange(4)),
                Kind.EPISODE: lambda: wire.end(session, SANDBOX, EndReason.FINISHED),
            }
            return kind, session, message_of[kind]()


def begins_a_session(kind: Kind, session: SessionId, data: bytes) -> bool:
    """Whether a mutated start is still a good one: that is not rubbish, and is left out."""
    try:
        inbound = decode(kind, session, data, RULES)
    except Malformed:
        return False
    return isinstance(inbound.commands[0], Start)


def test_a_hundred_thousand_bad_messages_neither_stop_nor_slow_the_others(
    raw: Raw, real: tuple[EmbeddedNats, EmbeddedPostgres], system: SystemProcess
) -> None:
    dice = random.Random(20)
    bad = [one for one in (rubbish(dice) for _ in range(MESSAGES * 6 // 5)) if not begins_a_session(*one)][:MESSAGES]
    assert len(bad) == MESSAGES
    raw.count_only = True
    latencies_s: list[float] = []
    link = sandbox_link(real[0].url, "", None)

    def watch(answer: Answer) -> None:
        latencies_s.append(answer.latency_s)

    host = Host(link, "crowd", SystemClock(), resend_s=5.0, watch=watch)
    crowd = Crowd(host, SESSIONS, windows=CALM_ROUNDS)
    last = 0

    def play_round() -> None:
        nonlocal last
        crowd.play(last, last + 1)
        last += 1
        wait_for(lambda: crowd.unanswered() == 0, 30, "a round is answered")

    for _ in range(CALM_ROUNDS):
        play_round()
    calm_p99_s, calm_mb = p99(latencies_s), resident_mb(system.pid)
    host_2 = Host(link, "crowd", SystemClock(), resend_s=5.0, watch=watch)
    storm = Crowd(host_2, SESSIONS, windows=20_000)
    crowd_windows, last = crowd, 0
    crowd = storm
    latencies_s.clear()
    turned_away = turned_away_so_far(system)
    buried = raw.buried_in_stream()
    room = threading.Semaphore(BEHIND_AT_MOST)

    def send() -> None:
        for at in range(0, MESSAGES, PORTION):
            for _ in range(PORTION):
                room.acquire()
            raw.publish([(f"drl.v1.{kind}.{session}", data) for kind, session, data in bad[at : at + PORTION]])

    sender = threading.Thread(target=send, daemon=True)
    clock = SystemClock()
    began_s = clock.monotonic_s()
    sender.start()
    peak_mb, handled = calm_mb, 0
    while handled < MESSAGES and clock.monotonic_s() - began_s < 600:
        play_round()
        now = turned_away_so_far(system) - turned_away
        if now > handled:
            room.release(now - handled)
        handled = now
        peak_mb = max(peak_mb, resident_mb(system.pid))
    took_s = clock.monotonic_s() - began_s
    assert handled == MESSAGES
    sender.join()
    storm.windows = last
    storm_p99_s = p99(latencies_s)
    print(
        f"p99 {calm_p99_s * 1000:.1f} ms before, {storm_p99_s * 1000:.1f} ms during; {MESSAGES / took_s:,.0f} bad "
        f"messages/s for {took_s:.1f} s beside {len(latencies_s)} windows; {calm_mb:.0f} MB, at most {peak_mb:.0f}"
    )
    assert system.alive()
    wait_for(lambda: raw.buried_in_stream() - buried == MESSAGES, 60, "every one of them is a dead letter")
    assert crowd_windows.finish() == 0
    assert storm.finish() == 0
    for played in (crowd_windows, storm):
        wait_for(lambda played=played: audit(real[1].dsn, played) == [], 30, "nothing is missing")  # type: ignore[misc]
    host.close()
    host_2.close()
    link.close()
    assert peak_mb - calm_mb < GROWTH_AT_MOST_MB


def turned_away_so_far(system: SystemProcess) -> int:
    return counted(system, "drl_dead_letters_total") + counted(system, "drl_refusals_total")


def p99(latencies_s: list[float]) -> float:
    ordered = sorted(latencies_s)
    return ordered[int(len(ordered) * 0.99)]

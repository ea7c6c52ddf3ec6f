"""The trust boundary: whatever a sandbox sends is understood, defaulted or refused, and never breaks us."""

import math
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drlactors.codec import inbound, sandbox
from drlactors.codec.inbound import MAX_SEQ, MAX_WINDOWS, Malformed, decode
from drlactors.domain.ids import OrderId, SessionId
from drlactors.domain.order import AnswerOrder
from drlactors.domain.session import Answer, EndReason, Lose, LossCause, Outcome, Record, Start
from drlactors.domain.telemetry import MAX_CHARACTERS, MAX_COUNT, MAX_ENTRIES, Telemetry, Window
from drlactors.ports.bus import Kind
from drlactors.testing.given import ARTIFACT, RULES, window
from drlactors.wire.v1 import episode_pb2, feedback_pb2, telemetry_pb2

SESSION = SessionId(UUID(int=5))
COUNTS = st.none() | st.integers(0, MAX_COUNT)
AMOUNTS = st.none() | st.floats(0, MAX_COUNT)
FLAGS = st.none() | st.booleans()
NAMES = st.lists(st.text(st.characters(categories=["L", "N", "P"]), max_size=40), max_size=8).map(tuple)
TELEMETRY = st.builds(
    Telemetry,
    COUNTS,
    NAMES,
    COUNTS,
    COUNTS,
    COUNTS,
    NAMES,
    COUNTS,
    COUNTS,
    COUNTS,
    NAMES,
    COUNTS,
    AMOUNTS,
    AMOUNTS,
    FLAGS,
    FLAGS,
    FLAGS,
)
WINDOWS = st.builds(Window, st.integers(0, MAX_SEQ), st.integers(0, 600_000), st.integers(0, 2**62), TELEMETRY)


def read(data: bytes, kind: Kind = Kind.TELEMETRY):
    return decode(kind, SESSION, data, RULES)


@settings(max_examples=200)
@given(st.lists(WINDOWS, min_size=1, max_size=8))
def test_what_is_sane_arrives_as_it_was_sent(windows: list[Window]) -> None:
    inbound = read(sandbox.windows(SESSION, "sandbox-1", windows))
    assert [command.window for command in inbound.commands] == windows
    assert inbound.sandbox == "sandbox-1"
    assert inbound.defaulted == ()


@settings(max_examples=500)
@given(st.sampled_from(Kind), st.binary(max_size=400))
def test_rubbish_is_malformed_and_nothing_worse(kind: Kind, data: bytes) -> None:
    with suppress(Malformed):
        read(data, kind)  # by chance it can be a message; any other error fails the test


@settings(max_examples=300)
@given(WINDOWS, st.data())
def test_a_damaged_message_is_read_or_malformed(seen: Window, data: st.DataObject) -> None:
    message = bytearray(sandbox.windows(SESSION, "sandbox-1", [seen]))
    for _ in range(data.draw(st.integers(1, 4))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    try:
        inbound = read(bytes(message))
    except Malformed:
        return
    for command in inbound.commands:
        assert isinstance(command, Record)
        assert faults(command.window) == []


def faults(seen: Window) -> list[str]:
    """What must never get past the boundary."""
    found = [f"seq {seen.seq}"] if not 0 <= seen.seq <= MAX_SEQ else []
    for name, value in seen.telemetry._asdict().items():
        match value:
            case None | bool():
                pass
            case tuple():
                if len(value) > MAX_ENTRIES or any(len(text) > MAX_CHARACTERS for text in value):
                    found.append(f"{name} is too long")
                if any(not character.isprintable() for text in value for character in text):
                    found.append(f"{name} has control characters")
            case _:
                if not 0 <= value <= MAX_COUNT:
                    found.append(f"{name} is {value}")
    return found


@pytest.mark.parametrize("absurd", [-1, -(2**63), 2**62, MAX_COUNT + 1])
@pytest.mark.parametrize("field", ["syscall_count", "bytes_sent", "child_processes"])
def test_an_absurd_count_is_missing_and_named(field: str, absurd: int) -> None:
    inbound = read(_raw(**{field: absurd, "file_read_count": 7}))
    (command,) = inbound.commands
    assert getattr(command.window.telemetry, field) is None
    assert command.window.telemetry.file_read_count == 7
    assert inbound.defaulted == (field,)


@pytest.mark.parametrize("absurd", [math.nan, math.inf, -math.inf, -0.5, 1e300])
@pytest.mark.parametrize("field", ["cpu_usage", "memory_usage"])
def test_an_absurd_amount_is_missing_and_named(field: str, absurd: float) -> None:
    inbound = read(_raw(**{field: absurd}))
    assert getattr(inbound.commands[0].window.telemetry, field) is None
    assert inbound.defaulted == (field,)


def test_missing_is_not_zero() -> None:
    seen = read(_raw(file_read_count=0)).commands[0].window.telemetry
    assert seen.file_read_count == 0
    assert seen.file_write_count is None
    assert seen.registry_modification is None


def test_text_is_cut_and_cannot_move_a_cursor() -> None:
    seen = read(_raw(accessed_paths=["\x1b[2J/etc", "x" * 1000])).commands[0].window.telemetry
    assert seen.accessed_paths == ("\ufffd[2J/etc", "x" * MAX_CHARACTERS)


def test_few_texts_and_short_ones_are_kept_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = inbound._Known()
    monkeypatch.setattr(inbound, "_known", kept.__getitem__)
    monkeypatch.setattr(inbound, "MOST_KNOWN", 10)
    for number in range(25):
        paths = [f"/tmp/{number}", "x" * MAX_CHARACTERS + str(number)]
        seen = read(_raw(accessed_paths=paths)).commands[0].window.telemetry
        assert seen.accessed_paths == (paths[0], "x" * MAX_CHARACTERS)
        assert len(kept) <= 10
        assert max(map(len, kept)) <= MAX_CHARACTERS


def test_too_many_entries_are_cut_and_named() -> None:
    inbound = read(_raw(contacted_ips=[f"10.0.0.{n}" for n in range(200)]))
    assert len(inbound.commands[0].window.telemetry.contacted_ips) == MAX_ENTRIES
    assert inbound.defaulted == ("contacted_ips",)


def test_a_message_names_the_session_of_its_subject() -> None:
    with pytest.raises(Malformed, match="not the session of the subject"):
        read(sandbox.windows(SessionId(uuid4()), "sandbox-1", [window(0)]))


@pytest.mark.parametrize("windows", [0, MAX_WINDOWS + 1])
def test_a_message_holds_a_lawful_number_of_windows(windows: int) -> None:
    with pytest.raises(Malformed, match="windows in one message"):
        read(sandbox.windows(SESSION, "sandbox-1", [window(seq) for seq in range(windows)]))


def test_an_absurd_sequence_number_is_malformed() -> None:
    message = telemetry_pb2.Windows(session_id=str(SESSION), sandbox_id="s", windows=[{"seq": 2**63}])
    with pytest.raises(Malformed, match="seq"):
        read(message.SerializeToString())


def test_a_window_of_ten_minutes_is_the_longest() -> None:
    longest, longer = Window(0, 600_000, 0, Telemetry()), Window(0, 600_001, 0, Telemetry())
    assert read(sandbox.windows(SESSION, "sandbox-1", [longest])).commands[0].window == longest
    found = read(sandbox.windows(SESSION, "sandbox-1", [longer]))
    assert (found.commands[0].window.window_ms, found.defaulted) == (0, ("window_ms",))


@pytest.mark.parametrize(
    ("first", "last", "lawful"),
    [(0, 0, True), (3, 9, True), (9, 3, False), (0, MAX_SEQ, True), (0, MAX_SEQ + 1, False)],
)
def test_a_loss_is_of_a_range_of_windows(first: int, last: int, lawful: bool) -> None:
    loss = telemetry_pb2.Loss(session_id=str(SESSION), sandbox_id="sandbox-1", first_seq=first, last_seq=last)
    data = episode_pb2.Episode(loss=loss).SerializeToString()
    if lawful:
        assert read(data, Kind.EPISODE).commands == (Lose(first, last, LossCause.OVERFLOW),)
    else:
        with pytest.raises(Malformed, match="no range"):
            read(data, Kind.EPISODE)


def test_an_answer_belongs_to_the_choice_or_to_the_order_that_its_action_names() -> None:
    def answer(of: object) -> object:
        said = feedback_pb2.Feedback(
            session_id=str(SESSION),
            sandbox_id="sandbox-1",
            action_id=f"{SESSION}:{of}",
            seq=3,
            success=True,
            outcome="killed",
            message="once",
        )
        (command,) = read(said.SerializeToString(), Kind.FEEDBACK).commands
        return command

    order = OrderId(UUID(int=9))
    assert answer(order) == AnswerOrder(order, True, "killed", "once")
    assert answer(17) == Answer(3, True, "killed", "once")
    with pytest.raises(Malformed, match="which is no order"):
        answer("x" * 36)


def test_the_life_of_a_session_is_read() -> None:
    (start,) = read(sandbox.start(SESSION, "s", 1, ARTIFACT, 250), Kind.EPISODE).commands
    assert isinstance(start, Start)
    assert (start.stage, start.artifact, start.window_ms, start.rules) == (1, ARTIFACT, 250, RULES)
    (report,) = read(sandbox.report(SESSION, "s", Outcome.BENIGN), Kind.EPISODE).commands
    assert report.outcome is Outcome.BENIGN
    (end,) = read(sandbox.end(SESSION, "s", EndReason.FINISHED), Kind.EPISODE).commands
    assert end.reason is EndReason.FINISHED
    (lose,) = read(sandbox.loss(SESSION, "s", 3, 5), Kind.EPISODE).commands
    assert (lose.first_seq, lose.last_seq, lose.cause) == (3, 5, LossCause.OVERFLOW)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"stage": 3}, "stage"),
        ({"window_ms": 0}, "window_ms"),
        ({"artifact": {"sha256": "xyz"}}, "sha256"),
        ({"stage": 2, "episode_id": "nonsense"}, "episode_id"),
        ({"sandbox_id": ""}, "sandbox_id"),
    ],
)
def test_a_start_that_lacks_something_says_what(changed: dict[str, object], told: str) -> None:
    plain = {"session_id": str(SESSION), "sandbox_id": "s", "stage": 1, "window_ms": 250,
             "artifact": {"sha256": "ab" * 32, "kind": "elf"}}  # fmt: skip
    message = episode_pb2.Episode(start=plain | changed)
    with pytest.raises(Malformed, match=told):
        read(message.SerializeToString(), Kind.EPISODE)


def _raw(**fields: Any) -> bytes:
    """A message as a careless sandbox would write it."""
    telemetry = telemetry_pb2.Telemetry(**fields)
    message = telemetry_pb2.Windows(
        session_id=str(SESSION),
        sandbox_id="s",
        windows=[telemetry_pb2.Window(seq=0, window_ms=250, telemetry=telemetry)],
    )
    return message.SerializeToString()

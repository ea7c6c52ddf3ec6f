"""The parts of the bus that need no server."""

import asyncio
import threading
import time
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drlactors.bus.bridge import Bridge
from drlactors.bus.client import frame, header, header_block, status
from drlactors.bus.credentials import Credentials
from drlactors.bus.credit import Credit
from drlactors.bus.notices import BusEvent, Notices
from drlactors.bus.subjects import Subjects
from drlactors.domain.ids import SessionId
from drlactors.ports.bus import BusUnreachable, Kind
from drlactors.ports.room import Room

SUBJECTS = Subjects()


@given(st.sampled_from(Kind), st.uuids())
def test_a_subject_names_its_kind_and_session(kind: Kind, session: UUID) -> None:
    subject = SUBJECTS.inbound(kind, SessionId(session))
    assert SUBJECTS.read(subject.encode()) == (kind, session)


@given(st.sampled_from(Kind), st.binary(min_size=1, max_size=60))
def test_any_bytes_may_stand_where_a_session_belongs(kind: Kind, token: bytes) -> None:
    read = SUBJECTS.read(b"drl.v1.%b.%b" % (kind.encode(), token))
    assert read[0] is kind
    assert read[1] is None or str(read[1]).encode() == token


def test_a_session_has_one_spelling() -> None:
    session = str(uuid4())
    for other in (session.upper(), f"{{{session}}}", f"urn:uuid:{session}", session.replace("-", ""), f"{session}.x"):
        assert other == session or SUBJECTS.read(f"drl.v1.telemetry.{other}".encode()) == (Kind.TELEMETRY, None)


def test_names_of_streams_hold_no_dots() -> None:
    assert Subjects("a.b").sandbox_stream() == "A_B_SANDBOX"
    assert "." not in SUBJECTS.dead_stream()


@given(st.dictionaries(st.sampled_from(["traceparent", "Drl-Reason"]), st.text()))
def test_no_value_begins_another_header_or_ends_the_block(headers: dict[str, str]) -> None:
    block = header_block({"Nats-Msg-Id": "1"} | headers)
    assert block.endswith(b"\r\n\r\n")
    assert block.count(b"\r\n") == len(headers) + 3
    assert block.count(b"\n") == block.count(b"\r")
    assert header(block, b"Nats-Msg-Id") == "1"


def test_what_a_server_puts_behind_the_version_is_a_status() -> None:
    timeout = b"NATS/1.0 408 Request Timeout\r\nNats-Pending-Messages: 7\r\nNats-Pending-Bytes: 0\r\n\r\n"
    assert status(timeout) == ("408", "Request Timeout")
    assert header(timeout, b"Nats-Pending-Messages") == "7"
    assert status(b"NATS/1.0 100\r\n\r\n") == ("100", "")
    assert status(b"NATS/1.0\r\n\r\n") == status(None) == ("", "")
    assert header(timeout, b"traceparent") == header(None, b"traceparent") == ""


def test_a_frame_counts_its_bytes() -> None:
    assert frame("drl.v1.action.x", b"\r\nPUB") == b"PUB drl.v1.action.x 5\r\n\r\nPUB\r\n"


@given(
    st.integers(1, 50),
    st.lists(st.tuples(st.sampled_from(["ask", "arrive", "arrive large", "return"]), st.integers(1, 60))),
)
def test_credit_is_never_overdrawn(limit: int, moves: list[tuple[str, int]]) -> None:
    credit = Credit(limit, limit_bytes=1000)
    for move, times in moves:
        match move:
            case "ask":
                credit.requested += credit.to_request()
            case "return":
                credit.given_back(times)
            case _:
                for _ in range(min(times, credit.requested)):
                    credit.arrived()
                    credit.handed_over(1000 if move == "arrive large" else 1)
        assert credit.faults() == []
    credit.given_back(limit)
    assert credit.requested + credit.to_request() > 0


def test_nothing_is_asked_for_while_the_reader_holds_too_many_bytes() -> None:
    credit = Credit(100, limit_bytes=1000)
    credit.handed_over(1000)
    assert credit.to_request() == 0
    credit.given_back(1)
    assert credit.to_request() == 100


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_everything_crosses_the_bridge_once_and_in_order(loop: asyncio.AbstractEventLoop) -> None:
    taken: list[tuple[int, int]] = []
    bridge: Bridge[tuple[int, int]] = Bridge(loop, taken.extend)

    def put(thread: int) -> None:
        for n in range(20_000):
            bridge.put((thread, n))

    threads = [threading.Thread(target=put, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until_s = time.monotonic() + 10.0
    while len(taken) < 80_000 and time.monotonic() < until_s:
        time.sleep(0.01)
    for thread_number in range(4):
        assert [n for thread, n in taken if thread == thread_number] == list(range(20_000))


def test_what_need_not_wake_the_loop_waits_for_what_does_and_keeps_its_place() -> None:
    loop = asyncio.new_event_loop()
    taken: list[list[int]] = []
    bridge: Bridge[int] = Bridge(loop, taken.append)
    bridge.put(1, wake=False)
    loop.run_until_complete(asyncio.sleep(0))
    assert not taken
    bridge.put(2)
    bridge.put(3, wake=False)
    loop.run_until_complete(asyncio.sleep(0))
    bridge.put(4, wake=False)
    bridge.drain()
    loop.close()
    assert taken == [[1, 2, 3], [4]]


def test_a_bridge_to_a_loop_that_ended_takes_nothing() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    assert not Bridge[int](loop, lambda _: None).put(1)


def test_a_full_room_waits_for_a_place_and_in_the_end_says_why() -> None:
    room = Room(2, patience_s=0.2)
    room.take()
    room.take()
    threading.Timer(0.05, room.give).start()
    room.take()
    with pytest.raises(BusUnreachable, match="stored nothing"):
        room.take()
    assert not room.wait_empty(0.01)
    room.give(2)
    assert room.wait_empty(0.01)


def test_a_refusal_is_told_once_to_whoever_comes_next() -> None:
    room = Room(1, patience_s=5.0)
    room.take()
    threading.Timer(0.05, room.refuse, ["too large"]).start()
    with pytest.raises(BusUnreachable, match="too large"):
        room.take()
    room.give()
    room.take()


def test_the_hook_hears_of_each_kind_once_a_second_and_everything_is_counted() -> None:
    heard: list[tuple[BusEvent, str]] = []
    notices = Notices(lambda event, detail: heard.append((event, detail)))
    for n in range(100):
        notices.note(BusEvent.ERROR, str(n))
    notices.note(BusEvent.CONNECTED, "")
    assert heard == [(BusEvent.ERROR, "0"), (BusEvent.CONNECTED, "")]
    assert notices.counts[BusEvent.ERROR] == 100


def test_secrets_are_not_shown() -> None:
    shown = repr(Credentials(user="plane", password="hush-hush", token="s3cret"))
    assert "hush-hush" not in shown
    assert "s3cret" not in shown

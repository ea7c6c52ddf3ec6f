"""What every bus promises: order, credit, at least once from a position, dead letters, trimming, draining."""

import asyncio
import secrets
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import nats
import pytest

from drlactors.bus.nats_bus import NatsBus
from drlactors.bus.nats_link import NatsSandboxLink
from drlactors.bus.streams import Limits
from drlactors.ports.bus import Bus, BusUnreachable, Kind, SandboxLink, StreamReplaced
from drlactors.testing.memory_bus import MemoryBus
from tests.contract.bus.kit import Kit, Reader, data_of, some_session, until

#: The server sets aside what its streams may hold: many streams of the default size do not fit.
SMALL = Limits(sandbox_bytes=64 << 20, dead_bytes=64 << 20)


def on_nats(url: str, stack: ExitStack) -> Kit:
    root = f"contract{secrets.token_hex(4)}"

    def bus() -> Bus:
        opened = NatsBus(url, root=root, limits=SMALL, trim_interval_s=0.05)
        stack.callback(opened.close)
        return opened

    def link() -> SandboxLink:
        opened = NatsSandboxLink(url, root=root)
        stack.callback(opened.close)
        return opened

    def store(subject: str, data: bytes) -> None:
        async def publish() -> None:
            client = await nats.connect(url)
            await client.jetstream().publish(f"{root}.{subject}", data)
            await client.close()

        asyncio.run(publish())

    async def remove_streams() -> None:
        client = await nats.connect(url)
        for name in ("SANDBOX", "DEAD"):
            await client.jetstream().delete_stream(f"{root.upper()}_{name}")
        await client.close()

    stack.callback(lambda: asyncio.run(remove_streams()))
    return Kit(bus, link, store)


def in_memory(stack: ExitStack) -> Kit:
    shared = MemoryBus()
    stack.callback(shared.close)
    return Kit(lambda: shared, shared.link, lambda subject, data: shared.store(f"drl.v1.{subject}", data))


@pytest.fixture(params=["nats", "memory"])
def kit(request: pytest.FixtureRequest) -> Iterator[Kit]:
    with ExitStack() as stack:
        if request.param == "nats":
            yield on_nats(request.getfixturevalue("nats_url"), stack)
        else:
            yield in_memory(stack)


def test_a_session_keeps_its_order_across_kinds(kit: Kit) -> None:
    bus, link = kit.bus(), kit.link()
    sessions = [some_session() for _ in range(5)]
    kinds = [Kind.EPISODE, Kind.TELEMETRY, Kind.TELEMETRY, Kind.FEEDBACK]
    sent = [(session, kinds[n % 4], str(n).encode()) for n in range(200) for session in sessions]
    for session, kind, data in sent:
        link.send(kind, session, data)
    assert link.flush(10.0)
    reader = Reader(bus)
    bus.consume(0, reader, credit=100)
    found = reader.wait(len(sent))
    assert [delivery.sequence for delivery in found] == list(range(1, len(sent) + 1))
    for session in sessions:
        mine = [(session, delivery.kind, delivery.data) for delivery in found if delivery.session == session]
        assert mine == [message for message in sent if message[0] == session]


def test_what_is_behind_a_position_is_delivered_again_and_nothing_before_it(kit: Kit) -> None:
    bus, link, session = kit.bus(), kit.link(), some_session()
    for n in range(50):
        link.send(Kind.TELEMETRY, session, str(n).encode())
    assert link.flush(10.0)
    reader = Reader(bus)
    bus.consume(0, reader, credit=1000)
    reader.wait(50)
    bus.stop_consuming()

    again = kit.bus()
    second = Reader(again)
    again.consume(30, second, credit=1000)
    link.send(Kind.TELEMETRY, session, b"new")
    assert data_of(second.wait(21)) == [*(str(n).encode() for n in range(30, 50)), b"new"]


def test_credit_is_never_exceeded_and_goes_on_when_given_back(kit: Kit) -> None:
    bus, link, session = kit.bus(), kit.link(), some_session()
    for n in range(100):
        link.send(Kind.TELEMETRY, session, str(n).encode())
    assert link.flush(10.0)
    reader = Reader(bus, hold=True)
    bus.consume(0, reader, credit=8)
    reader.wait(8)
    assert not until(lambda: len(reader.deliveries) > 8, timeout_s=1.0)
    bus.replenish(3)
    reader.wait(11)
    assert not until(lambda: len(reader.deliveries) > 11, timeout_s=0.5)
    for more in range(12, 101):
        bus.replenish(1)
        assert len(reader.wait(more)) == more
    assert data_of(reader.deliveries) == [str(n).encode() for n in range(100)]


def test_it_listens_while_it_is_read_and_credit_is_left(kit: Kit) -> None:
    bus, link, session = kit.bus(), kit.link(), some_session()
    assert not bus.listening
    reader = Reader(bus, hold=True)
    bus.consume(0, reader, credit=2)
    assert until(lambda: bus.listening)
    link.send(Kind.TELEMETRY, session, b"0")
    link.send(Kind.TELEMETRY, session, b"1")
    reader.wait(2)
    assert until(lambda: not bus.listening)
    bus.replenish(2)
    assert until(lambda: bus.listening)
    bus.stop_consuming()
    assert not bus.listening


def test_nothing_is_delivered_after_consuming_stopped(kit: Kit) -> None:
    bus, link, session = kit.bus(), kit.link(), some_session()
    reader = Reader(bus)
    bus.consume(0, reader, credit=10)
    for n in range(200):
        link.send(Kind.TELEMETRY, session, str(n).encode())
    bus.stop_consuming()
    seen = len(reader.deliveries)
    assert link.flush(10.0)
    assert not until(lambda: len(reader.deliveries) > seen, timeout_s=0.5)


@pytest.mark.parametrize(
    "subject",
    ["telemetry.not-a-session", "feedback.x.y", "episode.12345678-1234-1234-1234-1234567890AB", "telemetry.{1234}"],
)
def test_a_subject_that_names_no_session_is_a_dead_letter_and_costs_no_credit(kit: Kit, subject: str) -> None:
    bus, link, session = kit.bus(), kit.link(), some_session()
    reader = Reader(bus, hold=True)
    bus.consume(0, reader, credit=2)
    for _ in range(5):
        kit.store(subject, b"rubbish")
    link.send(Kind.TELEMETRY, session, b"good")
    link.send(Kind.TELEMETRY, session, b"too")
    assert data_of(reader.wait(2)) == [b"good", b"too"]
    assert until(lambda: len(bus.dead_letters(10)) == 5)
    letter = bus.dead_letters(1)[0]
    assert letter.subject.endswith(subject)
    assert (letter.sequence, letter.data) == (5, b"rubbish")
    assert "names no session" in letter.reason


def test_a_message_of_5_mb_is_refused_at_the_sender_and_else_a_dead_letter(kit: Kit) -> None:
    bus, link, session = kit.bus(), kit.link(), some_session()
    reader = Reader(bus)
    bus.consume(0, reader, credit=10)
    with pytest.raises(BusUnreachable, match="5242880 bytes"):
        link.send(Kind.TELEMETRY, session, bytes(5 << 20))
    kit.store(f"telemetry.{session}", bytes(5 << 20))
    link.send(Kind.TELEMETRY, session, b"next")
    assert data_of(reader.wait(1)) == [b"next"]
    assert until(lambda: len(bus.dead_letters(10)) == 1)
    letter = bus.dead_letters(1)[0]
    assert "5242880 bytes" in letter.reason
    assert len(letter.data) == 1 << 20  # as much as a message may have, as evidence


def test_a_delivery_is_buried_with_its_reason_once(kit: Kit) -> None:
    bus, link, session = kit.bus(), kit.link(), some_session()
    reader = Reader(bus)
    bus.consume(0, reader, credit=10)
    link.send(Kind.FEEDBACK, session, b"\x00\xff")
    delivery = reader.wait(1)[0]
    bus.bury(delivery, "it makes\r\nno sense: ü")
    bus.bury(delivery, "it makes no sense")
    assert until(lambda: len(bus.dead_letters(10)) >= 1)
    letters = bus.dead_letters(10)
    assert [(letter.sequence, letter.data) for letter in letters] == [(1, b"\x00\xff")]
    assert "no sense" in letters[0].reason
    assert letters[0].subject.endswith(f"feedback.{session}")


def test_actions_reach_the_sandbox_that_listens_and_nobody_else(kit: Kit) -> None:
    bus, link, other = kit.bus(), kit.link(), kit.link()
    mine, yours = some_session(), some_session()
    heard: list[bytes] = []
    overheard: list[bytes] = []
    link.listen(mine, heard.append)
    other.listen(yours, overheard.append)
    bus.publish([(mine, str(n).encode()) for n in range(100)] + [(yours, b"for you")])
    assert until(lambda: len(heard) == 100 and len(overheard) == 1)
    assert heard == [str(n).encode() for n in range(100)]
    link.forget(mine)
    bus.publish([(mine, b"late"), (yours, b"more")])
    assert until(lambda: len(overheard) == 2)
    assert len(heard) == 100


def test_the_trace_of_a_message_comes_with_it(kit: Kit) -> None:
    bus, link, session = kit.bus(), kit.link(), some_session()
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    reader = Reader(bus)
    bus.consume(0, reader, credit=10)
    link.send(Kind.TELEMETRY, session, b"traced", trace)
    link.send(Kind.TELEMETRY, session, b"not")
    assert [delivery.traceparent for delivery in reader.wait(2)] == [trace, ""]


def test_what_is_trimmed_is_gone_and_the_numbers_go_on(kit: Kit) -> None:
    bus, link, session = kit.bus(), kit.link(), some_session()
    for n in range(20):
        link.send(Kind.TELEMETRY, session, str(n).encode())
    assert link.flush(10.0)
    bus.trim(15)

    def first_found() -> int:
        reader = Reader(bus)
        bus.consume(0, reader, credit=100)
        return reader.wait(5)[0].sequence

    assert until(lambda: first_found() == 16)
    link.send(Kind.TELEMETRY, session, b"next")
    reader = Reader(bus)
    bus.consume(20, reader, credit=100)
    assert [delivery.sequence for delivery in reader.wait(1)] == [21]


def test_a_position_that_the_stream_has_not_reached_is_refused_and_the_stream_gets_another_identity(kit: Kit) -> None:
    bus, link, session = kit.bus(), kit.link(), some_session()
    link.send(Kind.TELEMETRY, session, b"one")
    assert link.flush(10.0)
    before = bus.identity()
    with pytest.raises(StreamReplaced):
        bus.consume(7, Reader(bus), credit=10)
    assert bus.identity() != before
    reader = Reader(bus)
    bus.consume(0, reader, credit=10)
    assert data_of(reader.wait(1)) == [b"one"]


def test_closing_sends_what_is_waiting(kit: Kit) -> None:
    bus, link, session = kit.bus(), kit.link(), some_session()
    heard: list[bytes] = []
    link.listen(session, heard.append)
    bus.publish((session, str(n).encode()) for n in range(5000))
    bus.close()
    assert until(lambda: len(heard) == 5000)


def test_every_method_may_be_called_from_many_threads(kit: Kit) -> None:
    bus, link = kit.bus(), kit.link()
    reader = Reader(bus)
    bus.consume(0, reader, credit=64)
    sessions = [some_session() for _ in range(8)]

    def sandbox(number: int) -> None:
        for n in range(300):
            link.send(Kind.TELEMETRY, sessions[number], str(n).encode())

    threads = [threading.Thread(target=sandbox, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    found = reader.wait(2400)
    for thread in threads:
        thread.join()
    assert [delivery.sequence for delivery in found] == list(range(1, 2401))
    for session in sessions:
        assert data_of(d for d in found if d.session == session) == [str(n).encode() for n in range(300)]

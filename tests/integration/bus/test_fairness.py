"""A session that floods waits at the server's door; the others do not wait behind it."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from drlactors.bus.nats_bus import NatsBus
from drlactors.bus.nats_link import NatsSandboxLink
from drlactors.bus.notices import BusEvent
from drlactors.bus.streams import Limits
from drlactors.domain.ids import SessionId
from drlactors.ports.bus import Delivery, Kind
from drlactors.testing.nats_server import EmbeddedNats
from tests.contract.bus.kit import Reader, data_of, some_session, until
from tests.integration.bus.server import held, write_raw

MOST = 100


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def bus_on(server: EmbeddedNats, stack: ExitStack, most: int = MOST) -> NatsBus:
    bus = NatsBus(server.url, limits=Limits(session_messages=most), trim_interval_s=0.05)
    stack.callback(bus.close)
    return bus


def link_to(server: EmbeddedNats, stack: ExitStack) -> NatsSandboxLink:
    link = NatsSandboxLink(server.url)
    stack.callback(link.close)
    return link


def flood(server: EmbeddedNats, session: SessionId, messages: int) -> None:
    """Publish without waiting for any answer, as a sandbox that was taken over could."""
    write_raw(server, b"PUB drl.v1.telemetry.%b 5\r\nflood\r\n" % str(session).encode() * messages)


def test_a_flood_of_one_session_keeps_a_neighbour_waiting_for_a_few_messages_only(
    own_nats: EmbeddedNats, stack: ExitStack
) -> None:
    bus, neighbour = bus_on(own_nats, stack), some_session()
    flood(own_nats, some_session(), 50 * MOST)
    link = link_to(own_nats, stack)
    link.send(Kind.TELEMETRY, neighbour, b"mine")
    assert link.flush(20.0)
    reader = Reader(bus)
    bus.consume(0, reader, credit=50 * MOST)
    assert until(lambda: any(delivery.session == neighbour for delivery in reader.deliveries))
    assert [delivery.session == neighbour for delivery in reader.deliveries].index(True) <= MOST


def test_a_sender_that_is_held_up_goes_on_in_order_when_its_messages_are_trimmed(
    own_nats: EmbeddedNats, stack: ExitStack
) -> None:
    bus, link, session = bus_on(own_nats, stack), link_to(own_nats, stack), some_session()
    numbers = [str(number).encode() for number in range(5 * MOST)]
    for number in numbers:
        link.send(Kind.TELEMETRY, session, number)
    assert until(lambda: link.notices.counts[BusEvent.PUBLISH_RETRIED] > 0)
    link.send(Kind.TELEMETRY, some_session(), b"of another session")
    assert until(lambda: held(own_nats) == MOST + 1)

    class Trimming(Reader):
        def __call__(self, batch: list[Delivery]) -> None:
            super().__call__(batch)
            bus.trim(batch[-1].sequence)

    reader = Trimming(bus)
    bus.consume(0, reader, credit=MOST)
    assert link.flush(30.0)
    arrived = reader.wait(5 * MOST + 1)
    assert data_of(delivery for delivery in arrived if delivery.session == session) == numbers
    assert len(arrived) == 5 * MOST + 1


def test_a_limit_that_comes_later_deletes_nothing(own_nats: EmbeddedNats, stack: ExitStack) -> None:
    bus_on(own_nats, stack, most=10 * MOST).close()
    flood(own_nats, some_session(), 3 * MOST)
    assert until(lambda: held(own_nats) == 3 * MOST)
    bus = bus_on(own_nats, stack)  # the server would keep the newest of them only
    assert held(own_nats) == 3 * MOST
    reader = Reader(bus)
    bus.consume(0, reader, credit=10 * MOST)
    bus.trim(reader.wait(3 * MOST)[-1].sequence)
    assert until(lambda: held(own_nats) == 0)
    bus.close()
    bus_on(own_nats, stack).close()
    flood(own_nats, some_session(), 3 * MOST)
    link = link_to(own_nats, stack)
    link.send(Kind.TELEMETRY, some_session(), b"behind the flood")
    assert link.flush(20.0)
    assert held(own_nats) == MOST + 1

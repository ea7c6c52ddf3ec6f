"""The dead letters as an operator sees them, beside a running system or without one."""

from datetime import datetime

from drlactors.bus import dead_letters
from drlactors.bus.credentials import Credentials
from drlactors.bus.nats_bus import NatsBus
from drlactors.bus.nats_link import NatsSandboxLink
from drlactors.ports.bus import Kind
from drlactors.testing.nats_server import EmbeddedNats
from tests.contract.bus.kit import Reader, some_session, until


def test_there_are_none_where_no_system_has_run(own_nats: EmbeddedNats) -> None:
    assert dead_letters.look(own_nats.url, Credentials(), 10) == []


def test_the_newest_are_seen_from_outside_oldest_first(own_nats: EmbeddedNats) -> None:
    bus = NatsBus(own_nats.url)
    reader, session = Reader(bus), some_session()
    bus.consume(0, reader, credit=10)
    link = NatsSandboxLink(own_nats.url)
    for text in (b"first", b"second", b"third"):
        link.send(Kind.TELEMETRY, session, text)
    for delivery in reader.wait(3):
        bus.bury(delivery, f"{delivery.data.decode()} was not taken")
    assert until(lambda: len(bus.dead_letters(10)) == 3)
    found = dead_letters.look(own_nats.url, Credentials(), 2)
    assert [letter for _, letter in found] == bus.dead_letters(2)
    assert [letter.reason for _, letter in found] == ["second was not taken", "third was not taken"]
    assert all(at.endswith("Z") and datetime.fromisoformat(at) for at, _ in found)
    link.close()
    bus.close()

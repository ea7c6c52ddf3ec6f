"""What a sandbox that was taken over can send: every byte of it has an answer, and nobody else is held up."""

import os
import subprocess
from pathlib import Path
from typing import Any, Self

import pytest

from drlactors.bus.credentials import Credentials
from drlactors.bus.nats_bus import NatsBus
from drlactors.bus.nats_link import NatsSandboxLink
from drlactors.bus.notices import BusEvent
from drlactors.ports.bus import BusUnreachable, Kind
from drlactors.testing.nats_server import EmbeddedNats, executable
from drlactors.testing.processes import HeldPort
from tests.contract.bus.kit import Reader, data_of, some_session, until
from tests.integration.bus.server import write_raw


class ServerWithUsers:
    """A NATS server with JetStream that knows the users of a file."""

    plane = Credentials(user="plane", password="p" * 20, inbox_prefix="_INBOX_plane")
    sandbox = Credentials(user="sandbox", password="s" * 20, inbox_prefix="_INBOX_sandbox")

    def __init__(self, directory: Path, users: Path) -> None:
        self._port = HeldPort()
        self.url = f"nats://{self._port.address}"
        config = directory / "nats.conf"
        config.write_text(
            f'listen: "{self._port.address}"\njetstream {{ store_dir: "{directory}", max_file_store: 20GB }}\n'
            + users.read_text()
        )
        passwords = {"DRL_PLANE_PASSWORD": self.plane.password, "DRL_SANDBOX_PASSWORD": self.sandbox.password}
        self._process = subprocess.Popen(
            [executable(), "-c", config], env=os.environ | passwords, stderr=subprocess.DEVNULL
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def bus(own_nats: EmbeddedNats) -> Any:
    opened = NatsBus(own_nats.url, trim_interval_s=0.05)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    "message",
    [
        b"PUB drl.v1.telemetry.\xff\xfe\x80 4\r\nevil\r\n",
        b"HPUB drl.v1.telemetry.evil 18 22\r\nNATS/1.0 \xff\xff\xff\r\n\r\n  evil\r\n",
        b"HPUB drl.v1.telemetry.evil 24 28\r\nNATS/1.0\r\n\xff\xfe: \x00\xff\r\n\r\n    evil\r\n",
        b"HPUB drl.v1.telemetry.evil 16 20\r\nNATS/1.0 100\r\n\r\nevil\r\n",
        b"PUB drl.v1.episode.a.b.c.d.e.f 4\r\nevil\r\n",
        b"PUB drl.v1.feedback.\xe2\x80\xae 4\r\nevil\r\n",
    ],
)
def test_bytes_that_are_no_text_are_a_dead_letter(own_nats: EmbeddedNats, bus: NatsBus, message: bytes) -> None:
    reader = Reader(bus)
    bus.consume(0, reader, credit=4)
    write_raw(own_nats, message * 10)
    link = NatsSandboxLink(own_nats.url)
    link.send(Kind.TELEMETRY, some_session(), b"good")
    assert data_of(reader.wait(1)) == [b"good"]
    link.close()
    assert until(lambda: len(bus.dead_letters(20)) == 10)
    assert bus.notices.counts[BusEvent.DISCONNECTED] == 0


def test_a_flood_of_rubbish_neither_stops_the_others_nor_is_lost(own_nats: EmbeddedNats, bus: NatsBus) -> None:
    rubbish = 20_000
    reader = Reader(bus)
    bus.consume(0, reader, credit=64)
    link = NatsSandboxLink(own_nats.url)
    session = some_session()
    for part in range(20):
        write_raw(own_nats, b"PUB drl.v1.telemetry.evil%d 4\r\nevil\r\n" % part * (rubbish // 20))
        link.send(Kind.TELEMETRY, session, str(part).encode())
    assert data_of(reader.wait(20)) == [str(part).encode() for part in range(20)]
    link.close()
    bus.consume(0, reader, credit=64)
    assert until(lambda: bus.notices.counts[BusEvent.DEAD_LETTER] >= rubbish, timeout_s=60.0)
    assert bus.notices.counts[BusEvent.DEAD_LETTER_DROPPED] == 0


def test_a_flood_of_large_messages_is_taken_in_portions(own_nats: EmbeddedNats, bus: NatsBus) -> None:
    session = some_session()
    for _ in range(40):
        write_raw(own_nats, b"PUB drl.v1.telemetry.%b 5242880\r\n%b\r\n" % (str(session).encode(), bytes(5 << 20)))
    reader = Reader(bus)
    bus.consume(0, reader, credit=4096)
    link = NatsSandboxLink(own_nats.url)
    link.send(Kind.TELEMETRY, session, b"good")
    assert data_of(reader.wait(1)) == [b"good"]
    link.close()
    assert until(lambda: len(bus.dead_letters(50)) == 40, timeout_s=60.0)
    assert bus.notices.counts[BusEvent.DEAD_LETTER_DROPPED] == 0
    assert bus.notices.counts[BusEvent.CONSUMER_RENEWED] == 0


def test_a_sandbox_has_the_rights_of_a_sandbox_only(tmp_path: Path) -> None:
    """The users of ops/nats, on a server of their own: least rights suffice, and end where they should."""
    users = Path(__file__).parents[3] / "ops" / "nats" / "users.conf"
    with ServerWithUsers(tmp_path, users) as server:
        bus = NatsBus(server.url, credentials=server.plane)
        link = NatsSandboxLink(server.url, credentials=server.sandbox)
        session = some_session()
        heard: list[bytes] = []
        link.listen(session, heard.append)
        reader = Reader(bus)
        bus.consume(0, reader, credit=16)
        link.send(Kind.TELEMETRY, session, b"seen")
        assert data_of(reader.wait(1)) == [b"seen"]
        bus.publish([(session, b"do")])
        assert until(lambda: heard == [b"do"])
        bus.bury(reader.deliveries[0], "a test")
        assert until(lambda: len(bus.dead_letters(1)) == 1)
        bus.trim(1)
        with pytest.raises(BusUnreachable):
            NatsBus(server.url, credentials=server.sandbox, connect_timeout_s=3.0)
        other = NatsSandboxLink(server.url, credentials=server.sandbox, root="drl.v1.action")
        other.send(Kind.TELEMETRY, session, b"order others about")
        assert until(lambda: other.notices.counts[BusEvent.PUBLISH_REFUSED] == 1)
        with pytest.raises(BusUnreachable, match="may not publish"):
            other.flush(1.0)
        for open_one in (other, link, bus):
            open_one.close()

"""The server dies, freezes, forgets or is full: nothing acknowledged is lost, doubled or out of order."""

import json
import os
import shutil
import signal
import threading
import time
import urllib.request
from contextlib import ExitStack
from typing import Any

import nats
import nats.js
import pytest

from drlactors.bus.nats_bus import NatsBus
from drlactors.bus.nats_link import NatsSandboxLink
from drlactors.bus.notices import BusEvent
from drlactors.bus.streams import Limits
from drlactors.ports import room
from drlactors.ports.bus import BusUnreachable, Delivery, Kind, StreamReplaced
from drlactors.testing.nats_server import EmbeddedNats
from tests.contract.bus.kit import Reader, data_of, some_session, until
from tests.integration.bus.sandboxes import Sandboxes, disorder
from tests.integration.bus.server import STREAM, with_jetstream


@pytest.fixture
def bus(own_nats: EmbeddedNats) -> Any:
    with ExitStack() as stack:
        opened = NatsBus(own_nats.url, trim_interval_s=0.05)
        stack.callback(opened.close)
        yield opened


@pytest.fixture
def link(own_nats: EmbeddedNats, bus: NatsBus) -> Any:
    opened = NatsSandboxLink(own_nats.url)
    yield opened
    opened.close()


def test_what_was_acknowledged_survives_the_killing_of_the_server_and_keeps_its_order(
    own_nats: EmbeddedNats, bus: NatsBus, link: NatsSandboxLink
) -> None:
    reader = Reader(bus)
    bus.consume(0, reader, credit=512)
    with Sandboxes(link, sessions=50) as sandboxes:
        for _ in range(3):
            time.sleep(0.5)
            own_nats.kill()
            time.sleep(0.2)
            own_nats.start()
            seen = len(reader.deliveries)
            assert len(reader.wait(seen + 100)) >= seen + 100
    assert link.flush(20.0)
    found = reader.wait(sandboxes.sent)
    assert len(found) == sandboxes.sent
    assert disorder(found) == []


def test_a_frozen_server_costs_time_only(own_nats: EmbeddedNats, bus: NatsBus, link: NatsSandboxLink) -> None:
    reader = Reader(bus)
    bus.consume(0, reader, credit=512)
    with Sandboxes(link, sessions=20) as sandboxes:
        time.sleep(0.3)
        assert own_nats.pid is not None
        os.kill(own_nats.pid, signal.SIGSTOP)
        time.sleep(3.0)
        os.kill(own_nats.pid, signal.SIGCONT)
        time.sleep(0.5)
    assert link.flush(20.0)
    assert len(reader.wait(sandboxes.sent)) == sandboxes.sent
    assert disorder(reader.deliveries) == []


def test_actions_sent_while_the_server_is_away_arrive_when_it_is_back(
    own_nats: EmbeddedNats, bus: NatsBus, link: NatsSandboxLink
) -> None:
    session = some_session()
    heard: list[bytes] = []
    link.listen(session, heard.append)
    own_nats.kill()
    assert until(lambda: bus.notices.counts[BusEvent.DISCONNECTED] == 1)
    bus.publish([(session, b"while you were out")])
    own_nats.start()

    def say_again() -> bool:  # at most once: the dispatcher repeats
        bus.publish([(session, b"again")])
        return b"again" in heard

    assert until(say_again)


def test_a_consumer_that_the_server_lost_is_made_anew_behind_the_last_delivery(
    own_nats: EmbeddedNats, bus: NatsBus, link: NatsSandboxLink
) -> None:
    reader = Reader(bus)
    bus.consume(0, reader, credit=64)
    with Sandboxes(link, sessions=10) as sandboxes:
        for _ in range(3):
            time.sleep(0.3)

            async def remove(js: nats.js.JetStreamContext) -> None:
                for consumer in await js.consumers_info(STREAM):
                    await js.delete_consumer(STREAM, consumer.name)

            with_jetstream(own_nats.url, remove)
    assert link.flush(10.0)
    assert len(reader.wait(sandboxes.sent)) == sandboxes.sent
    assert disorder(reader.deliveries) == []
    assert bus.notices.counts[BusEvent.CONSUMER_RENEWED] >= 1


def test_a_full_stream_holds_the_sender_and_goes_on_in_order_when_it_is_trimmed(own_nats: EmbeddedNats) -> None:
    with ExitStack() as stack:
        bus = NatsBus(own_nats.url, limits=Limits(sandbox_bytes=100_000), trim_interval_s=0.05)
        stack.callback(bus.close)
        link = NatsSandboxLink(own_nats.url, under_way=64)
        stack.callback(link.close)
        with Sandboxes(link, sessions=40, per_s=1e6) as sandboxes:
            assert until(lambda: link.notices.counts[BusEvent.PUBLISH_RETRIED] > 0)
            stuck = sandboxes.sent
            time.sleep(0.5)
            assert sandboxes.sent <= stuck + 64
            assert not link.flush(0.1)

            class Trimming(Reader):
                def __call__(self, batch: list[Delivery]) -> None:
                    super().__call__(batch)
                    bus.trim(batch[-1].sequence)

            reader = Trimming(bus)
            bus.consume(0, reader, credit=256)
            assert until(lambda: sandboxes.sent > stuck + 5000)
        assert link.flush(20.0)
        assert len(reader.wait(sandboxes.sent)) == sandboxes.sent
        assert disorder(reader.deliveries) == []


def test_a_sender_whose_patience_ends_is_told(own_nats: EmbeddedNats) -> None:
    with ExitStack() as stack:
        stack.callback(NatsBus(own_nats.url, limits=Limits(sandbox_bytes=100_000)).close)
        link = NatsSandboxLink(own_nats.url, under_way=4, patience_s=0.3)
        stack.callback(link.close)

        def send_for_ever() -> None:
            while True:
                link.send(Kind.TELEMETRY, some_session(), bytes(10_000))

        with pytest.raises(BusUnreachable, match="stored nothing"):
            send_for_ever()


def test_a_link_says_why_nothing_is_stored_and_when_it_is_again(own_nats: EmbeddedNats) -> None:
    with ExitStack() as stack:
        bus = NatsBus(own_nats.url, limits=Limits(sandbox_bytes=100_000), trim_interval_s=0.05)
        stack.callback(bus.close)
        link = NatsSandboxLink(own_nats.url, under_way=16)
        stack.callback(link.close)
        stack.enter_context(pytest.MonkeyPatch.context()).setattr(room, "STALLED_S", 0.2)
        assert link.trouble is None
        own_nats.kill()
        assert until(lambda: "cannot be reached" in why(link))
        own_nats.start()
        assert until(lambda: link.trouble is None)
        while link.offer(Kind.TELEMETRY, some_session(), bytes(10_000)):
            pass
        assert until(lambda: "maximum bytes exceeded" in why(link))
        reader = Reader(bus)
        bus.consume(0, reader, credit=256)
        bus.trim(reader.wait(1)[-1].sequence)
        assert until(lambda: link.trouble is None)


def why(link: NatsSandboxLink) -> str:
    """Of a trouble that may pass."""
    trouble = link.trouble
    return trouble.why if trouble and not trouble.for_good else ""


def test_a_wiped_stream_stops_the_consumer_and_is_left_untrimmed(
    own_nats: EmbeddedNats, bus: NatsBus, link: NatsSandboxLink
) -> None:
    before = bus.identity()
    reader = Reader(bus)
    bus.consume(0, reader, credit=64)
    for n in range(100):
        link.send(Kind.TELEMETRY, some_session(), str(n).encode())
    reader.wait(100)
    own_nats.stop()
    shutil.rmtree(own_nats.data_dir / "store")
    own_nats.start()
    assert until(lambda: bus.notices.counts[BusEvent.STREAM_REPLACED] == 1)
    bus.trim(100)
    link.send(Kind.TELEMETRY, some_session(), b"new")
    assert link.flush(10.0)
    assert not until(lambda: len(reader.deliveries) > 100, timeout_s=0.5)
    with pytest.raises(StreamReplaced):
        bus.consume(100, reader, credit=64)
    assert bus.identity() != before
    again = Reader(bus)
    bus.consume(0, again, credit=64)
    assert data_of(again.wait(1)) == [b"new"]


def test_a_removed_stream_stops_the_consumer(own_nats: EmbeddedNats, bus: NatsBus) -> None:
    bus.consume(0, Reader(bus), credit=64)

    async def remove(js: nats.js.JetStreamContext) -> None:
        await js.delete_stream(STREAM)

    with_jetstream(own_nats.url, remove)
    assert until(lambda: bus.notices.counts[BusEvent.STREAM_REPLACED] == 1)
    with pytest.raises(StreamReplaced, match="is gone"):
        bus.consume(0, Reader(bus), credit=64)


def test_a_reader_that_blocks_the_thread_loses_nothing(bus: NatsBus, link: NatsSandboxLink) -> None:
    class Slow(Reader):
        def __call__(self, batch: list[Delivery]) -> None:
            if self.batches in (2, 5):
                time.sleep(1.6)  # longer than heartbeats may be silent
            super().__call__(batch)

    reader = Slow(bus)
    bus.consume(0, reader, credit=32)
    with Sandboxes(link, sessions=10, per_s=1000) as sandboxes:
        time.sleep(2.0)
    assert link.flush(10.0)
    assert len(reader.wait(sandboxes.sent)) == sandboxes.sent
    assert disorder(reader.deliveries) == []


def test_a_reader_that_only_enqueues_leaves_the_thread_to_the_actions(bus: NatsBus, link: NatsSandboxLink) -> None:
    session = some_session()
    came_s: list[float] = []
    link.listen(session, lambda _: came_s.append(time.monotonic()))
    bus.consume(0, Reader(bus, hold=True), credit=16)  # a system that is stuck with all its credit
    with Sandboxes(link, sessions=10):
        time.sleep(0.5)
        began_s = time.monotonic()
        bus.publish([(session, b"stop")])
        assert until(lambda: len(came_s) == 1)
    assert came_s[0] - began_s < 15.0  # 0.6 s on a machine with three times its work; never, if the thread were held


def test_a_reader_that_fails_is_given_the_same_again(bus: NatsBus, link: NatsSandboxLink) -> None:
    class Failing(Reader):
        failures = 0

        def __call__(self, batch: list[Delivery]) -> None:
            if self.deliveries and not self.failures:
                self.failures += 1
                raise RuntimeError("a reader's mistake")
            super().__call__(batch)

    reader = Failing(bus)
    bus.consume(0, reader, credit=16)
    with Sandboxes(link, sessions=5, per_s=1000) as sandboxes:
        time.sleep(0.5)
    assert link.flush(10.0)
    assert len(reader.wait(sandboxes.sent)) == sandboxes.sent
    assert reader.failures == 1
    assert disorder(reader.deliveries) == []


def test_an_acknowledged_message_is_in_a_file_that_is_synced_as_configured(
    own_nats: EmbeddedNats, bus: NatsBus, link: NatsSandboxLink
) -> None:
    """First hop: in the server's file, synced within ``sync_interval``. Second hop: the event log, synced on append."""
    with urllib.request.urlopen(f"{own_nats.monitoring_url}/varz") as answer:
        assert json.load(answer)["jetstream"]["config"]["sync_interval"] == 1_000_000_000

    async def storage(js: nats.js.JetStreamContext) -> str:
        return str((await js.stream_info(STREAM)).config.storage)

    assert with_jetstream(own_nats.url, storage) == "file"
    link.send(Kind.TELEMETRY, some_session(), b"stored")
    assert link.flush(10.0)
    own_nats.kill()
    own_nats.start()
    reader = Reader(bus)
    bus.consume(0, reader, credit=16)
    assert data_of(reader.wait(1)) == [b"stored"]


def test_limits_that_changed_are_brought_to_the_server_and_a_strange_stream_is_refused(own_nats: EmbeddedNats) -> None:
    NatsBus(own_nats.url, limits=Limits(sandbox_bytes=1 << 20)).close()
    NatsBus(own_nats.url, limits=Limits(sandbox_bytes=2 << 20)).close()

    async def most_bytes(js: nats.js.JetStreamContext) -> int | None:
        return (await js.stream_info(STREAM)).config.max_bytes

    assert with_jetstream(own_nats.url, most_bytes) == 2 << 20

    async def make_strange(js: nats.js.JetStreamContext) -> None:
        await js.delete_stream(STREAM)
        await js.add_stream(name=STREAM, subjects=["drl.v1.telemetry.>"])

    with_jetstream(own_nats.url, make_strange)
    with pytest.raises(BusUnreachable, match="subjects"):
        NatsBus(own_nats.url, connect_timeout_s=5.0)


def test_a_server_that_is_not_there_is_named_in_time() -> None:
    began_s = time.monotonic()
    with pytest.raises(BusUnreachable, match="cannot be reached"):
        NatsBus("nats://127.0.0.1:1", connect_timeout_s=0.5)
    assert time.monotonic() - began_s < 5.0


def test_five_thousand_sessions_listen_on_one_link(bus: NatsBus, link: NatsSandboxLink) -> None:
    sessions = [some_session() for _ in range(5000)]
    heard: list[bytes] = []
    for session in sessions:
        link.listen(session, heard.append)
    bus.publish((session, str(session).encode()) for session in sessions)
    assert until(lambda: len(heard) == 5000)
    assert set(heard) == {str(session).encode() for session in sessions}


def test_a_closed_bus_says_so_and_does_not_hang(bus: NatsBus, link: NatsSandboxLink) -> None:
    link.close()
    bus.close()
    with pytest.raises(BusUnreachable):
        link.send(Kind.TELEMETRY, some_session(), b"late")
    with pytest.raises(BusUnreachable):
        bus.identity()
    bus.publish([(some_session(), b"late")])
    bus.trim(1)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("drlactors")]

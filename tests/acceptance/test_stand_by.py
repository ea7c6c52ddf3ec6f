"""A second plane on the same log stands by, and takes over from one that was killed or lost the log."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from drlactors.bus.nats_link import NatsSandboxLink
from drlactors.sandboxes.sdk import Sandbox
from drlactors.testing.processes import HeldPort
from drlactors.testing.servers import EmbeddedNats, EmbeddedPostgres
from tests.acceptance.harness import Crowd, SystemProcess, audit, readiness, sandbox_on, servers, wait_for
from tests.contract.store.lock import end_holder

SESSIONS, WINDOWS = 8, 24
STANDS_BY = "Another plane serves this event log. This one stands by"

METRICS = HeldPort()  # of the one that stands by: it says where it is only once it serves

Servers = tuple[EmbeddedNats, EmbeddedPostgres]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    yield from servers(tmp_path_factory.mktemp("servers"))


@pytest.fixture
def host(real: Servers) -> Iterator[Sandbox]:
    yield from sandbox_on(NatsSandboxLink(real[0].url))


@pytest.fixture
def planes(tmp_path: Path, real: Servers) -> Iterator[tuple[SystemProcess, SystemProcess]]:
    """One that is up, and one that stands by."""
    with (
        SystemProcess(tmp_path / "first", real[0].url, real[1].dsn) as first,
        SystemProcess(tmp_path / "second", real[0].url, real[1].dsn, metrics__port=METRICS.number) as second,
    ):
        first.start()
        second.start(wait=False)
        wait_for(lambda: STANDS_BY in second.log_path.read_text(), 60, "the second plane stands by")
        yield first, second


def test_the_plane_that_stands_by_takes_over_after_a_kill_and_nothing_is_lost_or_doubled(
    planes: tuple[SystemProcess, SystemProcess], host: Sandbox, real: Servers
) -> None:
    first, second = planes
    crowd = Crowd(host, SESSIONS, WINDOWS)
    crowd.play(0, WINDOWS // 2)
    wait_for(lambda: crowd.carried, 60, "an action is on its way")
    assert not second.up()
    first.kill()
    crowd.play(WINDOWS // 2, WINDOWS)
    wait_for(second.up, 60, "the second plane serves")
    assert crowd.finish() == 0
    assert second.stop() == 0
    assert audit(real[1].dsn, crowd) == []


def test_a_plane_that_lost_the_log_to_another_one_ends_with_the_reason(
    planes: tuple[SystemProcess, SystemProcess], host: Sandbox, real: Servers
) -> None:
    first, second = planes
    crowd = Crowd(host, SESSIONS, WINDOWS)
    crowd.play(0, WINDOWS // 2)
    os.kill(first.pid, signal.SIGSTOP)  # so that it cannot take the lock again first
    with psycopg.connect(real[1].dsn, autocommit=True) as other:
        end_holder(other)
    wait_for(second.up, 60, "the second plane serves")
    os.kill(first.pid, signal.SIGCONT)
    assert first.wait_dead(60) == 1
    assert "Another plane has taken this event log over" in first.log_path.read_text()
    crowd.play(WINDOWS // 2, WINDOWS)
    assert crowd.finish() == 0
    assert second.stop() == 0
    assert audit(real[1].dsn, crowd) == []


def test_a_plane_that_stands_by_is_not_ready_and_stops_when_told_to(
    planes: tuple[SystemProcess, SystemProcess],
) -> None:
    first, second = planes
    assert readiness(f"http://127.0.0.1:{METRICS.number}") == "standing by: another plane serves this event log"
    assert second.stop() == 0
    assert first.alive()
    assert first.stop() == 0

"""Load on a system whose pattern database is stopped meanwhile, and the audit of what it holds afterwards."""

import os
import signal
import time
import urllib.request
from pathlib import Path
from typing import NamedTuple

import psycopg

from drlactors.bus.nats_link import NatsSandboxLink
from drlactors.config.load import load
from drlactors.ports.log import Category
from drlactors.sandboxes.sdk import Sandbox
from drlactors.testing.servers import EmbeddedNats, EmbeddedPostgres
from drlactors.wiring.access import Addresses, open_log, running
from tests.acceptance.harness import Crowd, SystemProcess, audit, wait_for
from tests.contract.patterns.kit import ARRIVALS

SESSIONS, WINDOWS = 8, 12
MAKER = "patterns_process"


class Ended(NamedTuple):
    """How it went."""

    sessions: int  # that ended, all of them decided to the last window
    waiting: int  # changes in the queue when the database came back
    emptied_s: float  # until the queue was empty again
    before_s: list[float]  # each wave of sessions, from its first window to its last answer
    meanwhile_s: list[float]
    faults: list[str]


def outage(
    folder: Path, nats: EmbeddedNats, log: EmbeddedPostgres, *, down_s: float, waves: int, **settings: float
) -> Ended:
    """Waves of sessions before, during and after an outage of at least ``down_s``; the maker is killed in it too."""
    crowds: list[Crowd] = []

    def wave() -> float:
        began_s = time.monotonic()
        crowd = Crowd(host, SESSIONS, WINDOWS)
        crowd.play(0, WINDOWS)
        assert crowd.finish() == 0
        crowds.append(crowd)
        return time.monotonic() - began_s

    def stored() -> int:
        with psycopg.connect(database.dsn) as connection:
            return int(connection.execute("SELECT count(*) FROM patterns.attack_patterns").fetchall()[0][0])

    with (
        EmbeddedPostgres(folder / "patterns") as database,
        SystemProcess(folder / "system", nats.url, log.dsn, patterns__url=database.dsn, **settings) as system,
    ):
        system.start()
        link = NatsSandboxLink(nats.url)
        host = Sandbox(link, "crowd", resend_s=1.0)
        before_s = [wave() for _ in range(waves)]
        wait_for(lambda: has_schema(database.dsn) and stored() == len(crowds) * SESSIONS, 60, "patterns are made")
        with psycopg.connect(database.dsn, autocommit=True) as connection:
            connection.execute(ARRIVALS)
        database.stop()
        stopped_s = time.monotonic()
        meanwhile_s = [wave()]
        (maker,) = makers(system.pid)
        os.kill(maker, signal.SIGKILL)
        while time.monotonic() - stopped_s < down_s or len(meanwhile_s) < waves:
            meanwhile_s.append(wave())
        ended = (len(crowds) - waves) * SESSIONS
        wait_for(lambda: waiting(system) >= ended, 60, "what ended meanwhile waits in the queue")
        queued = waiting(system)
        database.start()
        back_s = time.monotonic()
        wait_for(lambda: stored() == len(crowds) * SESSIONS and waiting(system) == 0, 120, "the queue is empty")
        emptied_s = time.monotonic() - back_s
        wave()
        wait_for(lambda: stored() == len(crowds) * SESSIONS, 60, "new patterns are made")
        host.close()
        link.close()
        assert system.stop() == 0
        faults = [fault for crowd in crowds for fault in audit(log.dsn, crowd)]
        return Ended(
            len(crowds) * SESSIONS, queued, emptied_s, before_s, meanwhile_s, faults + lost(log.dsn, database.dsn)
        )


def has_schema(dsn: str) -> bool:
    with psycopg.connect(dsn) as connection:
        found = connection.execute("SELECT to_regclass('patterns.attack_patterns')").fetchall()
        return found[0][0] is not None


def lost(log_dsn: str, dsn: str) -> list[str]:
    """What of the log's ends is not there, came twice, or came out of order."""
    log = open_log(log_dsn)
    ends = {turn.stream.id for turn in log.turns(0, 1_000_000) if turn.stream.category is Category.SESSION}
    log.close()
    with psycopg.connect(dsn) as connection:
        held = {row[0] for row in connection.execute("SELECT session FROM patterns.attack_patterns")}
        came = connection.execute("SELECT session, position FROM arrivals ORDER BY number").fetchall()
    positions = [position for _, position in came]
    return [
        *(f"{session} is missing" for session in ends - held),
        *(["not in the order of the log"] if positions != sorted(positions) else []),
        *(["something came twice"] if len(came) != len(set(came)) else []),
        *(["nothing came"] if not came else []),
    ]


def makers(parent: int) -> list[int]:
    """The processes below a system that make patterns."""
    found = []
    for children in Path(f"/proc/{parent}/task").glob("*/children"):
        for child in told(children).split():
            if MAKER in told(Path(f"/proc/{child}/cmdline")):
                found.append(int(child))
    return found


def told(file: Path) -> str:
    """What the kernel says of a process or thread; nothing of one that has just ended."""
    try:
        return file.read_text()
    except OSError:
        return ""


def waiting(system: SystemProcess) -> int:
    """Changes in the queue before the pattern database, as Prometheus is told."""
    with urllib.request.urlopen(f"{addresses(system).metrics_url}/metrics") as page:
        lines = page.read().decode().splitlines()
    return int(float(next(line for line in lines if line.startswith("drl_patterns_waiting ")).split()[1]))


def addresses(system: SystemProcess) -> Addresses:
    found = running(load(files=(system.config,)).settings)
    assert found is not None
    return found

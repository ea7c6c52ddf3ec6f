"""Guards on a real system: switched by saving a file, and counted over a kill."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drlactors.bus.nats_link import NatsSandboxLink
from drlactors.config.share import share
from drlactors.domain.action import Action
from drlactors.domain.guard import Reason
from drlactors.domain.session import ActionSelected, ActionWithheld, Artifact, EndReason, Event
from drlactors.ports.log import Category, Stream
from drlactors.sandboxes.sdk import Done, Instruction, Sandbox, Session
from drlactors.store.log import PostgresEventLog
from drlactors.testing.given import window
from drlactors.testing.servers import EmbeddedNats
from tests.acceptance.harness import SystemProcess, sandbox_on, wait_for
from tests.unit.inference.models import preferring


@pytest.fixture
def sandbox(own_nats: EmbeddedNats) -> Iterator[Sandbox]:
    yield from sandbox_on(NatsSandboxLink(own_nats.url))


@pytest.fixture
def log(database: str) -> Iterator[PostgresEventLog]:
    log = PostgresEventLog(database, schema_dir=share("eventstore"))
    yield log
    log.close()


def killing(tmp_path: Path, own_nats: EmbeddedNats, database: str, **settings: Any) -> SystemProcess:
    """A system whose policy kills whatever it sees."""
    model = str(preferring(tmp_path, Action.TERMINATE))
    return SystemProcess(
        tmp_path / "system",
        own_nats.url,
        database,
        model__path=model,
        model__deadline_ms=60_000,
        models__allow_unsigned=True,
        rules__windows_before_final=1,
        **settings,
    )


def run(sandbox: Sandbox) -> Session:
    """A session with one window, answered."""

    def carry_out(instruction: Instruction) -> Done:
        return Done()

    session = sandbox.start(Artifact("ab" * 32, "elf"), carry_out)
    session.send([window(0)])
    assert session.wait_answered(30)
    return session


def events(log: PostgresEventLog, session: Session) -> list[Event]:
    return [event for entry in log.stream(Stream(Category.SESSION, session.id)) for event in entry.of_session]


def chosen(log: PostgresEventLog, session: Session) -> list[Action]:
    return [event.action for event in events(log, session) if isinstance(event, ActionSelected)]


def reasons(log: PostgresEventLog, session: Session) -> list[Reason]:
    return [event.reason for event in events(log, session) if isinstance(event, ActionWithheld)]


def test_an_action_is_enforced_once_its_file_says_so(
    tmp_path: Path, own_nats: EmbeddedNats, database: str, sandbox: Sandbox, log: PostgresEventLog
) -> None:
    with killing(tmp_path, own_nats, database, guards__monitored=["terminate"]) as system:
        system.start()
        watched = run(sandbox)
        assert (chosen(log, watched), reasons(log, watched)) == ([Action.CONTINUE], [Reason.MONITORED])
        system.configure("guards", monitored=[])

        def enforced() -> bool:
            return chosen(log, run(sandbox)) == [Action.TERMINATE]

        wait_for(enforced, 60, "it is enforced")


def test_a_limit_holds_over_a_kill(
    tmp_path: Path, own_nats: EmbeddedNats, database: str, sandbox: Sandbox, log: PostgresEventLog
) -> None:
    with killing(tmp_path, own_nats, database, guards__terminate_per_hour=3) as system:
        system.start()
        before = [run(sandbox) for _ in range(3)]
        assert [chosen(log, one) for one in before] == [[Action.TERMINATE]] * 3
        for one in before:
            one.end(EndReason.TERMINATED)
        system.kill()
        system.start()
        after = run(sandbox)
        assert Action.TERMINATE not in chosen(log, after)
        assert reasons(log, after)[0] is Reason.PER_HOUR

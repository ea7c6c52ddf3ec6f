"""Logs to test against, and events to put in."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drlactors.ports.log import EventLog
from drlactors.store.log import PostgresEventLog
from drlactors.store.memory import MemoryEventLog
from tests.contract.store.given import SCHEMA_DIR


@pytest.fixture(params=["memory", "postgres"])
def log(request: pytest.FixtureRequest) -> Iterator[EventLog]:
    """An empty log of each kind: what holds for one holds for the other."""
    if request.param == "memory":
        opened: EventLog = MemoryEventLog()
    else:
        opened = PostgresEventLog(request.getfixturevalue("database"), schema_dir=SCHEMA_DIR)
    yield opened
    opened.close()


@pytest.fixture
def open_log(database: str) -> Iterator[Callable[[], PostgresEventLog]]:
    """Opens the same log in PostgreSQL as often as asked: each is like a process of its own."""
    opened: list[PostgresEventLog] = []

    def open_another() -> PostgresEventLog:
        opened.append(PostgresEventLog(database, schema_dir=SCHEMA_DIR))
        return opened[-1]

    yield open_another
    for log in opened:
        log.close()


@pytest.fixture
def migrations_dir() -> Path:
    return SCHEMA_DIR / "migrations"

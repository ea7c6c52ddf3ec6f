"""Numbered SQL files bring the schema up: each once, in order, never changed afterwards."""

from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from psycopg import Connection
from psycopg.rows import DictRow

from drlactors.store.connections import SCHEMA, Connections
from drlactors.store.errors import MigrationRefused, in_words_of_the_port

#: Any number that nobody else locks in this database; "drlactor" in ASCII.
ADVISORY_LOCK = 0x64726C6163746F72
_FLOOR = """
CREATE SCHEMA IF NOT EXISTS {0};
CREATE TABLE IF NOT EXISTS {0}.migrations (
    name text PRIMARY KEY,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)"""
_IS_THERE = "SELECT to_regclass('{0}.migrations') IS NOT NULL AS yes"
_APPLIED = "SELECT name, sha256, applied_at FROM {0}.migrations ORDER BY name"
_NOTE = "INSERT INTO {0}.migrations (name, sha256) VALUES (%s, %s)"


class Migration(NamedTuple):
    name: str
    statements: str

    @property
    def sha256(self) -> str:
        return sha256(self.statements.encode()).hexdigest()


class Status(NamedTuple):
    name: str
    applied_at: datetime | None


def migrate(connections: Connections, folder: Path, schema: str = SCHEMA) -> list[str]:
    """Apply what is missing, all of it or nothing, one process at a time; returns the names.

    ``schema`` is the one that the folder's statements are about, and that remembers them.

    Raises MigrationRefused when the database has migrations that this folder lacks, has otherwise, or has before a
    missing one.
    """
    known = migrations_in(folder)
    with in_words_of_the_port(), connections.get_connection() as connection, connection.transaction():
        connection.execute(b"SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0")
        connection.execute(b"SELECT pg_advisory_xact_lock(%s)", (ADVISORY_LOCK,))
        connection.execute(_FLOOR.format(schema).encode())
        missing = known[len(_compared(connection, known, schema)) :]
        for migration in missing:
            connection.execute(migration.statements.encode())
            connection.execute(_NOTE.format(schema).encode(), (migration.name, migration.sha256))
    return [migration.name for migration in missing]


def status(connections: Connections, folder: Path, schema: str = SCHEMA) -> list[Status]:
    """Every migration and when it was applied; changes nothing. Raises as ``migrate`` does."""
    known = migrations_in(folder)
    with in_words_of_the_port(), connections.get_connection() as connection:
        there = connection.execute(_IS_THERE.format(schema).encode()).fetchone()
        applied = _compared(connection, known, schema) if there and there["yes"] else {}
    return [Status(migration.name, applied.get(migration.name)) for migration in known]


def migrations_in(folder: Path) -> list[Migration]:
    """In order. Line ends are those of the repository, whatever a checkout made of them."""
    found = [Migration(path.stem, path.read_text(encoding="utf-8")) for path in sorted(folder.glob("[0-9]*.sql"))]
    if not found:
        raise MigrationRefused(f"There are no migrations in {folder}.")
    return found


def _compared(connection: Connection[DictRow], known: list[Migration], schema: str) -> dict[str, datetime]:
    applied = connection.execute(_APPLIED.format(schema).encode()).fetchall()
    for index, row in enumerate(applied):
        if index >= len(known) or row["name"] not in (migration.name for migration in known):
            raise MigrationRefused(f"The database has {row['name']}, which this program lacks: it is of a newer one.")
        if row["name"] != known[index].name:
            raise MigrationRefused(f"{known[index].name} is missing in the database, which has {row['name']} already.")
        if row["sha256"] != known[index].sha256:
            raise MigrationRefused(f"{row['name']} was changed after it had been applied: write a new one instead.")
    return {row["name"]: row["applied_at"] for row in applied}

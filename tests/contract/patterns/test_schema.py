"""The pattern store's schema is what its migrations come to."""

from contextlib import closing
from typing import Any

import psycopg

from drlactors.store.connections import Connections
from drlactors.store.migrations import migrate
from tests.contract.patterns.kit import MIGRATIONS

DESCRIBED = b"""
SELECT c.relname, c.relkind::text, c.reloptions, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
       i.indexdef
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_indexes i ON i.schemaname = 'patterns' AND i.indexname = c.relname
WHERE c.relnamespace = 'patterns'::regnamespace
ORDER BY c.relname, a.attnum
"""


def described(dsn: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(DESCRIBED).fetchall()


def test_schema_sql_is_what_the_migrations_come_to(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute((MIGRATIONS.parent / "schema.sql").read_bytes())
        written = connection.execute(DESCRIBED).fetchall()
        connection.execute(b"DROP SCHEMA patterns CASCADE")
    with closing(Connections(database)) as connections:
        assert migrate(connections, MIGRATIONS, "patterns") == [path.stem for path in sorted(MIGRATIONS.iterdir())]
        assert migrate(connections, MIGRATIONS, "patterns") == []
    assert described(database) == written

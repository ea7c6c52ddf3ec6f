"""The schema comes up by itself, in order, and nothing that was applied may change."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from drlactors.ports.log import LogUnreachable
from drlactors.store import migrations
from drlactors.store.connections import Connections
from drlactors.store.errors import MigrationRefused
from drlactors.store.log import PostgresEventLog
from tests.contract.store.given import SCHEMA_DIR

SHIPPED = [migration.name for migration in migrations.migrations_in(SCHEMA_DIR / "migrations")]
DESCRIBED = """
(SELECT c.relname, c.relkind::text, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attstorage::text,
       pg_get_expr(d.adbin, d.adrelid), i.indexdef
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
LEFT JOIN pg_indexes i ON i.schemaname = 'eventlog' AND i.indexname = c.relname
WHERE c.relnamespace = 'eventlog'::regnamespace
ORDER BY c.relname, a.attnum)
UNION ALL
(SELECT proname, 'f', pg_get_functiondef(oid), '', false, '', '', ''
FROM pg_proc WHERE pronamespace = 'eventlog'::regnamespace ORDER BY proname)
"""


@pytest.fixture
def connections(database: str) -> Iterator[Connections]:
    opened = Connections(database)
    yield opened
    opened.close()


@pytest.fixture
def folder(tmp_path: Path, migrations_dir: Path) -> Path:
    copied = shutil.copytree(migrations_dir, tmp_path / "migrations")
    (copied / "9001_more.sql").write_text("CREATE TABLE eventlog.more (id int);")
    return copied


def described(dsn: str) -> list[tuple]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(DESCRIBED).fetchall()


def test_schema_sql_is_what_the_migrations_come_to(database: str, connections: Connections) -> None:
    with psycopg.connect(database) as connection:
        connection.execute((SCHEMA_DIR / "schema.sql").read_bytes())
        written = connection.execute(DESCRIBED).fetchall()
        connection.execute(b"DROP SCHEMA eventlog CASCADE")
    migrations.migrate(connections, SCHEMA_DIR / "migrations")
    assert described(database) == written


def test_each_is_applied_once(connections: Connections, folder: Path) -> None:
    assert not any(migration.applied_at for migration in migrations.status(connections, folder))
    assert migrations.migrate(connections, folder) == [*SHIPPED, "9001_more"]
    assert migrations.migrate(connections, folder) == []
    assert None not in [migration.applied_at for migration in migrations.status(connections, folder)]


def test_new_ones_are_added_to_old_ones(connections: Connections, folder: Path, migrations_dir: Path) -> None:
    migrations.migrate(connections, migrations_dir)
    assert migrations.migrate(connections, folder) == ["9001_more"]


def test_a_changed_one_is_refused(connections: Connections, folder: Path) -> None:
    migrations.migrate(connections, folder)
    (folder / "9001_more.sql").write_text("CREATE TABLE eventlog.more (id bigint);")
    with pytest.raises(MigrationRefused, match="9001_more was changed"):
        migrations.migrate(connections, folder)
    with pytest.raises(MigrationRefused, match="9001_more was changed"):
        migrations.status(connections, folder)


def test_line_ends_are_no_change(connections: Connections, folder: Path) -> None:
    migrations.migrate(connections, folder)
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert migrations.migrate(connections, folder) == []


def test_the_database_of_a_newer_program_is_refused(
    database: str, connections: Connections, folder: Path, migrations_dir: Path
) -> None:
    migrations.migrate(connections, folder)
    with pytest.raises(MigrationRefused, match="of a newer one"):
        PostgresEventLog(database, schema_dir=migrations_dir.parent)


def test_one_that_comes_late_is_refused(connections: Connections, folder: Path) -> None:
    (folder / "9002_last.sql").write_text((folder / "9001_more.sql").read_text())
    (folder / "9001_more.sql").unlink()
    migrations.migrate(connections, folder)
    (folder / "9001_more.sql").write_text("SELECT 1")
    with pytest.raises(MigrationRefused, match="9001_more is missing"):
        migrations.migrate(connections, folder)


def test_one_that_fails_leaves_nothing(connections: Connections, folder: Path) -> None:
    (folder / "9002_broken.sql").write_text("CREATE TABLE eventlog.broken (id nothing);")
    with pytest.raises(Exception, match="nothing"):
        migrations.migrate(connections, folder)
    (folder / "9002_broken.sql").unlink()
    assert migrations.migrate(connections, folder) == [*SHIPPED, "9001_more"]


def test_several_processes_may_start_at_once(database: str, connections: Connections, folder: Path) -> None:
    applied: list[str] = []
    starters = [
        threading.Thread(target=lambda: applied.extend(migrations.migrate(connections, folder))) for _ in range(6)
    ]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()
    assert sorted(applied) == [*SHIPPED, "9001_more"]


def test_a_folder_without_migrations_is_refused(connections: Connections, tmp_path: Path) -> None:
    with pytest.raises(MigrationRefused, match="no migrations"):
        migrations.migrate(connections, tmp_path)


def test_a_server_that_is_not_there_is_unreachable(migrations_dir: Path) -> None:
    with pytest.raises(LogUnreachable):
        PostgresEventLog("postgresql://nobody@127.0.0.1:1/none", schema_dir=migrations_dir.parent)

"""The event log in PostgreSQL."""

from contextlib import ExitStack
from pathlib import Path

from drlactors.store.catalogue import CATALOGUE, Catalogue
from drlactors.store.connections import Connections
from drlactors.store.migrations import migrate
from drlactors.store.recorder import CopyRecorder
from drlactors.store.row_log import RowLog


class PostgresEventLog(RowLog):
    """Makes or brings up the schema when it is opened; ``schema_dir`` is the folder ``eventstore/``.

    Raises LogUnreachable, or MigrationRefused for a database that does not belong to this program's migrations.
    """

    def __init__(self, dsn: str, *, schema_dir: Path, catalogue: Catalogue = CATALOGUE) -> None:
        with ExitStack() as undo:
            connections = Connections(dsn)
            undo.callback(connections.close)
            migrate(connections, schema_dir / "migrations")
            super().__init__(CopyRecorder(connections), catalogue)
            undo.pop_all()

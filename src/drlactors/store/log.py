"""The event log in PostgreSQL."""

from contextlib import ExitStack
from pathlib import Path

from drlactors.store.catalogue import CATALOGUE, Catalogue
from drlactors.store.connections import Connections
from drlactors.store.migrations import migrate
from drlactors.store.recorder import CopyRecorder
from drlactors.store.row_log import RowLog
from drlactors.store.tenure import Tenure


class PostgresEventLog(RowLog):
    """Makes or brings up the schema when it is opened; ``schema_dir`` is the folder ``eventstore/``.

    With the ``tenure`` of the plane that serves it, it can be used only while that lasts.
    Raises LogUnreachable, or MigrationRefused for a database that does not belong to this program's migrations.
    """

    def __init__(
        self, dsn: str, *, schema_dir: Path, catalogue: Catalogue = CATALOGUE, tenure: Tenure | None = None
    ) -> None:
        with ExitStack() as undo:
            connections = Connections(dsn, tenure.confirm) if tenure else Connections(dsn)
            undo.callback(connections.close)
            migrate(connections, schema_dir / "migrations")
            if tenure:
                tenure.count()
            super().__init__(CopyRecorder(connections), catalogue)
            undo.pop_all()

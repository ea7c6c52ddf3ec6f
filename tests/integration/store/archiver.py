"""A process that writes an archive until it is killed: prints the end of each part.

``python -m tests.integration.store.archiver DSN FOLDER PART_ENTRIES``
"""

import sys
from pathlib import Path

from drlactors.store.archive_writer import write
from drlactors.store.connections import Connections
from drlactors.store.experiences import PostgresDecisions
from drlactors.store.log import PostgresEventLog
from drlactors.store.recorder import CopyRecorder
from tests.contract.store.given import SCHEMA_DIR


def main(dsn: str, folder: Path, part_entries: int) -> None:
    log = PostgresEventLog(dsn, schema_dir=SCHEMA_DIR)
    write(
        folder,
        CopyRecorder(Connections(dsn)),
        PostgresDecisions(dsn, log),
        part_entries=part_entries,
        say=lambda part: print(part.through, flush=True),
    )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))

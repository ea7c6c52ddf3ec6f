"""A process that projects decisions until it is killed: prints each position that it has stored.

``python -m tests.integration.store.projector DSN BATCH_ENTRIES``
"""

import sys

from drlactors.store.experiences import PostgresDecisions
from drlactors.store.log import PostgresEventLog
from tests.contract.store.given import SCHEMA_DIR


def main(dsn: str, batch_entries: int) -> None:
    log = PostgresEventLog(dsn, schema_dir=SCHEMA_DIR)
    decisions = PostgresDecisions(dsn, log, batch_entries=batch_entries)
    decisions.catch_up(say=lambda position: print(position, flush=True))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

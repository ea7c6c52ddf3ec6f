"""A process that appends until it is killed: prints what was acknowledged, after it was.

``python -m tests.integration.store.writer DSN STREAM...``; each line: stream, version, position.
"""

import sys
from pathlib import Path
from uuid import UUID

from drlactors.ports.log import Append, Category, Stream
from drlactors.store.log import PostgresEventLog
from tests.contract.store.given import AT_US, SCHEMA_DIR, windows


def main(dsn: str, ids: list[str], schema_dir: Path = SCHEMA_DIR) -> None:
    log = PostgresEventLog(dsn, schema_dir=schema_dir)
    versions = {Stream(Category.SESSION, UUID(id_)): 0 for id_ in ids}
    while True:
        batch = [Append(stream, after, windows(2, after // 2), AT_US, "m") for stream, after in versions.items()]
        positions = log.append(batch, {"telemetry": sum(versions.values())})
        acknowledged = []
        for append, position in zip(batch, positions, strict=True):
            versions[append.stream] = append.after + len(append.events)
            acknowledged.append(f"{append.stream.id} {versions[append.stream]} {position}\n")
        sys.stdout.write("".join(acknowledged))
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])

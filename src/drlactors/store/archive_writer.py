"""Writing the archive: another part of the log at a time, each whole before the manifest names it."""

import fcntl
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pyarrow as pa
from eventsourcing.persistence import Notification

from drlactors.files import UNFINISHED, write_whole
from drlactors.ports.decisions import END
from drlactors.ports.log import LogError
from drlactors.store import parquet
from drlactors.store.archive import MANIFEST, File, Manifest, Part, read_manifest
from drlactors.store.errors import in_words_of_the_port
from drlactors.store.experiences import PostgresDecisions
from drlactors.store.rows import Rows

#: Entries of a part: about 50 MB in the log, 5 MB in the archive.
PART_ENTRIES = 50_000
#: Rows that are read from the log at a time.
READ_ROWS = 4_000
_CUT_OFF = rf"\.\d+{re.escape(UNFINISHED)}"
_OURS = re.compile(
    rf"(entries|facts|sessions|decisions-\d+)-\d+-\d+\.parquet({_CUT_OFF})?|{re.escape(MANIFEST)}{_CUT_OFF}"
)


class ArchiveBusy(LogError):
    """Another process is writing this archive."""


def write(
    folder: Path,
    rows: Rows,
    decisions: PostgresDecisions,
    through: int = END,
    *,
    part_entries: int = PART_ENTRIES,
    say: Callable[[Part], None] = lambda _: None,
) -> Manifest:
    """Go on behind what the archive has, up to and with position ``through`` or the log's end as it is now.

    Repeating it adds nothing. Killed anywhere, the archive is as it was after the last whole part, and the next call
    goes on there. ``say`` is told each part.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        manifest = read_manifest(folder)
        _sweep(folder, manifest)
        reached = manifest.parts[-1].through if manifest.parts else 0
        end = min(through, decisions.catch_up(through))
        while entries := _next(rows, reached, end, part_entries):
            part = _part(folder, entries, decisions, after=reached)
            manifest = msgspec.structs.replace(manifest, parts=(*manifest.parts, part))
            write_whole(folder / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1))
            reached = part.through
            say(part)
    return manifest


def _next(rows: Rows, after: int, through: int, count: int) -> list[Notification]:
    found: list[Notification] = []
    while len(found) < count:
        with in_words_of_the_port():
            page = rows.after(found[-1].id if found else after, min(READ_ROWS, count - len(found)))
        found += [row for row in page if row.id <= through]
        if not page or page[-1].id >= through:
            break
    return found


def _part(folder: Path, rows: list[Notification], decisions: PostgresDecisions, *, after: int) -> Part:
    through = rows[-1].id
    range_ = f"{after + 1:012d}-{through:012d}"
    made: dict[str, File] = {}
    for number, schema in enumerate(decisions.schemas()):
        recorded = decisions.recorded(schema, after=after, through=through)
        if len(recorded.decisions.position):
            table = parquet.of_decisions(recorded.decisions, recorded.policies)
            made[schema] = _file(folder / f"decisions-{number}-{range_}.parquet", table)
    rest = decisions.recorded("", after=after, through=through)
    return Part(
        after=after,
        through=through,
        entries=_file(folder / f"entries-{range_}.parquet", parquet.of_rows(rows), parquet.ENTRY_GROUP_ROWS),
        facts=_file(folder / f"facts-{range_}.parquet", parquet.of_columns(rest.facts)),
        sessions=_file(folder / f"sessions-{range_}.parquet", parquet.of_columns(rest.sessions)),
        decisions=made,
    )


def _file(path: Path, table: pa.Table, group_rows: int = parquet.COLUMN_GROUP_ROWS) -> File:
    content = parquet.written(table, group_rows)
    write_whole(path, content)
    return File(path.name, hashlib.sha256(content).hexdigest(), table.num_rows, len(content))


def _sweep(folder: Path, manifest: Manifest) -> None:
    """What an interrupted call left behind."""
    named = {file.name for part in manifest.parts for file in part.files}
    for path in folder.iterdir():
        if _OURS.fullmatch(path.name) and path.name not in named:
            path.unlink()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """The kernel lets go of the lock when its holder dies."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise ArchiveBusy(f"Another process is writing the archive in {folder}.") from error
    finally:
        os.close(descriptor)

"""`drlactors archive`: the beginning of the log in Parquet files, for learning and for keeping."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from drlactors.cli.listing import print_rows
from drlactors.cli.numbers import Position
from drlactors.cli.whereabouts import HERE, Whereabouts

if TYPE_CHECKING:
    from drlactors.store.archive import Archive, Part


def write(
    folder: Path | None = None,
    /,
    *,
    through: Position | None = None,
    before: datetime | None = None,
    where: Whereabouts = HERE,
) -> None:
    """Put the log up to a position into the archive: rows as they are, and decisions in columns for the learner.

    Goes on behind what the archive has; repeating it adds nothing, and interrupted it goes on where it stood. The log
    keeps everything: nothing is ever read twice, since whoever reads both begins in the log where the archive ends.

    Examples
    --------
    drlactors archive write
    drlactors archive write /srv/archive --before 2026-11-01

    Parameters
    ----------
    folder
        The archive's; without it, archive in the data directory.
    through
        The last log position that is archived; without it, the last one there is.
    before
        Instead of a position: what had been decided by this time (UTC unless it says otherwise).
    """
    from rich.console import Console
    from rich.progress import Progress

    from drlactors.wiring import past

    if through is not None and before is not None:
        raise SystemExit("--through and --before both say where to stop: give one of them")
    console = Console()
    with past(*where, folder) as (history, _):
        if before is not None:
            at = before if before.tzinfo else before.replace(tzinfo=UTC)
            through = history.position_at(int(at.timestamp() * 1_000_000))
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("writing the archive", total=through or history.log.head())
            made: list[Part] = []

            def say(part: "Part") -> None:
                made.append(part)
                progress.update(task, completed=part.through)

            manifest = history.write_archive(through, say)
    reached = manifest.parts[-1].through if manifest.parts else 0
    console.print(f"parts written: {len(made)}; the archive reaches position {reached}")


def show(
    folder: Path | None = None,
    /,
    *,
    as_json: bool = False,
    where: Whereabouts = HERE,
) -> None:
    """List the archive's parts: positions, entries, sessions, decisions, size.

    Examples
    --------
    drlactors archive show
    drlactors archive show /srv/archive --json

    Parameters
    ----------
    folder
        The archive's; without it, archive in the data directory.
    as_json
        One JSON object a line.
    """
    archive = _archive(folder, where)
    archive.check_there()
    columns = ("after", "through", "entries", "sessions", "decisions", "bytes")
    rows = [
        (
            part.after,
            part.through,
            part.entries.rows,
            part.sessions.rows,
            sum(file.rows for file in part.decisions.values()),
            sum(file.size_bytes for file in part.files),
        )
        for part in archive.manifest.parts
    ]
    print_rows(columns, rows, as_json=as_json, cells=lambda row: [f"{n:,}" for n in row], empty="The archive is empty.")


def verify(folder: Path | None = None, /, *, where: Whereabouts = HERE) -> int:
    """Read every file of the archive and compare it with its checksum; exit status 1 when something is wrong.

    Examples
    --------
    drlactors archive verify
    drlactors archive verify /srv/archive

    Parameters
    ----------
    folder
        The archive's; without it, archive in the data directory.
    """
    archive = _archive(folder, where)
    faults = archive.faults()
    for fault in faults:
        print(fault)
    files = sum(len(part.files) for part in archive.manifest.parts)
    print(f"faults: {len(faults)} in {files} files; the archive reaches position {archive.head()}")
    return 1 if faults else 0


def _archive(folder: Path | None, where: Whereabouts) -> "Archive":
    from drlactors.wiring import archive

    return archive(*where, folder)

"""The recorded past, for whoever learns from it or puts it away."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from drlactors.config.settings import Settings
from drlactors.ports.decisions import END, Recorded, joined, position_at
from drlactors.ports.log import LogError
from drlactors.store.connections import Connections
from drlactors.store.experiences import PostgresDecisions
from drlactors.store.log import PostgresEventLog
from drlactors.store.recorder import CopyRecorder
from drlactors.wiring.access import database, open_log, settings_of

if TYPE_CHECKING:  # PyArrow is installed for learning only, and takes 0.2 s to import
    from drlactors.store.archive import Archive, Manifest, Part

ARCHIVE = "archive"


class Past:
    """A log and its archive. For one thread; a position of None is the log's end."""

    def __init__(self, log: PostgresEventLog, decisions: PostgresDecisions, rows: CopyRecorder, folder: Path) -> None:
        self.log = log
        self._decisions = decisions
        self._rows = rows
        self._folder = folder

    def recorded(self, schema: str, *, through: int | None = None) -> Recorded:
        """All decisions under a feature schema up to a position: from the archive, and behind its end from the log.

        Raises ForeignArchive.
        """
        last = END if through is None else through
        self._decisions.catch_up(last)
        if not self._folder.exists():
            return self._decisions.recorded(schema, through=last)
        kept = self._kept()
        behind = self._decisions.recorded(schema, after=kept.head(), through=last)
        return joined([kept.recorded(schema, through=last), behind])

    def position_at(self, at_us: int) -> int:
        """The last position of what had been decided at a time, microseconds since 1970."""
        return position_at(self.log, at_us)

    def write_archive(self, through: int | None, say: Callable[["Part"], None]) -> "Manifest":
        """Put what is in the log, up to a position, into the archive too; see ``store.archive_writer.write``.

        Raises ForeignArchive.
        """
        from drlactors.store.archive_writer import write

        self._kept()
        return write(self._folder, self._rows, self._decisions, END if through is None else through, say=say)

    def _kept(self) -> "Archive":
        """The archive, if the log has what it ends with: a log that was begun anew or put back has other entries."""
        kept = _open(self._folder)
        head = kept.head()
        if head and kept.read(head - 1, 1) != self.log.read(head - 1, 1):
            raise ForeignArchive(f"{self._folder} is of another log: at position {head} this one has not what it has")
        return kept


class ForeignArchive(LogError):
    """What the archive has and what the log has are not of one past."""


def archive(files: Sequence[Path] = (), data_dir: Path | None = None, folder: Path | None = None) -> "Archive":
    """The archive in a folder, or the one in the data directory; needs no server."""
    return _open(_folder(settings_of(files, data_dir), folder))


@contextmanager
def past(
    files: Sequence[Path] = (), data_dir: Path | None = None, folder: Path | None = None
) -> Iterator[tuple[Past, Settings]]:
    """The past of the running system, or of servers started for as long as it takes."""
    settings = settings_of(files, data_dir)
    with ExitStack() as stack:
        dsn = database(settings, stack)
        log = stack.enter_context(closing(open_log(dsn)))
        decisions = stack.enter_context(closing(PostgresDecisions(dsn, log)))
        connections = stack.enter_context(closing(Connections(dsn)))
        yield Past(log, decisions, CopyRecorder(connections), _folder(settings, folder)), settings


def _open(folder: Path) -> "Archive":
    from drlactors.store.archive import Archive

    return Archive(folder)


def _folder(settings: Settings, given: Path | None) -> Path:
    return given or Path(settings.server.data_dir) / ARCHIVE

"""The archive: the beginning of a log in Parquet files, which reads like the log, and in columns for the learner.

It is cut by position. An archive that reaches position P holds all entries up to P and none behind it, so that whoever
reads the archive, and the log behind ``head()``, has everything once: also a session of which one half is in either.
Files are made once and never changed; the manifest names those that belong to it, with their checksums.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from drlactors.domain.session import ActionSelected
from drlactors.ports.decisions import END, Recorded, joined, within
from drlactors.ports.log import Entry, LogError, Stream
from drlactors.store import parquet, records
from drlactors.store.catalogue import CATALOGUE, Catalogue
from drlactors.store.errors import ForeignStream
from drlactors.store.mapper import Mapper

MANIFEST = "manifest.json"
#: Goes up when files are laid out otherwise.
FORMAT = 1


class ArchiveDamaged(LogError):
    """A file or a part of the archive is missing, or is not the one that its manifest names."""


class NoArchive(LogError):
    """A folder was taken for an archive that holds none."""


class File(msgspec.Struct, frozen=True):
    name: str
    sha256: str
    rows: int
    size_bytes: int


class Part(msgspec.Struct, frozen=True):
    """All that stands behind position ``after``, up to and with ``through``."""

    after: int
    through: int
    entries: File
    facts: File
    sessions: File
    decisions: dict[str, File]  # by feature schema

    @property
    def files(self) -> tuple[File, ...]:
        return self.entries, self.facts, self.sessions, *self.decisions.values()


class Manifest(msgspec.Struct, frozen=True):
    format: int = FORMAT
    records: int = records.REVISION  # what decisions, facts and sessions were made by
    parts: tuple[Part, ...] = ()


class Archive:
    """Opens the archive in a folder, which may be empty, as its manifest stands now. For one thread.

    Every file is checked against its checksum before anything in it is used, and nothing is read of an archive between
    whose parts something is missing. Raises ArchiveDamaged.
    """

    def __init__(self, folder: Path, catalogue: Catalogue = CATALOGUE) -> None:
        self.folder = folder
        self.manifest = read_manifest(folder)
        self._mapper = Mapper(catalogue)
        self._opened: tuple[File, pq.ParquetFile] | None = None  # reading on goes on in the same file

    # As the log

    def head(self) -> int:
        """The last position that the archive covers, 0 of an empty one."""
        return self.manifest.parts[-1].through if self.manifest.parts else 0

    def read(self, after: int, limit: int) -> list[Entry]:
        """As ``ports.EventLog.read``: the next entries of all streams."""
        found: list[Entry] = []
        for part in self._parts():
            if part.through <= after:
                continue
            for group, positions in self._column(part, "position"):
                chosen = np.flatnonzero(positions > after)[: limit - len(found)]
                if len(chosen):
                    found += self._entries(part, group, chosen)
                if len(found) == limit:
                    return found
        return found

    def stream(self, stream: Stream, after: int = 0) -> Iterator[Entry]:
        """As ``ports.EventLog.stream``: the entries of one stream that begin after this version, in order."""
        wanted = np.frombuffer(stream.id.bytes, "V16")[0]
        for part in self._parts():
            for group, ids in self._column(part, "stream"):
                for entry in self._entries(part, group, np.flatnonzero(ids == wanted)):
                    if entry.stream != stream:
                        raise ForeignStream(f"{stream} was asked for, but this id belongs to {entry.stream}.")
                    if entry.first_version > after:
                        yield entry

    # For the learner

    def recorded(self, schema: str, *, after: int = 0, through: int = END) -> Recorded:
        """As ``ports.DecisionSource`` has it; decisions of one session stand together within a part."""
        parts = [part for part in self._parts() if part.through > after and part.after < through]
        return within(joined([self._recorded(part, schema) for part in parts] or [nothing(schema)]), after, through)

    def faults(self) -> list[str]:
        """What is wrong with it, file by file; reads everything, and compares with it what the manifest says."""
        try:
            self.check_there()
        except NoArchive as error:
            return [str(error)]
        found: list[str] = []
        reached = 0
        for part in self.manifest.parts:
            found += _seam(reached, part)
            reached = part.through
            wrong = [fault for file in part.files for fault in self._faults_of(file, part)]
            found += wrong or self._miscounted(part)
        return found

    def check_there(self) -> None:
        """Raises NoArchive for a folder without a manifest: one that nothing was archived into yet, or another one."""
        if not (self.folder / MANIFEST).exists():
            raise NoArchive(f"{self.folder} holds no archive: {MANIFEST} is missing")

    def _parts(self) -> tuple[Part, ...]:
        """Those that the manifest names, if they follow one another."""
        reached = 0
        for part in self.manifest.parts:
            for fault in _seam(reached, part):
                raise ArchiveDamaged(f"{self.folder}: {fault}")
            reached = part.through
        return self.manifest.parts

    def _faults_of(self, file: File, part: Part) -> Iterator[str]:
        try:
            opened = self._open(file)
        except ArchiveDamaged as error:
            yield str(error)
            return
        rows, size = opened.metadata.num_rows, (self.folder / file.name).stat().st_size
        if (rows, size) != (file.rows, file.size_bytes):
            yield f"{file.name} has {rows} rows in {size} bytes, not {file.rows} in {file.size_bytes}"
        name = "number" if file is part.sessions else "position"
        if name not in opened.schema_arrow.names:
            yield f"{file.name} has no {name}: it is a file of another kind"
            return
        at = opened.read(columns=[name])[name].to_numpy()
        inside = not len(at) or part.after < at.min() <= at.max() <= part.through
        if not inside or (file is part.entries and at.max(initial=0) != part.through):
            yield f"{file.name} does not hold positions {part.after + 1} to {part.through}"

    def _miscounted(self, part: Part) -> list[str]:
        """Decisions that the entries have and the columns do not, or the other way round."""
        decided: Counter[str] = Counter()
        try:
            for group, positions in self._column(part, "position"):
                for entry in self._entries(part, group, np.arange(len(positions))):
                    decided.update(event.schema for event in entry.events if isinstance(event, ActionSelected))
        except LogError as error:
            return [f"{part.entries.name}: {error}"]
        told = {schema: file.rows for schema, file in part.decisions.items()}
        return [
            f"{part.entries.name} has {decided[schema]} decisions of {schema}, the manifest {told.get(schema, 0)}"
            for schema in sorted(decided.keys() | told.keys())
            if decided[schema] != told.get(schema, 0)
        ]

    def _recorded(self, part: Part, schema: str) -> Recorded:
        recorded = nothing(schema)._replace(
            facts=parquet.to_facts(self._open(part.facts).read()),
            sessions=parquet.to_sessions(self._open(part.sessions).read()),
        )
        if schema not in part.decisions:
            return recorded
        decisions, policies = parquet.to_decisions(self._open(part.decisions[schema]).read())
        return recorded._replace(decisions=decisions, policies=policies)

    def _column(self, part: Part, name: str) -> Iterator[tuple[int, Any]]:
        """One column of the part's entries, group by group."""
        file = self._open(part.entries)
        for group in range(file.num_row_groups):
            yield group, parquet.plain(file.read_row_group(group, columns=[name])[name])

    def _entries(self, part: Part, group: int, chosen: Any) -> list[Entry]:
        if not len(chosen):
            return []
        table: pa.Table = self._open(part.entries).read_row_group(group).take(chosen)
        return [self._mapper.entry(row) for row in parquet.to_rows(table)]

    def _open(self, file: File) -> pq.ParquetFile:
        opened = self._opened
        if opened is None or opened[0] != file:
            content = checked(self.folder, file)
            try:
                opened = self._opened = file, pq.ParquetFile(pa.BufferReader(content))
            except pa.ArrowInvalid as error:
                raise ArchiveDamaged(f"{file.name} is no Parquet file.") from error
        return opened[1]


def _seam(reached: int, part: Part) -> list[str]:
    """What is wrong where a part begins; ``reached``: the end of the one before."""
    if part.after > reached:
        return [f"positions {reached + 1} to {part.after} are missing"]
    if part.after < reached:
        return [f"positions {part.after + 1} to {reached} are there twice"]
    return []


def nothing(schema: str) -> Recorded:
    return Recorded(schema, (), records.decisions((), 0, 0), records.facts((), 0), records.sessions((), 0))


def read_manifest(folder: Path) -> Manifest:
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError:
        return Manifest()
    except (OSError, msgspec.DecodeError) as error:
        raise ArchiveDamaged(f"{folder / MANIFEST} cannot be read: {error}") from error
    if manifest.format != FORMAT:
        raise ArchiveDamaged(f"{folder} is an archive of format {manifest.format}; this program knows {FORMAT}.")
    if manifest.records != records.REVISION:
        raise ArchiveDamaged(
            f"{folder} has decisions of revision {manifest.records}, this program makes {records.REVISION}: "
            "write the archive anew into another folder."
        )
    return manifest


def checked(folder: Path, file: File) -> bytes:
    try:
        content = (folder / file.name).read_bytes()
    except OSError as error:
        raise ArchiveDamaged(f"{file.name} cannot be read: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise ArchiveDamaged(f"{file.name} is not the file that the manifest names: its checksum is another.")
    return content

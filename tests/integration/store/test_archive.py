"""The archive reads like the log, is whole or says that it is not, and with the log behind it has everything once."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from msgspec.structs import replace

from drlactors.learner.projection import experiences
from drlactors.ports.decisions import END, Recorded, joined
from drlactors.ports.log import Category, Entry, EventLog, Stream
from drlactors.store.archive import MANIFEST, Archive, ArchiveDamaged, Part
from drlactors.store.archive_writer import ArchiveBusy, write
from drlactors.store.connections import Connections
from drlactors.store.errors import ForeignStream
from drlactors.store.experiences import PostgresDecisions
from drlactors.store.log import PostgresEventLog
from drlactors.store.recorder import CopyRecorder
from drlactors.testing import histories
from drlactors.testing.histories import SCHEMA, any_turns, episode_of, session_of
from tests.contract.store.given import SCHEMA_DIR
from tests.properties.learner.test_projection import GAMMA, WEIGHTS, same

TURNS = any_turns(sessions=30, count=1_500, seed=11)
PART = 100


class Source(NamedTuple):
    dsn: str
    log: PostgresEventLog
    rows: CopyRecorder
    decisions: PostgresDecisions


@pytest.fixture(scope="module")
def source(module_database: str) -> Iterator[Source]:
    """A log that no test changes."""
    with ExitStack() as stack:
        log = stack.enter_context(closing(PostgresEventLog(module_database, schema_dir=SCHEMA_DIR)))
        histories.write(log, TURNS)
        connections = stack.enter_context(closing(Connections(module_database)))
        decisions = stack.enter_context(closing(PostgresDecisions(module_database, log)))
        yield Source(module_database, log, CopyRecorder(connections), decisions)


@pytest.fixture(scope="module")
def written(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archived(source, tmp_path_factory.mktemp("archive")).folder


@pytest.fixture
def archive(written: Path, tmp_path: Path) -> Archive:
    """All of the log, in a folder of the test's own."""
    return Archive(shutil.copytree(written, tmp_path / "archive"))


def archived(source: Source, folder: Path, through: int = END) -> Archive:
    write(folder, source.rows, source.decisions, through, part_entries=PART)
    return Archive(folder)


def everything(log: EventLog | Archive, page: int = 77) -> list[Entry]:
    entries: list[Entry] = []
    while more := log.read(entries[-1].position if entries else 0, page):
        entries += more
    return entries


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def assert_learns_the_same(found: Recorded, source: Source) -> None:
    wanted = source.decisions.recorded(SCHEMA)
    learned = [experiences(each, weights=WEIGHTS, gamma=GAMMA) for each in (found, wanted)]
    assert len(learned[0].a_tm1) > 100
    assert same(*learned)


def test_all_entries_come_back_in_order(archive: Archive, source: Source) -> None:
    assert archive.head() == source.log.head()
    assert len(archive.manifest.parts) > 10
    assert everything(archive) == everything(source.log)
    assert archive.read(archive.head(), 10) == []
    assert archive.faults() == []


def test_a_stream_comes_back_from_any_version(archive: Archive, source: Source) -> None:
    streams = [Stream(Category.SESSION, session_of(3)), Stream(Category.EPISODE, episode_of(3))]
    for stream in streams:
        for after in (0, 4):
            wanted = list(source.log.stream(stream, after))
            assert wanted or after
            assert list(archive.stream(stream, after)) == wanted
    assert list(archive.stream(Stream(Category.SESSION, session_of(999)))) == []
    with pytest.raises(ForeignStream):
        list(archive.stream(Stream(Category.EPISODE, session_of(3))))


def test_experiences_are_those_of_the_log(archive: Archive, source: Source) -> None:
    assert_learns_the_same(archive.recorded(SCHEMA), source)
    assert len(archive.recorded("schema-c").decisions.seq) == 0


@pytest.mark.parametrize("through", [0, 1, 250, 777])
def test_a_session_half_in_the_archive_and_half_in_the_log_is_whole(
    source: Source, tmp_path: Path, through: int
) -> None:
    archive = archived(source, tmp_path, through)
    assert archive.head() == through
    behind = source.decisions.recorded(SCHEMA, after=archive.head())
    both = joined([archive.recorded(SCHEMA), behind])
    assert set(archive.recorded(SCHEMA).decisions.session) & set(behind.decisions.session) or through < 250
    assert_learns_the_same(both, source)


@pytest.mark.parametrize("through", [5, 333, 1_000])
def test_a_past_position_is_what_the_log_says_of_it(archive: Archive, source: Source, through: int) -> None:
    past = [each.recorded(SCHEMA, through=through) for each in (archive, source.decisions)]
    assert same(*(experiences(each, weights=WEIGHTS, gamma=GAMMA) for each in past))


def test_writing_again_changes_nothing(archive: Archive, source: Source) -> None:
    before = contents(archive.folder)
    archived(source, archive.folder)
    assert contents(archive.folder) == before


def test_writing_goes_on_where_it_ended(source: Source, tmp_path: Path) -> None:
    for through in (0, 30, 30, 31, 500, 20):
        archived(source, tmp_path, through)
    archive = archived(source, tmp_path)
    assert everything(archive) == everything(source.log)
    assert_learns_the_same(archive.recorded(SCHEMA), source)
    assert archive.faults() == []


def test_kill_9_in_the_middle_leaves_whole_parts_and_is_gone_on_with(source: Source, tmp_path: Path) -> None:
    for part in range(1, 4):
        command = [sys.executable, "-m", "tests.integration.store.archiver", source.dsn, str(tmp_path), str(PART)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as archiver:
            assert archiver.stdout is not None
            for _ in range(part):
                archiver.stdout.readline()
            archiver.kill()
        archive = Archive(tmp_path)
        assert archive.faults() == []
        assert everything(archive) == source.log.read(0, 100_000)[: len(everything(archive))]
    for name in ("entries-000000000009-000000000010.parquet", "facts-000000000001-000000000002.parquet.7.new"):
        (tmp_path / name).write_bytes(b"left behind")
    (tmp_path / f"{MANIFEST}.7.new").write_bytes(b"left behind")
    archive = archived(source, tmp_path)
    assert everything(archive) == everything(source.log)
    named = {file.name for part in archive.manifest.parts for file in part.files}
    assert {path.name for path in tmp_path.iterdir()} == named | {MANIFEST}


def test_only_one_writes_at_a_time(source: Source, tmp_path: Path) -> None:
    def write_too(_: object) -> None:
        with pytest.raises(ArchiveBusy):
            write(tmp_path, source.rows, source.decisions)

    write(tmp_path, source.rows, source.decisions, through=50, part_entries=50, say=write_too)


@pytest.mark.parametrize("which", ["entries", "facts", "sessions", "decisions"])
@pytest.mark.parametrize("change", ["removed", "another bit", "of another part"])
def test_a_damaged_file_is_named_and_not_used(archive: Archive, which: str, change: str) -> None:
    files = [next(file for file in part.files if file.name.startswith(which)) for part in archive.manifest.parts[:2]]
    paths = [archive.folder / file.name for file in files]
    content = paths[0].read_bytes()
    if change == "removed":
        paths[0].unlink()
    elif change == "another bit":
        paths[0].write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    else:
        paths[0].write_bytes(paths[1].read_bytes())
    damaged = Archive(archive.folder)
    with pytest.raises(ArchiveDamaged, match=paths[0].name):
        damaged.read(0, 1) if which == "entries" else damaged.recorded(SCHEMA)
    [fault] = damaged.faults()
    assert paths[0].name in fault


def test_a_missing_part_is_named(archive: Archive) -> None:
    text = (archive.folder / MANIFEST).read_text()
    second, third = archive.manifest.parts[1:3]
    (archive.folder / MANIFEST).write_text(
        text.replace(f'"after": {second.through},', f'"after": {second.through + 9},')
    )
    faults = Archive(archive.folder).faults()
    assert faults[0] == f"positions {third.after + 1} to {third.after + 9} are missing"
    assert third.entries.name in faults[1]


def test_nothing_is_read_of_an_archive_with_a_gap(archive: Archive) -> None:
    first, second, *rest = archive.manifest.parts
    edited = replace(archive.manifest, parts=(first, *rest))
    (archive.folder / MANIFEST).write_bytes(msgspec.json.encode(edited))
    gap = Archive(archive.folder)
    for reads in (
        lambda: gap.read(0, 1),
        lambda: next(gap.stream(Stream(Category.SESSION, session_of(3)))),
        lambda: gap.recorded(SCHEMA, through=first.through),
    ):
        with pytest.raises(ArchiveDamaged, match=f"{second.after + 1} to {second.through} are missing"):
            reads()


EDITS: dict[str, Callable[[Part], Part]] = {
    "a later end": lambda part: replace(part, through=part.through + 1),
    "an earlier end": lambda part: replace(part, through=part.through - 1),
    "no decisions": lambda part: replace(part, decisions={}),
    "decisions of another schema": lambda part: replace(part, decisions={"other": part.decisions[SCHEMA]}),
    "another size": lambda part: replace(part, facts=replace(part.facts, size_bytes=1)),
    "another number of rows": lambda part: replace(part, facts=replace(part.facts, rows=99)),
    "a file of another kind": lambda part: replace(part, sessions=part.facts),
    "decisions as facts": lambda part: replace(part, decisions={SCHEMA: part.facts}),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_a_manifest_that_says_other_than_its_files_is_not_believed(
    archive: Archive, edit: Callable[[Part], Part]
) -> None:
    *parts, last = archive.manifest.parts
    edited = replace(archive.manifest, parts=(*parts, edit(last)))
    (archive.folder / MANIFEST).write_bytes(msgspec.json.encode(edited))
    assert archive.faults() == []
    assert Archive(archive.folder).faults()


def test_a_part_that_is_named_twice_is_a_fault(archive: Archive) -> None:
    first, *rest = archive.manifest.parts
    edited = replace(archive.manifest, parts=(first, first, *rest))
    (archive.folder / MANIFEST).write_bytes(msgspec.json.encode(edited))
    assert Archive(archive.folder).faults() == [f"positions 1 to {first.through} are there twice"]


def test_where_no_manifest_is_there_is_no_sound_archive(archive: Archive, tmp_path: Path) -> None:
    (archive.folder / MANIFEST).unlink()
    for folder in (archive.folder, tmp_path / "elsewhere"):
        assert Archive(folder).faults() == [f"{folder} holds no archive: {MANIFEST} is missing"]


@pytest.mark.parametrize("manifest", ["", "{", '{"parts": 7}', '{"format": 99}', '{"records": 99}'])
def test_a_manifest_that_cannot_be_used_is_named(tmp_path: Path, manifest: str) -> None:
    (tmp_path / MANIFEST).write_text(manifest)
    with pytest.raises(ArchiveDamaged, match=tmp_path.name):
        Archive(tmp_path)

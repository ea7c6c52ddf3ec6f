"""The module inside CAPE: a note of each run, locked while it lasts, and nothing that CAPE would have to bear."""

import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

from drlactors.domain.ids import EpisodeId
from drlactors.domain.session import Artifact
from drlactors.sandboxes.cape.note import EPISODE_TAG, Note, waiting
from drlactors.sandboxes.errors import BadNote
from tests.unit.sandboxes.cape.fake import MODULE, SHA256, FakeCape


@pytest.fixture
def cape(tmp_path: Path) -> FakeCape:
    return FakeCape(tmp_path)


def only_note(cape: FakeCape) -> Note:
    (path,) = waiting(cape.spool)
    return Note.read(path)


def test_a_note_says_what_runs(cape: FakeCape) -> None:
    task = cape.start(7, route="tor")
    note = only_note(cape)
    assert (note.task, note.storage, note.machine, note.route) == (7, task.folder, "win10", "tor")
    assert (note.artifact, note.name, note.package, note.timeout_s) == (
        Artifact(SHA256, "exe"),
        "invoice.exe",
        "exe",
        200,
    )
    assert (note.episode, note.ended, note.abandoned) == (None, False, False)


def test_a_url_has_a_digest_as_well(cape: FakeCape) -> None:
    cape.start(7, category="url")
    artifact = only_note(cape).artifact
    assert (artifact.kind, len(artifact.sha256)) == ("url", 64)


def test_a_rerun_of_ours_names_the_episode_that_it_goes_on_with(cape: FakeCape) -> None:
    episode = "0f0e6f0e-0000-4000-8000-00000000000a"
    cape.start(7, tags=f"drlactors, {EPISODE_TAG}{episode}")
    found = only_note(cape).episode
    assert found is not None
    assert str(EpisodeId(found)) == episode


def test_a_run_that_ends_is_told_from_a_cape_that_died(cape: FakeCape) -> None:
    ending, dying = cape.start(7), cape.start(8)
    notes = {note.task: note for note in map(Note.read, waiting(cape.spool))}
    ending.end()
    dying.die()
    assert (notes[7].ended, notes[7].abandoned) == (True, False)
    assert (notes[8].ended, notes[8].abandoned) == (False, True)


def test_a_task_that_cape_runs_again_has_another_note(cape: FakeCape) -> None:
    cape.start(7).end()
    first = only_note(cape)
    shutil.rmtree(first.storage)  # as CAPE does when a machine was dead
    cape.start(7)
    assert len({Note.read(path).session for path in waiting(cape.spool)}) == 2


def test_nobody_else_can_read_the_notes(cape: FakeCape) -> None:
    cape.start(7)
    assert stat.S_IMODE(cape.spool.stat().st_mode) == 0o700
    assert stat.S_IMODE(only_note(cape).path.stat().st_mode) == 0o600


def test_where_no_note_can_be_written_cape_is_told_and_stopping_is_no_error(cape: FakeCape) -> None:
    cape.spool.write_text("a file where the folder should be")
    module: Any = cape._module()
    module.set_options({"enabled": True})
    with pytest.raises(OSError, match="exists"):
        module.start()
    module.stop()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"session": "x", "sha256": "y"}', "nonsense"])
def test_what_is_no_note_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.task"
    path.write_text(text)
    with pytest.raises(BadNote):
        Note.read(path)


def test_the_module_needs_nothing_but_python_and_cape() -> None:
    imported = [line.split()[1] for line in MODULE.read_text().splitlines() if line.startswith(("import ", "from "))]
    assert not [name for name in imported if name.partition(".")[0] in ("drlactors", "grpc", "google", "nats")]

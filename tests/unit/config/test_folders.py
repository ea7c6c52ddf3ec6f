"""Watching folders: a call when the watch stands, one for each change, and none for the passing of time."""

from pathlib import Path

from drlactors.config import folders
from drlactors.config.folders import FolderWatch
from tests.unit.config.test_watch import until


def test_only_changes_call_after_the_first_time(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "FIRST_MS", 1)  # a turn for each pause: between two changes there are empty ones
    calls: list[set[Path]] = []
    with FolderWatch([tmp_path], calls.append, "test-watcher"):
        until(lambda: calls)
        for name in ("one", "two", "three"):
            seen = len(calls)
            (tmp_path / name).touch()
            until(lambda: len(calls) > seen)  # noqa: B023  # asked within the turn
    assert calls == [set(), *({tmp_path / name} for name in ("one", "two", "three"))]


def test_folders_in_the_folder_are_not_watched(tmp_path):
    (tmp_path / "within").mkdir()
    calls: list[set[Path]] = []
    with FolderWatch([tmp_path], calls.append, "test-watcher"):
        until(lambda: calls)
        (tmp_path / "within" / "unseen").touch()
        (tmp_path / "seen").touch()
        until(lambda: len(calls) > 1)
    assert set.union(*calls) == {tmp_path / "seen"}


def test_it_ends_with_its_context(tmp_path):
    calls: list[set[Path]] = []
    with FolderWatch([tmp_path], calls.append, "test-watcher") as watch:
        until(lambda: calls)
    assert not watch._thread.is_alive()

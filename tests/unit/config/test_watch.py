"""Hot reload: renames, swapped folders, live keys only, and a wrong file that changes nothing."""

import time
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from drlactors.config import ConfigError, Reload, Watcher, load

WAIT_S = 10.0


def replace(path: Path, text: str) -> None:
    """As editors and deployments do it."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)


def until(condition: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


@contextmanager
def watching(path: Path):
    read = partial(load, files=[path], environ={})
    reloads: list[Reload] = []
    refusals: list[ConfigError] = []
    with Watcher(read(), read, reloads.append, refusals.append) as watcher:
        yield watcher, reloads, refusals


def test_a_renamed_file_is_in_force(tmp_path):
    path = tmp_path / "site.toml"
    path.write_text("[rules]\nreviews = 1\n")
    with watching(path) as (watcher, reloads, refusals):
        replace(path, "[rules]\nreviews = 4\n")
        until(lambda: reloads)
        assert reloads[0].changed == ("rules.reviews",)
        assert reloads[0].restart == ()
        assert reloads[0].new.rules.reviews == 4
        assert watcher.settings is reloads[0].new
        assert refusals == []


def test_a_folder_swapped_by_its_link_is_in_force(tmp_path):
    for name, reviews in (("..one", 1), ("..two", 4)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "site.toml").write_text(f"[rules]\nreviews = {reviews}\n")
    (tmp_path / "..data").symlink_to("..one")
    (tmp_path / "site.toml").symlink_to("..data/site.toml")
    with watching(tmp_path / "site.toml") as (watcher, reloads, _):
        (tmp_path / "..data_tmp").symlink_to("..two")
        (tmp_path / "..data_tmp").replace(tmp_path / "..data")
        until(lambda: reloads)
        assert watcher.settings.rules.reviews == 4


def test_what_needs_a_restart_is_told_and_not_taken(tmp_path):
    path = tmp_path / "site.toml"
    path.write_text("")
    with watching(path) as (watcher, reloads, _):
        replace(path, "[rules]\nreviews = 4\n[metrics]\nport = 1\n")
        until(lambda: reloads)
        assert reloads[0].restart == ("metrics.port",)
        assert watcher.settings.metrics.port == 9464
        assert watcher.settings.rules.reviews == 4


def test_a_wrong_file_changes_nothing_and_the_next_right_one_is_taken(tmp_path):
    path = tmp_path / "site.toml"
    path.write_text("")
    with watching(path) as (watcher, reloads, refusals):
        before = watcher.settings
        replace(path, "[rules]\nreviews = -1\n")
        until(lambda: refusals)
        assert "rules.reviews: -1 given" in str(refusals[0])
        assert watcher.settings is before
        assert reloads == []
        replace(path, "[rules]\nreviews = 4\n")
        until(lambda: reloads)
        assert len(refusals) == 1


def test_the_same_settings_written_anew_are_no_reload(tmp_path):
    path = tmp_path / "site.toml"
    path.write_text("[rules]\nreviews = 4\n")
    with watching(path) as (watcher, reloads, refusals):
        replace(path, "# the same\n[rules]\nreviews = 4\n")
        watcher.reload()
        assert (reloads, refusals) == ([], [])

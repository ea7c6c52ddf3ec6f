"""A sandbox's command is told one system to reach, or finds the one on this machine."""

from pathlib import Path

import pytest

from drlactors.cli.link import Link


def test_two_ways_to_drlactors_are_one_too_many() -> None:
    with pytest.raises(SystemExit, match="give one of them"):
        Link(gateway="127.0.0.1:1", nats="nats://127.0.0.1:1").open()


def test_without_a_way_the_system_on_the_data_directory_is_meant(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=f"no system runs on {tmp_path}"):
        Link(data_dir=tmp_path).open()


def test_a_token_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no-token"):
        Link(gateway="127.0.0.1:1", token_file=tmp_path / "no-token").open()

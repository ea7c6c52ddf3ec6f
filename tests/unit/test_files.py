"""A file is there whole or not at all, and who could not write it says which."""

import errno
import os
from pathlib import Path

import pytest

from drlactors.files import write_whole


def test_what_was_there_stays_when_the_disk_is_full_and_the_error_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "model.onnx"
    write_whole(file, b"before")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as failed:
        write_whole(file, b"after")
    assert failed.value.filename == str(file)
    assert [(each, each.read_bytes()) for each in tmp_path.iterdir()] == [(file, b"before")]


def test_what_is_written_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    for content in (b"before", b"after"):
        write_whole(tmp_path / "file", content)
        assert [each.read_bytes() for each in tmp_path.iterdir()] == [content]

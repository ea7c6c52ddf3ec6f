"""What commands write is whole, and takes the place of nothing that is no file."""

import os
from pathlib import Path

import pytest

from drlactors.cli.files import whole


def test_what_was_there_stays_until_all_is_written(tmp_path: Path) -> None:
    file = tmp_path / "out"
    file.write_text("before")

    def torn() -> None:
        with whole(file, encoding="utf-8", newline="") as written:
            written.write("after")
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        torn()
    assert [(each, each.read_text()) for each in tmp_path.iterdir()] == [(file, "before")]
    with whole(file, encoding="utf-8", newline="") as written:
        written.write("after")
    assert [(each, each.read_text()) for each in tmp_path.iterdir()] == [(file, "after")]


def test_a_pipe_or_a_device_is_written_to_and_stays_what_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with whole(pipe, encoding="utf-8", newline="") as written:
            written.write("said")
        assert os.read(reading, 100) == b"said"
    finally:
        os.close(reading)
    assert pipe.is_fifo()


def test_a_link_goes_on_leading_to_the_file(tmp_path: Path) -> None:
    link, file = tmp_path / "link", tmp_path / "file"
    link.symlink_to(file)
    for said in ("first", "second"):
        with whole(link, encoding="utf-8", newline="") as written:
            written.write(said)
        assert (link.is_symlink(), file.read_text()) == (True, said)

"""Files that commands write: those of the name that was given are whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import TextIO


def writable(folder: Path) -> None:
    """Make a folder that is written to when all is done. Raises OSError: now, not after minutes of work."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=folder):
        pass


@contextmanager
def whole(file: Path, *, encoding: str, newline: str) -> Iterator[TextIO]:
    """To be written. It takes the place of what was there when all of it is written, and leaves that alone before.

    What is there and no regular file, like a pipe or /dev/stdout, is written to as it is.
    """
    if file.exists() and not file.is_file():
        with file.open("w", encoding=encoding, newline=newline) as written:
            yield written
        return
    file = file.resolve()  # a link goes on leading there
    part = file.with_name(f"{file.name}.part")
    try:
        with part.open("w", encoding=encoding, newline=newline) as written:
            yield written
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)

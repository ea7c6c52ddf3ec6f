"""Files that are there whole or not at all."""

import os
from pathlib import Path

#: Behind the name of a file that is being written, and the number of the process that does.
UNFINISHED = ".new"


def write_whole(file: Path, content: bytes) -> None:
    """``content`` is on the disk under that name when this returns; killed before, what was there stays.

    Raises OSError, which names the file; then nothing of it keeps a full disk full. Two processes that write one file
    do not mix: the last one's stays.
    """
    beside = file.with_name(f"{file.name}.{os.getpid()}{UNFINISHED}")
    try:
        with beside.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(file)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(file)) from error  # a full disk does not say where
    # The name is in the folder, and the folder is a file of its own.
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

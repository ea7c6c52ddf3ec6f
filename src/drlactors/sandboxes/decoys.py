"""What a program did to the files that it was given: how many are no longer what they were."""

import hashlib
from pathlib import Path


class Decoys:
    """The regular files below a folder, as they are now."""

    def __init__(self, folder: Path) -> None:
        self._digests = {path: _digest(path) for path in folder.rglob("*") if path.is_file() and not path.is_symlink()}

    def __len__(self) -> int:
        return len(self._digests)

    def lost(self) -> int:
        """Changed, renamed or removed since."""
        return sum(_digest(path) != digest for path, digest in self._digests.items())


def _digest(path: Path) -> bytes:
    """Empty where it cannot be read any more."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return b""

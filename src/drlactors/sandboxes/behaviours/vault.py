"""Encrypts documents because their owner wants it: a vault that can be opened again."""

import hashlib
import zlib

from .kit import Task, begin


def run(task: Task) -> None:
    """A document a round goes into the vault; the plain one is removed or kept; some are taken out again."""
    key = hashlib.pbkdf2_hmac("sha256", b"made up", b"salt", 20_000)
    vault = task.home / "vault"
    for number, path in zip(task.rounds(), task.files(), strict=False):
        content = zlib.compress(path.read_bytes())
        stream = hashlib.shake_256(key + str(number).encode()).digest(len(content))
        sealed = (int.from_bytes(content, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(content), "big")
        target = path.with_name(path.name + ".sealed") if task.options.get("beside") else vault / f"{number:04}.sealed"
        task.write(target, sealed)
        if task.options.get("remove", True):
            path.unlink()
        if task.options.get("check") and number % 5 == 4:
            target.read_bytes()


if __name__ == "__main__":
    run(begin())

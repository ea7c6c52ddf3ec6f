"""Which actions a sandbox has carried out, on disk: none is carried out twice, even if it is killed in between."""

import json
import os
from pathlib import Path
from typing import NamedTuple, Protocol


class Carried(Protocol):
    """What became of an action."""

    @property
    def success(self) -> bool: ...
    @property
    def outcome(self) -> str: ...
    @property
    def message(self) -> str: ...


class Done(NamedTuple):
    """A plain answer."""

    success: bool = True
    outcome: str = "done"
    message: str = ""


#: What is answered for an action that was begun by a program that did not live to see its end.
INTERRUPTED = Done(False, "interrupted", "the sandbox ended while it carried this out; nobody knows how far it came")


class Journal:
    """One line of JSON when an action begins and one when it is done, each on disk before it goes on.

    Without a path it remembers for as long as the program runs.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._done: dict[str, Carried | None] = {}  # by action id; None while it is carried out
        self._file: int | None = None
        if path is not None:
            self._read(path)
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def begun(self, action_id: str) -> bool:
        return action_id in self._done

    def result(self, action_id: str) -> Carried | None:
        """None while it is carried out."""
        return self._done[action_id]

    def begin(self, action_id: str) -> None:
        self._write({"begun": action_id})
        self._done[action_id] = None

    def end(self, action_id: str, carried: Carried) -> None:
        self._write({"done": action_id, "answer": [carried.success, carried.outcome, carried.message]})
        self._done[action_id] = carried

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write(self, entry: dict[str, object]) -> None:
        if self._file is not None:
            os.write(self._file, json.dumps(entry).encode() + b"\n")
            os.fsync(self._file)

    def _read(self, path: Path) -> None:
        try:
            lines = path.read_bytes().splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # cut off by the end of a program: what it would have begun was not begun
            if "begun" in entry:
                self._done[entry["begun"]] = INTERRUPTED
            else:
                self._done[entry["done"]] = Done(*entry["answer"])

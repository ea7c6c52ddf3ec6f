"""Changes that the pattern store does not have yet, on local disk, in the order of the log."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import msgspec

from drlactors.domain.pattern import REVISION
from drlactors.ports.patterns import Change

_ANEW = f"""
BEGIN;
DROP TABLE IF EXISTS changes;
DROP TABLE IF EXISTS reach;
CREATE TABLE changes (number INTEGER PRIMARY KEY, position INTEGER NOT NULL, change BLOB NOT NULL);
CREATE INDEX changes_position ON changes (position);
CREATE TABLE reach (one INTEGER PRIMARY KEY CHECK (one = 1), base INTEGER, reached INTEGER);
INSERT INTO reach VALUES (1, 0, 0);
PRAGMA user_version = {REVISION};
COMMIT;
"""
_FIRST = """
SELECT change FROM changes WHERE position <= (
    SELECT max(position) FROM (SELECT position FROM changes ORDER BY number LIMIT ?)
) ORDER BY number
"""


class Queue:
    """A file of its own, for one thread of one process. What a call has put there is on disk when it returns.

    Everything in it can be made again from the log: a file that cannot be read is set aside, what another revision
    derived is dropped, and the queue begins anew. All of it is read when it is opened: what is damaged further behind
    would end whoever comes to it, again and again.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(Change).decode
        try:
            self._open(path)
        except sqlite3.OperationalError:  # in use by another, or the disk is full: beginning anew mends neither
            raise
        except (sqlite3.DatabaseError, ValueError):  # ValueError: what it holds is no change, and no position
            self._file.close()
            path.replace(path.with_suffix(".broken"))
            self._open(path)

    def _open(self, path: Path) -> None:
        self._file = sqlite3.connect(path, isolation_level=None)
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA synchronous = FULL")
        if self._file.execute("PRAGMA user_version").fetchone() != (REVISION,):  # also of a new file: 0
            self._file.executescript(_ANEW)
        if self._file.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise sqlite3.DatabaseError(f"{path} is damaged")
        self.base: int  # up to here the store has everything
        self.reached: int  # up to here the log was looked at
        ((self.base, self.reached),) = msgspec.convert(
            self._file.execute("SELECT base, reached FROM reach").fetchall(), list[tuple[int, int]]
        )
        self._length = 0
        for (change,) in self._file.execute("SELECT change FROM changes"):
            self._decode(change)
            self._length += 1

    def __len__(self) -> int:
        return self._length

    def add(self, changes: Sequence[Change], reached: int) -> None:
        """Put changes behind the others; ``reached``: what the log holds up to this position is in the queue now."""
        rows = [(change.position, self._encode(change)) for change in changes]
        with self._file:
            self._file.execute("BEGIN")
            self._file.executemany("INSERT INTO changes (position, change) VALUES (?, ?)", rows)
            self._file.execute("UPDATE reach SET reached = ?", (reached,))
        self.reached = reached
        self._length += len(rows)

    def first(self, limit: int) -> list[Change]:
        """The oldest, some more where several are of one position: those are never apart."""
        return [self._decode(change) for (change,) in self._file.execute(_FIRST, (limit,))]

    def settle(self, stored: int) -> None:
        """The store says how far it is: drop what it has. Where it lacks what was dropped before, begin there anew."""
        lost = stored < self.base
        with self._file:
            self._file.execute("BEGIN")
            dropped = self._file.execute("DELETE FROM changes WHERE position <= ? OR ?", (stored, lost)).rowcount
            reached = stored if lost else max(stored, self.reached)
            self._file.execute("UPDATE reach SET base = ?, reached = ?", (stored, reached))
        self.base, self.reached = stored, reached
        self._length -= dropped

    def begin_anew(self) -> None:
        """Drop all, and look at the log from its beginning."""
        self._file.executescript(_ANEW)
        self.base = self.reached = self._length = 0

    def close(self) -> None:
        self._file.close()

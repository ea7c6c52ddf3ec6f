"""Changes that the pattern store does not have yet, on local disk, in the order of the log."""

import sqlite3
import zlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from drlactors.domain.pattern import REVISION
from drlactors.ports.patterns import Change

#: Of the tables below. Raised with every change of them.
_LAYOUT = 2
#: A file with another one was left by another program, and is begun anew.
_VERSION = _LAYOUT << 16 | REVISION


def _sum(*numbers: int, change: bytes = b"") -> int:
    """Of a row: what SQLite's own check leaves unseen is a byte that was changed inside a value."""
    return zlib.crc32(change, zlib.crc32(repr(numbers).encode()))


_ANEW = f"""
BEGIN;
DROP TABLE IF EXISTS changes;
DROP TABLE IF EXISTS reach;
CREATE TABLE changes (
    number INTEGER PRIMARY KEY, position INTEGER NOT NULL, change BLOB NOT NULL, crc INTEGER NOT NULL
);
CREATE INDEX changes_position ON changes (position);
CREATE TABLE reach (one INTEGER PRIMARY KEY CHECK (one = 1), base INTEGER, reached INTEGER, crc INTEGER);
INSERT INTO reach VALUES (1, 0, 0, {_sum(0, 0)});
PRAGMA user_version = {_VERSION};
COMMIT;
"""
#: Bytes, whatever SQLite takes them for: one bit makes a text of them, which is none.
_ALL = "SELECT position, CAST(change AS BLOB), crc FROM changes"
_FIRST = f"""
{_ALL} WHERE position <= (
    SELECT max(position) FROM (SELECT position FROM changes ORDER BY number LIMIT ?)
) ORDER BY number
"""


class Queue:
    """A file of its own, for one thread of one process. What a call has put there is on disk when it returns.

    Everything in it can be made again from the log: a file that cannot be read is set aside, what another revision
    derived is dropped, and the queue begins anew. All of it is read when it is opened: what is damaged further behind
    would end whoever comes to it, again and again. Rows have checksums: a change with one wrong byte may well be one.
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
        if self._file.execute("PRAGMA user_version").fetchone() != (_VERSION,):  # also of a new file: 0
            self._file.executescript(_ANEW)
        if self._file.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
            raise sqlite3.DatabaseError(f"{path} is damaged")
        self.base: int  # up to here the store has everything
        self.reached: int  # up to here the log was looked at
        ((self.base, self.reached, crc),) = msgspec.convert(
            self._file.execute("SELECT base, reached, crc FROM reach").fetchall(), list[tuple[int, int, int]]
        )
        if crc != _sum(self.base, self.reached):
            raise ValueError("how far it reaches is damaged")
        self._length = sum(1 for row in self._file.execute(_ALL) if self._read(row))

    def __len__(self) -> int:
        return self._length

    def add(self, changes: Sequence[Change], reached: int) -> None:
        """Put changes behind the others; ``reached``: what the log holds up to this position is in the queue now."""
        encoded = [(change.position, self._encode(change)) for change in changes]
        rows = [(position, change, _sum(position, change=change)) for position, change in encoded]
        with self._file:
            self._file.execute("BEGIN")
            self._file.executemany("INSERT INTO changes (position, change, crc) VALUES (?, ?, ?)", rows)
            self._reach(self.base, reached)
        self.reached = reached
        self._length += len(rows)

    def first(self, limit: int) -> list[Change]:
        """The oldest, some more where several are of one position: those are never apart."""
        return [self._read(row) for row in self._file.execute(_FIRST, (limit,))]

    def settle(self, stored: int) -> None:
        """The store says how far it is: drop what it has. Where it lacks what was dropped before, begin there anew."""
        lost = stored < self.base
        with self._file:
            self._file.execute("BEGIN")
            dropped = self._file.execute("DELETE FROM changes WHERE position <= ? OR ?", (stored, lost)).rowcount
            reached = stored if lost else max(stored, self.reached)
            self._reach(stored, reached)
        self.base, self.reached = stored, reached
        self._length -= dropped

    def begin_anew(self) -> None:
        """Drop all, and look at the log from its beginning."""
        self._file.executescript(_ANEW)
        self.base = self.reached = self._length = 0

    def _reach(self, base: int, reached: int) -> None:
        self._file.execute("UPDATE reach SET base = ?, reached = ?, crc = ?", (base, reached, _sum(base, reached)))

    def _read(self, row: tuple[int, bytes, int]) -> Change:
        position, change, crc = row
        if crc != _sum(position, change=change):
            raise ValueError(f"the change at position {position} is damaged")
        return self._decode(change)

    def close(self) -> None:
        self._file.close()

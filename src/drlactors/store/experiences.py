"""Recorded decisions in PostgreSQL: a projection of the log in blocks, read back at the speed of memory copies.

The log's rows hold telemetry, 950 bytes a window of it, which the learner does not need. ``PostgresDecisions`` follows
the log behind the writers' backs and keeps what it does need: some hundreds of windows in one row of fixed-layout
records. Nothing on the way from a window to its action waits for it.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from psycopg import Connection
from psycopg.rows import DictRow, tuple_row

from drlactors.ports.decisions import END, Recorded, within
from drlactors.ports.log import EventLog, LogError, LogUnreachable
from drlactors.store import records
from drlactors.store.connections import SCHEMA, Connections
from drlactors.store.errors import in_words_of_the_port
from drlactors.store.projection import Projected, Projection

#: Under this name the log remembers how far the blocks go. Another revision begins anew.
READER = f"decisions-{records.REVISION}"
#: Entries that become one block of each kind.
BATCH_ENTRIES = 4_000
#: Bytes of blocks that are fetched at a time. A live projection leaves many small blocks: they are joined on the way.
FETCH_BYTES = 4 << 20

_BLOCKS, _POLICIES = f"{SCHEMA}.decision_blocks", f"{SCHEMA}.decision_policies"
_TRACKING = f"{SCHEMA}.notification_tracking"
_POSITION = f"SELECT notification_id FROM {_TRACKING} WHERE application_name = %s".encode()
# The row is locked until the end of the transaction, also when it was there before.
_TAKE_TURN = (
    f"INSERT INTO {_TRACKING} AS old VALUES (%s, 0) ON CONFLICT (application_name) "
    "DO UPDATE SET notification_id = old.notification_id RETURNING notification_id"
).encode()
_MOVE = f"UPDATE {_TRACKING} SET notification_id = %s WHERE application_name = %s".encode()
_FORGET = f"DELETE FROM {_TRACKING} WHERE application_name = %s".encode()
_INSERT = f"INSERT INTO {_BLOCKS} VALUES (%b, %b, %b, %b, %b, %b)".encode()
_INSERT_POLICY = f"INSERT INTO {_POLICIES} VALUES (%s, %s)".encode()
_SELECT_POLICIES = f"SELECT name FROM {_POLICIES} ORDER BY policy".encode()
_CLEAR = f"DELETE FROM {_BLOCKS}; DELETE FROM {_POLICIES}".encode()
_SCHEMAS = f"SELECT DISTINCT schema FROM {_BLOCKS} WHERE kind = 'decisions' ORDER BY schema".encode()
_STRETCH = f"FROM {_BLOCKS} WHERE kind = %b AND schema = %b AND last_position > %b AND first_position <= %b"
_SIZE = f"SELECT features, sum(octet_length(records))::bigint AS size {_STRETCH} GROUP BY features".encode()
_SELECT = (
    "SELECT string_agg(records, ''::bytea ORDER BY last_position) FROM (SELECT last_position, records, "
    "sum(octet_length(records)) OVER (ORDER BY last_position) / %b AS part "
    f"{_STRETCH}) AS stretch GROUP BY part ORDER BY part"
).encode()


class _OtherTurn(Exception):
    """Another process has projected what we were about to."""


class PostgresDecisions:
    """The decisions of the log in ``log``, which is the one at ``dsn``. For one thread.

    Every call sees the log as it was projected last; ``catch_up`` brings that up to date. Raises LogUnreachable; asking
    again goes on.
    """

    def __init__(self, dsn: str, log: EventLog, *, batch_entries: int = BATCH_ENTRIES) -> None:
        self._connections = Connections(dsn)
        self._log = log
        self._batch_entries = batch_entries
        self._projection: Projection | None = None
        self._policies: dict[str, int] = {}
        self._stored_policies = 0
        self._position = 0

    def catch_up(self, through: int = END, say: Callable[[int], None] = lambda _: None) -> int:
        """Project what the log has and the blocks have not; gives the position that they reach now.

        Stops behind ``through``. Each batch is one transaction with the position that it reaches: killed anywhere, it
        goes on where it stood, and any number of processes may do this at once. ``say`` is told each position.
        """
        while True:
            try:
                if not self._advance(through):
                    return self._position
            except _OtherTurn:
                continue
            except LogUnreachable:
                self._connections.drop_idle()  # they lead to the same server
                raise
            say(self._position)

    def rebuild(self) -> int:
        """Throw the blocks away and make them again from the log."""
        with in_words_of_the_port(), self._connections.get_connection() as connection:
            connection.execute(_FORGET, (READER,))  # the first batch clears the blocks
        self._projection = None
        return self.catch_up()

    def schemas(self) -> list[str]:
        """The feature schemas under which there are decisions."""
        with in_words_of_the_port(), self._connections.get_connection() as connection:
            return [row["schema"] for row in connection.execute(_SCHEMAS)]

    def recorded(self, schema: str, *, after: int = 0, through: int = END) -> Recorded:
        """As ``ports.DecisionSource`` has it."""
        with (
            in_words_of_the_port(),
            self._connections.get_connection() as connection,
            connection.transaction(),
        ):
            # One snapshot: a block that comes meanwhile must not be in one kind and missing in another.
            connection.execute(b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            policies = tuple(row["name"] for row in connection.execute(_SELECT_POLICIES))
            decided = _Stretch.find(connection, "decisions", schema, after, through)
            facts = _Stretch.find(connection, "facts", "", after, through)
            begun = _Stretch.find(connection, "sessions", "", after, through)
            recorded = Recorded(
                schema,
                policies,
                records.decisions(decided.read(connection), decided.size_bytes, decided.features),
                records.facts(facts.read(connection), facts.size_bytes),
                records.sessions(begun.read(connection), begun.size_bytes),
            )
        return within(recorded, after, through)

    def close(self) -> None:
        self._connections.close()

    def _advance(self, through: int) -> bool:
        """One batch; False when there is nothing left to do."""
        if self._projection is None:
            self._resume()
        read = self._log.read(self._position, self._batch_entries)
        entries = [entry for entry in read if entry.position <= through]
        if not entries:
            return False
        projection, self._projection = self._projection, None  # whatever goes wrong, it is not used again
        assert projection is not None
        self._store(projection.project(entries), entries[0].position, entries[-1].position)
        self._projection = projection
        return True

    def _resume(self) -> None:
        """Begin where the blocks end. The position is read first: if it moves meanwhile, the turn is not ours."""
        with in_words_of_the_port(), self._connections.get_connection() as connection:
            reached = connection.execute(_POSITION, (READER,)).fetchone()
            self._position = reached["notification_id"] if reached else 0
            self._policies = {row["name"]: number for number, row in enumerate(connection.execute(_SELECT_POLICIES))}
        if self._position == 0:
            self._policies = {}  # what stands there is of another revision, and goes with the first batch
        self._stored_policies = len(self._policies)
        self._projection = Projection(self._log.stream, self._policies)

    def _store(self, projected: Projected, first: int, last: int) -> None:
        with in_words_of_the_port(), self._connections.get_connection() as connection, connection.transaction():
            reached = connection.execute(_TAKE_TURN, (READER,)).fetchone()
            if reached is None or reached["notification_id"] != self._position:
                raise _OtherTurn
            if self._position == 0:
                connection.execute(_CLEAR)
            for name in list(self._policies)[self._stored_policies :]:
                connection.execute(_INSERT_POLICY, (self._policies[name], name))
            for block in _blocks(projected):
                connection.execute(_INSERT, (*block[:3], first, last, block.records), binary=True)
            connection.execute(_MOVE, (last, READER))
        self._position, self._stored_policies = last, len(self._policies)


class _Block(NamedTuple):
    kind: str
    schema: str
    features: int
    records: bytearray


def _blocks(projected: Projected) -> Iterator[_Block]:
    for schema, decisions in projected.decisions.items():
        yield _Block("decisions", *schema, decisions)
    if projected.facts:
        yield _Block("facts", "", 0, projected.facts)
    if projected.sessions:
        yield _Block("sessions", "", 0, projected.sessions)


class _Stretch(NamedTuple):
    """The blocks of one kind that touch a stretch of the log."""

    parameters: tuple[object, ...]
    features: int
    size_bytes: int

    @classmethod
    def find(cls, connection: Connection[DictRow], kind: str, schema: str, after: int, through: int) -> "_Stretch":
        parameters = (kind, schema, after, through)
        found = connection.execute(_SIZE, parameters).fetchall()
        if len(found) > 1:
            raise LogError(f"State vectors of {schema} are of several lengths: {[row['features'] for row in found]}")
        return cls(parameters, found[0]["features"], found[0]["size"]) if found else cls(parameters, 0, 0)

    def read(self, connection: Connection[DictRow]) -> Iterator[bytes]:
        with connection.cursor(row_factory=tuple_row) as cursor:
            for (joined,) in cursor.stream(_SELECT, (FETCH_BYTES, *self.parameters), binary=True):
                yield joined

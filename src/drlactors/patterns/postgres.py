"""The pattern store in PostgreSQL with pgvector (``eventstore/patterns/schema.sql``)."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import ClassVar

import psycopg
from psycopg import Connection, sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool, PoolTimeout

from drlactors.domain.action import Action
from drlactors.domain.attack import AttackType
from drlactors.domain.calibration import Calibration, Tally
from drlactors.domain.ids import SessionId
from drlactors.domain.pattern import REVISION, AttackPattern, Truth
from drlactors.patterns import queries
from drlactors.patterns.columns import SELECTED, UPSERT, Stored, pattern_of, row_of
from drlactors.ports.patterns import (
    Change,
    Counts,
    Found,
    Page,
    PatternsError,
    PatternsOfAnotherLog,
    PatternsUnreachable,
    Place,
    Query,
)

#: A server whose machine vanished is noticed after about 10 s instead of the system's two hours.
LINK = {"connect_timeout": 5, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}
STATEMENT_TIMEOUT_MS = 60_000
#: One whose machine vanished between two statements holds the turn of all others until this has passed.
IDLE_IN_TRANSACTION_TIMEOUT_MS = 5_000
#: How long a call waits for one of the pool's connections, or for a server that does not answer.
WAIT_S = 3.0
#: Patterns that are looked at for a nearest neighbour at least; more find more of the true ones, and take longer.
EF_SEARCH = 64
#: Where conditions leave few of the nearest, the search goes on until it has looked at so many; then it is not worth
#: more, and all of which they hold are compared.
MAX_SCAN_TUPLES = 10_000
#: What comparing all of which conditions hold may cost by the planner's estimate, that it is done at once: some 50,000
#: vectors that an index holds (15 ms), or 80,000 in one sweep of the table (35 ms), or 2,500 read one by one.
EXACT_COST = 10_000

_TABLE = "patterns.attack_patterns"
_TAKE_TURN = b"SELECT revision, position, log FROM patterns.progress FOR UPDATE"
_POSITION = b"SELECT revision, position, log FROM patterns.progress"
_MOVE = b"UPDATE patterns.progress SET revision = %s, position = %s, log = %s"
#: Where somebody emptied the tables by hand: what is not remembered would be stored for ever.
_BEGIN = (
    b"INSERT INTO patterns.progress (revision, position) SELECT '', 0 WHERE NOT EXISTS (SELECT FROM patterns.progress)"
)
_CLEAR = f"TRUNCATE {_TABLE}, patterns.outcomes".encode()
_STORED = f"SELECT policy, bin, truth FROM {_TABLE} WHERE session = ANY(%s)".encode()
_DELETE = f"DELETE FROM {_TABLE} WHERE session = ANY(%s)".encode()
_COUNT = (
    b"INSERT INTO patterns.outcomes AS old VALUES (%s, %s, %s, %s) ON CONFLICT (policy, bin) DO UPDATE SET "
    b"malicious = old.malicious + excluded.malicious, benign = old.benign + excluded.benign"
)
_OUTCOMES = b"SELECT policy, bin, malicious, benign FROM patterns.outcomes WHERE malicious + benign > 0"
_KINDS = f"SELECT attack, truth, action, count(*) FROM {_TABLE} GROUP BY attack, truth, action".encode()
_OF = f"SELECT {SELECTED} FROM {_TABLE} WHERE session = %s".encode()


class PostgresPatterns:
    """As ``ports.PatternStore`` has it, on a pool of connections; the schema has to be there.

    A user who may only read is enough for everything but ``store`` and ``clear``. ``log`` tells the log that these are
    made of from all others. ``asked`` is told how long each question took, in seconds.
    """

    REVISION: ClassVar[str] = str(REVISION)

    def __init__(
        self, dsn: str, *, log: str = "", connections: int = 4, asked: Callable[[float], None] = lambda _seconds: None
    ) -> None:
        given = conninfo_to_dict(dsn)
        self._dsn = dsn
        self._log = log
        # The pool's own words would go to standard error, between lines of JSON; whoever asks is told by an exception.
        logging.getLogger("psycopg.pool").addHandler(logging.NullHandler())
        self._pool = ConnectionPool(
            dsn,
            kwargs={"autocommit": True} | {name: value for name, value in LINK.items() if name not in given},
            min_size=0,  # nothing is asked of a server that nobody needs now
            max_size=connections,
            open=True,
            configure=_configure,
            check=ConnectionPool.check_connection,  # those that broke while idle are not handed out
            timeout=WAIT_S,
            reconnect_timeout=0.0,  # whoever asks knows best when to ask again
            name="patterns",
        )
        self._asked = asked
        self._indexed: set[tuple[str, int]] = set()  # feature schemas, with their length, that have an index

    def page(self, query: Query, *, limit: int, after: Place | None = None) -> Page:
        with self._timed(), self._connection() as connection:
            calibration = _calibration(connection.execute(_OUTCOMES, binary=True))
            rows = _rows(connection, query, limit + 1, after)
        found = tuple(Found(pattern_of(row, calibration), row[-1]) for row in rows[:limit])
        return Page(found, _place(found[-1]) if len(rows) > limit else None)

    def of(self, session: SessionId) -> AttackPattern | None:
        with self._timed(), self._connection() as connection:
            row = connection.execute(_OF, (session,), binary=True).fetchone()
            return pattern_of(row, _calibration(connection.execute(_OUTCOMES, binary=True))) if row else None

    def counts(self) -> Counts:
        with self._timed(), self._connection() as connection, connection.transaction():
            attacks, actions = Counter[tuple[AttackType, Truth | None]](), Counter[Action]()
            for attack, truth, action, count in connection.execute(_KINDS, binary=True):
                attacks[AttackType(attack), truth and Truth(truth)] += count
                actions[Action(action)] += count
            return Counts(
                dict(attacks), dict(actions), tuple(sorted(_outcomes(connection.execute(_OUTCOMES, binary=True))))
            )

    def position(self) -> int:
        with self._timed(), self._connection() as connection:
            return self._reached(connection.execute(_POSITION).fetchone())

    def store(self, changes: Sequence[Change], *, after: int) -> bool:
        sessions = list({change.session for change in changes})
        # In a pipeline: what needs no answer is not waited for.
        with self._connection() as connection, connection.pipeline(), connection.transaction():
            connection.execute(_BEGIN)
            progress = connection.execute(_TAKE_TURN)
            stored = connection.execute(_STORED, (sessions,), binary=True)
            turn = progress.fetchone()
            if self._reached(turn) != after:
                return False
            before = [Stored(*row) for row in stored]
            if turn and turn[0] != self.REVISION:
                connection.execute(_CLEAR)
                before = []
            made = {(pattern.schema, len(pattern.state_vector) // 4) for _, _, pattern in changes if pattern}
            for schema in made - self._indexed:
                connection.execute(queries.index_of(*schema))
            _write(connection, before, _newest(changes))
            connection.execute(_MOVE, (self.REVISION, changes[-1].position, self._log))
        self._indexed |= made
        return True

    def clear(self, *, take_over: bool = False) -> None:
        with self._connection() as connection, connection.transaction():
            connection.execute(_BEGIN)
            turn = connection.execute(_TAKE_TURN).fetchone()
            if not take_over:
                self._reached(turn)
            connection.execute(_CLEAR)
            connection.execute(_MOVE, (self.REVISION, 0, self._log))

    def close(self) -> None:
        self._pool.close()

    def _reached(self, progress: TupleRow | None) -> int:
        """Patterns of another revision count for nothing. Raises PatternsOfAnotherLog."""
        if progress and progress[2] not in ("", self._log):
            raise PatternsOfAnotherLog
        return progress[1] if progress and progress[0] == self.REVISION else 0

    @contextmanager
    def _timed(self) -> Iterator[None]:
        began_s = time.monotonic()
        yield
        self._asked(time.monotonic() - began_s)

    @contextmanager
    def _connection(self) -> Iterator[Connection[TupleRow]]:
        try:
            with self._pool.connection() as connection:
                yield connection
        except PoolTimeout as error:
            raise PatternsUnreachable(f"The pattern store cannot be reached: {self._why() or error}") from error
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise PatternsUnreachable(f"The pattern store cannot be reached: {error}") from error
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
            raise PatternsError("No patterns were made in this database yet.") from error
        except psycopg.errors.UndefinedColumn as error:
            raise PatternsError(
                "The schema of the patterns is of an older program: drlactors up, or patterns rebuild, brings it up."
            ) from error
        except psycopg.Error as error:
            raise PatternsError(str(error)) from error

    def _why(self) -> str:
        """Why there is no connection, which the pool keeps to itself; nothing where one could be had now."""
        try:
            psycopg.connect(self._dsn, connect_timeout=2).close()
        except psycopg.Error as error:
            return str(error)
        return ""


def _configure(connection: Connection[TupleRow]) -> None:
    """Of each new connection. pgvector goes on where conditions leave too few of the nearest."""
    connection.execute(
        f"SET statement_timeout = {STATEMENT_TIMEOUT_MS}; SET hnsw.iterative_scan = relaxed_order; "
        f"SET idle_in_transaction_session_timeout = {IDLE_IN_TRANSACTION_TIMEOUT_MS}; "
        f"SET hnsw.ef_search = {EF_SEARCH}; SET hnsw.max_scan_tuples = {MAX_SCAN_TUPLES}".encode()
    )


def _rows(connection: Connection[TupleRow], query: Query, limit: int, after: Place | None) -> list[TupleRow]:
    ask = partial(queries.asked, query, limit, after)
    if query.near is None:
        return connection.execute(*ask(), binary=True).fetchall()
    conditions = query._replace(near=None) != Query()
    if not (conditions and _cost(connection, ask(exact=True)) <= EXACT_COST):
        rows = connection.execute(*ask(), binary=True).fetchall()
        if len(rows) == limit:
            return rows  # else this is the end, or conditions hold far away only
    return connection.execute(*ask(exact=True), binary=True).fetchall()


def _cost(connection: Connection[TupleRow], asked: queries.Asked) -> float:
    """By the planner's estimate, in its own unit."""
    explained = connection.execute(sql.SQL("EXPLAIN (FORMAT JSON) {}").format(asked.statement), asked.parameters)
    plan: list[dict[str, dict[str, float]]] = explained.fetchall()[0][0]
    return plan[0]["Plan"]["Total Cost"]


def _calibration(outcomes: Iterable[TupleRow]) -> Calibration:
    return Calibration(_outcomes(outcomes))


def _outcomes(outcomes: Iterable[TupleRow]) -> Iterator[tuple[str, int, Tally]]:
    for policy, index, malicious, benign in outcomes:
        yield policy, index, Tally(malicious, benign)


def _place(last: Found) -> Place:
    return Place(last.pattern.decided_us if last.distance is None else last.distance, last.pattern.session)


def _newest(changes: Iterable[Change]) -> list[Change]:
    """The last change of each session, in the order of their positions."""
    newest: dict[SessionId, Change] = {}
    for change in changes:
        newest.pop(change.session, None)
        newest[change.session] = change
    return list(newest.values())


def _write(connection: Connection[TupleRow], before: Iterable[Stored], changes: Sequence[Change]) -> None:
    """At most one change of each session; ``before``: what the store has of those sessions."""
    patterns = [change.pattern for change in changes if change.pattern]
    if gone := [change.session for change in changes if change.pattern is None]:
        connection.execute(_DELETE, (gone,))
    with connection.cursor() as cursor:
        cursor.executemany(UPSERT, [row_of(change.pattern, change.position) for change in changes if change.pattern])
        cursor.executemany(_COUNT, _counted(before, [Stored.of(pattern) for pattern in patterns]))


def _counted(before: Iterable[Stored], after: Iterable[Stored]) -> list[tuple[str, int, int, int]]:
    """What is to be added to the outcomes; in one order, whoever writes."""
    added = Counter(after)
    added.subtract(before)
    bins = sorted({stored[:2] for stored, times in added.items() if times and stored.truth})
    return [(*each, added[Stored(*each, Truth.MALICIOUS)], added[Stored(*each, Truth.BENIGN)]) for each in bins]

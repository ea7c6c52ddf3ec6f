"""Connections to PostgreSQL: made when needed, kept while they work, dropped as soon as one breaks."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from eventsourcing import persistence
from eventsourcing.postgres import PostgresDatastore
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import DictRow, dict_row

SCHEMA = "eventlog"
#: An append waits this long for another process's; the longest commit measured under load took 0.7 s.
LOCK_TIMEOUT_MS = 10_000
STATEMENT_TIMEOUT_MS = 60_000
#: A session whose client vanished between two statements holds the log's lock until this has passed.
IDLE_IN_TRANSACTION_TIMEOUT_MS = 5_000
#: A server whose machine vanished is noticed after about 10 s instead of the system's two hours.
LINK = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


class Connections(PostgresDatastore):
    """The library's datastore without its pool.

    The pool goes on waiting with growing pauses (up to a minute) after the server is back, and keeps three threads.
    Here a refused connection is an error at once, and the caller knows best when to ask again.
    """

    def __init__(self, dsn: str, allowed: Callable[[], None] = lambda: None) -> None:
        """``allowed``: asked before each use; raises psycopg.Error where there must be none."""
        super().__init__(dbname="", host="", port="", user="", password="", schema=SCHEMA)
        self._dsn = with_link(dsn)
        self._allowed = allowed
        self._idle: list[Connection[DictRow]] = []
        self._lock = threading.Lock()
        self._closed = False

    def register_type_adapters(self) -> None:
        """Rows are sent as arrays of plain types: none of the library's composite types is needed."""

    @contextmanager
    def get_connection(self) -> Iterator[Connection[DictRow]]:
        """A connection in autocommit mode; psycopg's errors leave as the library's."""
        with in_words_of_the_library():
            self._allowed()
            connection = self._take()
            try:
                yield connection
            finally:
                self._give_back(connection)

    def drop_idle(self) -> None:
        """One connection broke: the others lead to the same server."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def close(self) -> None:
        """Those that are in use are closed when they are given back."""
        self._closed = True
        self.drop_idle()

    def __del__(self) -> None:
        """Nothing to close by surprise: connections that were not closed warn for themselves."""

    def _take(self) -> Connection[DictRow]:
        with self._lock:
            if self._closed:
                raise psycopg.InterfaceError("The event log was closed.")
            if self._idle:
                return self._idle.pop()
        connection = Connection.connect(self._dsn, autocommit=True, row_factory=dict_row)
        try:
            # synchronous_commit: what is acknowledged is on disk, whatever the server's default is.
            connection.execute(
                f"SET synchronous_commit = on; SET lock_timeout = {LOCK_TIMEOUT_MS}; "
                f"SET statement_timeout = {STATEMENT_TIMEOUT_MS}; "
                f"SET idle_in_transaction_session_timeout = {IDLE_IN_TRANSACTION_TIMEOUT_MS}".encode()
            )
        except psycopg.Error:
            connection.close()
            raise
        return connection

    def _give_back(self, connection: Connection[DictRow]) -> None:
        with self._lock:
            if not self._closed and connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
                self._idle.append(connection)
                return
        connection.close()


def with_link(dsn: str) -> str:
    """The DSN with our settings of the link, where it has none of its own."""
    given = conninfo_to_dict(dsn)
    return make_conninfo(dsn, **{name: value for name, value in LINK.items() if name not in given})


@contextmanager
def in_words_of_the_library() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise _translated(error) from error


def _translated(error: psycopg.Error) -> persistence.PersistenceError:
    for kind in type(error).__mro__:
        if kind.__module__ == "psycopg" and hasattr(persistence, kind.__name__):
            translated: persistence.PersistenceError = getattr(persistence, kind.__name__)(str(error))
            return translated
    return persistence.PersistenceError(str(error))

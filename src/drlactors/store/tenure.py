"""Who serves an event log: one plane at a time, by a lock that ends with its connection."""

import select
import threading
from collections.abc import Callable

import psycopg
from psycopg import Connection

from drlactors.store.connections import SCHEMA, in_words_of_the_library, with_link
from drlactors.store.errors import AnotherPlane, in_words_of_the_port

#: Any number that nobody else locks in this database; "drlplane" in ASCII.
ADVISORY_LOCK = 0x64726C706C616E65
#: A plane whose machine vanished loses the lock after about 10 s, and no setting of the server ends an idle one.
SETTINGS = (
    b"SET idle_session_timeout = 0; SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; "
    b"SET tcp_keepalives_count = 3"
)
#: Counts tenures, where the log remembers how far its readers have come.
NUMBER = "planes"
_TAKE = f"SELECT pg_try_advisory_lock({ADVISORY_LOCK})".encode()
_COUNT = (
    f"INSERT INTO {SCHEMA}.notification_tracking AS old VALUES (%s, 1) ON CONFLICT (application_name) "
    "DO UPDATE SET notification_id = old.notification_id + 1 RETURNING notification_id"
).encode()
_COUNTED = f"SELECT notification_id FROM {SCHEMA}.notification_tracking WHERE application_name = %s".encode()


class Tenure:
    """A lock on the log, from ``take`` to ``close``. Methods may be called from any thread.

    Two planes on one log would be safe (it refuses what is stale) and of no use: each follows up what it stored itself.
    """

    def __init__(self, dsn: str, lost: Callable[[Exception], None]) -> None:
        """``lost``: called with the reason once another plane has served the log since."""
        self._dsn = with_link(dsn)
        self._lost = lost
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._number = 0
        self._closed = False

    def take(self) -> bool:
        """Begin, unless another plane serves: then False. Raises LogUnreachable."""
        with in_words_of_the_port(), in_words_of_the_library(), self._lock:
            try:
                return self._take()
            except psycopg.Error:
                self._drop()
                raise

    def count(self) -> None:
        """Let those who lose the lock from now on know that somebody had it. Raises LogUnreachable."""
        with in_words_of_the_port(), in_words_of_the_library(), self._lock:
            self._number = self._ask(_COUNT, NUMBER)

    def confirm(self) -> None:
        """Hold the lock, or take it again where a server that was restarted forgot it. Raises psycopg.Error.

        Two microseconds, and no word to the server. What was on its way when the lock was lost is stored, or is stale.
        """
        with self._lock:
            if self._holds():
                return
            try:
                taken = self._take()
                if self._number and self._ask(_COUNTED, NUMBER) != self._number:
                    self._lost(
                        AnotherPlane("Another plane has taken this event log over: start again, to wait for it.")
                    )
                elif taken:
                    return
                raise psycopg.OperationalError("The lock on the event log was lost, and is not free yet.")
            except psycopg.Error:
                self._drop()
                raise

    def close(self) -> None:
        """Whoever is next finds the lock free a moment later: a frozen server must keep nobody from stopping."""
        with self._lock:
            self._closed = True
            self._drop()

    def _holds(self) -> bool:
        """A server that ends a connection says so unasked, before it gives up the lock; the end itself may come later.

        What else is said unasked (a setting that changed) ends nothing: whoever asks tells the one from the other.
        """
        if self._connection is None:
            return False
        heard = select.poll()
        heard.register(self._connection.fileno(), select.POLLIN)
        if heard.poll(0):
            try:
                self._ask(b"SELECT 1")
            except psycopg.OperationalError:
                self._drop()
                return False
        return True

    def _take(self) -> bool:
        if self._closed:
            raise psycopg.InterfaceError("The plane has stopped.")
        if self._connection is None:
            self._connection = Connection.connect(self._dsn, autocommit=True)
            self._connection.execute(SETTINGS)
        return bool(self._ask(_TAKE))

    def _ask(self, query: bytes, *parameters: object) -> int:
        if self._connection is None:
            raise psycopg.OperationalError("The lock on the event log was lost.")
        found = self._connection.execute(query, parameters).fetchone()
        return int(found[0]) if found else 0

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

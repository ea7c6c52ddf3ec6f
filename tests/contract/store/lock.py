"""What becomes of the lock by which one plane at a time serves a log."""

from psycopg import Connection

from drlactors.store.tenure import ADVISORY_LOCK


def end_holder(connection: "Connection[tuple[object, ...]]") -> None:
    """The server ends the connection that has the lock."""
    query = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND objid = %s"
    assert connection.execute(query, (ADVISORY_LOCK >> 32, ADVISORY_LOCK & 0xFFFFFFFF)).fetchall()

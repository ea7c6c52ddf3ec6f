"""What goes wrong below the port, in the words of the port."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from eventsourcing.persistence import DataError, IntegrityError, InterfaceError, OperationalError, PersistenceError

from drlactors.ports.log import LogError, LogUnreachable


class MigrationRefused(LogError):
    """The database's schema and this program's migrations do not belong together."""


class ForeignStream(LogError):
    """An id belongs to a stream of another category."""


class AnotherPlane(LogError):
    """Another plane serves this event log, and one at a time may."""


@contextmanager
def in_words_of_the_port() -> Iterator[None]:
    """What is the fault of what was asked will fail again: a LogError. The rest may pass: unreachable.

    Of the second kind are broken connections and waits, and what any other append would meet as well: a server that
    became a standby, rights or a table that somebody took away.
    """
    try:
        yield
    except (InterfaceError, OperationalError) as error:
        raise LogUnreachable(str(error)) from error
    except (DataError, IntegrityError) as error:
        raise LogError(str(error)) from error
    except PersistenceError as error:
        answered = isinstance(error.__cause__, psycopg.Error) and error.__cause__.sqlstate
        raise (LogUnreachable if answered else LogError)(str(error)) from error

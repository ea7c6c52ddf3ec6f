"""What goes wrong below the port, in the words of the port."""

from collections.abc import Iterator
from contextlib import contextmanager

from eventsourcing.persistence import InterfaceError, OperationalError, PersistenceError

from drlactors.ports.log import LogError, LogUnreachable


class MigrationRefused(LogError):
    """The database's schema and this program's migrations do not belong together."""


class ForeignStream(LogError):
    """An id belongs to a stream of another category."""


@contextmanager
def in_words_of_the_port() -> Iterator[None]:
    """Whatever ends a connection or a wait may pass: unreachable. The rest will fail again."""
    try:
        yield
    except (InterfaceError, OperationalError) as error:
        raise LogUnreachable(str(error)) from error
    except PersistenceError as error:
        raise LogError(str(error)) from error

"""One plane at a time serves an event log, whatever becomes of the server or of the other one."""

from collections.abc import Callable, Iterator
from contextlib import closing
from uuid import uuid4

import psycopg
import pytest

from drlactors.domain.instance import PolicyActivated
from drlactors.ports.log import Append, Category, LogUnreachable, Stream
from drlactors.store.errors import AnotherPlane
from drlactors.store.log import PostgresEventLog
from drlactors.store.tenure import ADVISORY_LOCK, Tenure
from drlactors.testing.servers import EmbeddedPostgres
from tests.contract.bus.kit import until
from tests.contract.store.given import SCHEMA_DIR
from tests.contract.store.lock import end_holder


class Plane:
    """What a plane does with its log, and why it could not go on."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self.lost: list[Exception] = []
        self.tenure = Tenure(dsn, self.lost.append)

    def serve(self) -> PostgresEventLog:
        assert self.tenure.take()
        return PostgresEventLog(self._dsn, schema_dir=SCHEMA_DIR, tenure=self.tenure)


@pytest.fixture
def plane(database: str) -> Iterator[Callable[[], Plane]]:
    planes: list[Plane] = []

    def another() -> Plane:
        planes.append(Plane(database))
        return planes[-1]

    yield another
    for each in planes:
        each.tenure.close()


def store(log: PostgresEventLog) -> list[int | None]:
    stream = Stream(Category.INSTANCE, uuid4())
    return log.append([Append(stream, 0, (PolicyActivated(policy="rules", reason="start"),), 1, "test")])


def take_lock_away(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as other:
        end_holder(other)
        assert until(lambda: not other.execute("SELECT FROM pg_locks WHERE locktype = 'advisory'").fetchall())


def test_a_second_plane_begins_when_the_first_has_ended(plane: Callable[[], Plane]) -> None:
    first, second = plane(), plane()
    with closing(first.serve()) as log:
        assert store(log) != [None]
        assert not second.tenure.take()
    first.tenure.close()
    assert until(second.tenure.take)
    with closing(second.serve()) as log:
        assert store(log) != [None]
    assert first.lost == second.lost == []


def test_a_plane_whose_lock_was_taken_from_it_takes_it_again_before_it_stores(
    plane: Callable[[], Plane], database: str
) -> None:
    first, second = plane(), plane()
    with closing(first.serve()) as log:
        take_lock_away(database)
        assert store(log) != [None]
        assert not second.tenure.take()
    assert first.lost == []


def test_a_plane_takes_the_lock_again_from_a_server_that_was_killed(own_postgres: EmbeddedPostgres) -> None:
    first = Plane(own_postgres.dsn)
    with closing(first.tenure), closing(first.serve()) as log:
        own_postgres.kill()
        with pytest.raises(LogUnreachable):
            store(log)
        own_postgres.start()
        assert store(log) != [None]
        with closing(Plane(own_postgres.dsn).tenure) as second:
            assert not second.take()
    assert first.lost == []


@pytest.mark.parametrize("still", [True, False], ids=["while the other one serves", "after the other one has ended"])
def test_a_plane_that_another_one_took_over_from_stores_nothing_and_says_so(
    still: bool, plane: Callable[[], Plane], database: str
) -> None:
    first, second = plane(), plane()
    with closing(first.serve()) as log:
        take_lock_away(database)
        with closing(second.serve()) as others:
            head = others.head()
            if not still:
                second.tenure.close()
            with pytest.raises(LogUnreachable):
                store(log)
            with pytest.raises(LogUnreachable):
                store(log)
    with closing(PostgresEventLog(database, schema_dir=SCHEMA_DIR)) as reading:
        assert reading.head() == head
    assert {type(reason) for reason in first.lost} == {AnotherPlane}


def test_a_plane_waits_for_its_own_lock_that_the_server_has_not_given_up_yet(
    plane: Callable[[], Plane], database: str
) -> None:
    first, standing_by = plane(), plane()
    with closing(first.serve()) as log, psycopg.connect(database, autocommit=True) as other:
        take_lock_away(database)
        other.execute("SELECT pg_advisory_lock(%s)", (ADVISORY_LOCK,))  # nobody has served with it
        with pytest.raises(LogUnreachable):
            store(log)
        other.execute("SELECT pg_advisory_unlock(%s)", (ADVISORY_LOCK,))
        assert store(log) != [None]
        assert not standing_by.tenure.take()
    assert first.lost == []

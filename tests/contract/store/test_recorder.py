"""The library's own tests of its recorders, run against ours."""

from collections.abc import Iterator, Sequence
from uuid import uuid4

import pytest
from eventsourcing.persistence import IntegrityError, PersistenceError, StoredEvent, Tracking

from drlactors.store import connections as settings
from drlactors.store.connections import Connections
from drlactors.store.memory import MemoryRecorder
from drlactors.store.migrations import migrate
from drlactors.store.recorder import MAX_CALL_ROWS, CopyRecorder
from tests.contract.bus.kit import until
from tests.contract.store.given import SCHEMA_DIR
from tests.contract.store.library import recorder_tests as theirs


class OverPostgres:
    """Gives a test case a recorder over an empty database."""

    @pytest.fixture(autouse=True)
    def _over(self, database: str) -> Iterator[None]:
        self._connections = Connections(database)
        migrate(self._connections, SCHEMA_DIR / "migrations")
        yield
        self._connections.close()

    def create_recorder(self) -> CopyRecorder:
        return CopyRecorder(self._connections)


class OverMemory:
    def create_recorder(self) -> MemoryRecorder:
        return MemoryRecorder()


class TestApplications(OverPostgres, theirs.ApplicationRecorderTestCase):
    EXPECT_CONTIGUOUS_NOTIFICATION_IDS = False  # a refused insert uses up positions, as in the library's own


class TestTracking(OverPostgres, theirs.TrackingRecorderTestCase):
    pass


class TestProcesses(OverPostgres, theirs.ProcessRecorderTestCase):
    pass


class TestOrderByInsert(OverPostgres, theirs.NonInterleavingNotificationIDsBaseCase):
    insert_num = MAX_CALL_ROWS


class TestOrderByCopy(OverPostgres, theirs.NonInterleavingNotificationIDsBaseCase):
    insert_num = MAX_CALL_ROWS + 1


class TestMemoryProcesses(OverMemory, theirs.ProcessRecorderTestCase):
    pass


class TestMemoryTracking(OverMemory, theirs.TrackingRecorderTestCase):
    pass


@pytest.fixture
def recorder(database: str) -> Iterator[CopyRecorder]:
    connections = Connections(database)
    migrate(connections, SCHEMA_DIR / "migrations")
    yield CopyRecorder(connections)
    connections.close()


def rows(count: int) -> Sequence[StoredEvent]:
    stream = uuid4()
    return [
        StoredEvent(originator_id=stream, originator_version=version, topic="topic", state=b"state")
        for version in range(1, count + 1)
    ]


@pytest.mark.parametrize("count", [0, 1, MAX_CALL_ROWS, MAX_CALL_ROWS + 1])
def test_rows_and_positions_are_stored_together_or_not_at_all(recorder: CopyRecorder, count: int) -> None:
    recorder.insert_tracking(Tracking("reader", 9))
    with pytest.raises(IntegrityError):
        recorder.insert_events(rows(count), tracking=Tracking("reader", 9))
    assert recorder.head() == 0
    assert len(recorder.insert_events(rows(count), tracking=Tracking("reader", 10))) == count
    assert recorder.max_tracking_id("reader") == 10


@pytest.mark.parametrize("count", [2, MAX_CALL_ROWS + 1])
def test_one_row_in_the_way_keeps_all_out_and_the_connection_good(recorder: CopyRecorder, count: int) -> None:
    batch = rows(count)
    recorder.insert_events(batch[-1:])
    with pytest.raises(IntegrityError):
        recorder.insert(batch, {"reader": 5})
    assert recorder.reader_position("reader") == 0
    assert len(recorder.select_events(batch[0].originator_id)) == 1
    assert len(recorder.insert(batch[:-1], {})) == count - 1


def test_positions_are_those_under_which_rows_are_found(recorder: CopyRecorder) -> None:
    for count in (3, MAX_CALL_ROWS + 1, 3):
        batch = rows(count)
        ids = recorder.insert(batch, {})
        found = [row for row in recorder.after(ids[0] - 1, count) if row.originator_id == batch[0].originator_id]
        assert [(row.id, row.originator_version) for row in found] == list(zip(ids, range(1, count + 1), strict=True))


def test_reading_stops_at_a_size_and_always_gives_one_row(recorder: CopyRecorder) -> None:
    stream = uuid4()
    large = [
        StoredEvent(originator_id=stream, originator_version=version, topic="topic", state=bytes(3 << 20))
        for version in range(1, 4)
    ]
    ids = recorder.insert(large, {})
    assert [row.id for row in recorder.after(0, 10)] == ids[:2]
    assert [row.id for row in recorder.after(ids[1], 10)] == ids[2:]


def test_a_connection_that_the_server_does_not_set_up_is_closed(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connections = Connections(database)
    with monkeypatch.context() as patched:
        patched.setattr(settings, "LOCK_TIMEOUT_MS", -2)  # the server takes none below -1
        with pytest.raises(PersistenceError) as refused, connections.get_connection():
            pass
    others = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    assert refused.value.__cause__ is not None  # its frames hold what was not closed
    with connections.get_connection() as connection:
        assert until(lambda: not connection.execute(others.encode()).fetchall())
    connections.close()

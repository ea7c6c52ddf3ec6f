"""The store holds what the log teaches, whatever is away or killed in between."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from drlactors.patterns.follower import Away, Back, Full, Heard, PutBack, Queued, Stored
from drlactors.patterns.queue import Queue
from drlactors.ports.log import Entry, EventUnreadable, LogAway, LogError, LogUnreachable
from drlactors.ports.patterns import PatternsOfAnotherLog
from drlactors.store.memory import MemoryEventLog
from drlactors.testing.histories import Turn, any_turns, write
from drlactors.testing.memory_patterns import MemoryPatterns
from tests.unit.patterns.kit import (
    Killed,
    ManualClock,
    MortalPatterns,
    MortalQueue,
    Power,
    follower,
    held,
    wanted,
    work,
)


def in_order(store: MortalPatterns) -> bool:
    positions = [position for position, _ in store.came]
    return positions == sorted(positions)


def history(seed: int, log: MemoryEventLog | None = None) -> MemoryEventLog:
    """Sixteen sessions in eight episodes: some end, some are lost, verdicts come, and are corrected."""
    log = log or MemoryEventLog()
    ends = [Turn(of, "end", 0) for of in range(12)] + [Turn(of, "correct", of) for of in range(0, 12, 3)]
    write(
        log, [*(Turn(of, "enter", 0) for of in range(0, 16, 2)), *any_turns(sessions=16, count=300, seed=seed), *ends]
    )
    return log


@pytest.mark.parametrize("seed", range(4))
def test_what_is_stored_is_what_the_whole_log_teaches(tmp_path: Path, seed: int) -> None:
    log, store = history(seed), MemoryPatterns()
    assert wanted(log)
    with closing(Queue(tmp_path / "queue")) as queue:
        work(follower(log, store, queue, ManualClock()))
        assert len(queue) == 0
    assert held(store) == wanted(log)


@pytest.mark.parametrize("seed", range(2))
def test_kill_9_anywhere_loses_and_doubles_nothing(tmp_path: Path, seed: int) -> None:
    log, store = history(seed), MortalPatterns()
    kills = 0
    for left in (*range(1, 20), 1_000_000):
        power = store.power = Power(left)
        with closing(MortalQueue(tmp_path / "queue", power)) as queue, suppress(Killed):
            kills += 1
            work(follower(log, store, queue, ManualClock()))
            kills -= 1
    assert kills > 2
    assert held(store) == wanted(log)
    assert in_order(store)
    assert len(store.came) == len({*store.came})


def test_a_correction_corrects_the_pattern(tmp_path: Path) -> None:
    log, store = MemoryEventLog(), MemoryPatterns()
    lived = [Turn(0, "enter", 0), Turn(0, "step", 1), Turn(0, "report", 0), Turn(0, "end", 0)]
    with closing(Queue(tmp_path / "queue")) as queue:
        write(log, lived)
        following = follower(log, store, queue, ManualClock())
        work(following)
        ((session, before),) = held(store).items()
        longer = MemoryEventLog()
        write(longer, [*lived, Turn(0, "correct", 0 if before.truth == "malicious" else 1)])
        work(follower(longer, store, queue, ManualClock()))
    after = held(store)[session]
    assert before.truth != after.truth
    assert before.reward != after.reward
    assert after._replace(truth=None, reward=None) == before._replace(truth=None, reward=None)


def test_while_the_store_is_away_changes_wait_in_order_and_it_is_asked_again_every_30_s(tmp_path: Path) -> None:
    log, store, clock, heard = history(1), MortalPatterns(), ManualClock(), list[Heard]()
    with closing(Queue(tmp_path / "queue")) as queue:
        following = follower(log, store, queue, clock, heard)
        store.away = True
        work(following)
        waiting = len(queue)
        assert waiting > 0
        assert [each for each in heard if isinstance(each, Away)] == [Away("away", 0, 30.0)]
        assert sum(each.changes for each in heard if isinstance(each, Queued)) == waiting
        store.away = False
        clock.now_s = 29.9
        work(following)
        assert len(queue) == waiting  # not yet
        clock.now_s = 30.0
        work(following)
        assert len(queue) == 0
    assert [each for each in heard if isinstance(each, Back)] == [Back(waiting)]
    assert sum(each.changes for each in heard if isinstance(each, Stored)) == waiting
    assert in_order(store)
    assert held(store) == wanted(log)


def test_a_full_queue_leaves_the_rest_in_the_log(tmp_path: Path) -> None:
    log, store, clock, heard = history(2), MemoryPatterns(), ManualClock(), list[Heard]()
    turns = log.turns(0, 10_000)
    assert len(turns) > 10
    with closing(Queue(tmp_path / "queue")) as queue:
        following = follower(log, store, queue, clock, heard, most_waiting=1)
        store.away = True
        work(following)
        assert len(queue) < len(wanted(log)) + 70  # one look at the log, not all of it
        assert [type(each) for each in heard].count(Full) == 1
        store.away = False
        clock.now_s = 30.0
        work(following)
    assert held(store) == wanted(log)


def test_a_store_that_was_cleared_or_put_back_is_filled_again(tmp_path: Path) -> None:
    log, store = history(3), MemoryPatterns()
    with closing(Queue(tmp_path / "queue")) as queue:
        following = follower(log, store, queue, ManualClock())
        work(following)
        before = held(store)
        store.clear()
        work(following)
        assert held(store) == before
    (tmp_path / "queue").unlink()  # nor does a queue that is gone double anything
    with closing(Queue(tmp_path / "queue")) as queue:
        work(follower(log, store, queue, ManualClock()))
    assert held(store) == before == wanted(log)


def test_two_followers_take_turns(tmp_path: Path) -> None:
    log, store = history(4), MortalPatterns()
    with closing(Queue(tmp_path / "one")) as one, closing(Queue(tmp_path / "other")) as other:
        both = [follower(log, store, queue, ManualClock()) for queue in (one, other)]
        while sum(each.turn() for each in both):
            pass
    assert held(store) == wanted(log)
    assert in_order(store)


@pytest.mark.parametrize("error", [LogUnreachable("away"), EventUnreadable("away")])
def test_a_log_that_cannot_be_read_is_said_once_and_read_when_it_can(tmp_path: Path, error: LogError) -> None:
    heard: list[Heard] = []
    log, store = AwayLog(), MemoryPatterns()
    log.error = error
    history(5, log)
    with closing(Queue(tmp_path / "queue")) as queue:
        following = follower(log, store, queue, ManualClock(), heard)
        work(following)
        work(following)
        assert heard == [LogAway("away")]
        log.away = False
        work(following)
        assert held(store) == wanted(log)


@pytest.mark.parametrize("waiting", [False, True])
def test_a_log_that_was_put_back_is_what_patterns_are_made_of_again(tmp_path: Path, waiting: bool) -> None:
    lived = [*(Turn(of, "enter", 0) for of in range(4)), *any_turns(sessions=4, count=80, seed=1)]
    before, store, clock, heard = MemoryEventLog(), MemoryPatterns(), ManualClock(), list[Heard]()
    write(before, [*lived, *(Turn(of, "end", 0) for of in range(4))])
    backup = MemoryEventLog()
    write(backup, lived)
    with closing(Queue(tmp_path / "queue")) as queue:
        store.away = waiting  # what the log does not have any more lies in the queue; else in the store
        work(follower(before, store, queue, clock))
        following = follower(backup, store, queue, clock, heard)
        work(following)
        assert PutBack(before.turns(0, 1000)[-1].position, backup.head()) in heard
        store.away = False
        clock.now_s = 60.0
        work(following)
        assert held(store) == wanted(backup)
        write(backup, [*lived, *(Turn(of, "end", 0) for of in range(3))])
        work(following)
    assert held(store) == wanted(backup)


def test_a_store_of_another_log_is_left_alone_and_changes_wait(tmp_path: Path) -> None:
    log, store, clock, heard = history(2), MemoryPatterns(), ManualClock(), list[Heard]()
    store.of_another = True
    with closing(Queue(tmp_path / "queue")) as queue:
        following = follower(log, store, queue, clock, heard)
        work(following)
        assert [each.why for each in heard if isinstance(each, Away)] == [str(PatternsOfAnotherLog())]
        assert not held(store)
        store.of_another = False
        clock.now_s = 30.0
        work(following)
    assert held(store) == wanted(log)


class AwayLog(MemoryEventLog):
    away = True
    error: LogError = LogUnreachable("away")

    def turns(self, after: int, limit: int) -> list[Entry]:
        if self.away:
            raise self.error
        return super().turns(after, limit)


def test_a_queue_that_cannot_be_read_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "queue"
    path.write_bytes(b"not a queue" * 1_000)
    log, store = history(6), MemoryPatterns()
    with closing(Queue(path)) as queue:
        work(follower(log, store, queue, ManualClock()))
    assert held(store) == wanted(log)
    assert path.with_suffix(".broken").read_bytes().startswith(b"not a queue")


@pytest.mark.parametrize("damage", ["a page", "a change"])
def test_a_queue_that_is_damaged_further_behind_is_set_aside_as_well(tmp_path: Path, damage: str) -> None:
    path, log, store = tmp_path / "queue", history(6), MemoryPatterns()
    store.away = True
    with closing(Queue(path)) as queue:
        work(follower(log, store, queue, ManualClock()))
        assert len(queue)
    if damage == "a change":
        with closing(sqlite3.connect(path, isolation_level=None)) as file:
            file.execute("UPDATE changes SET change = x'93' WHERE number = 2")
    else:
        whole, page = path.read_bytes(), 4096
        path.write_bytes(whole[:page] + bytes(page) + whole[2 * page :])
    store.away = False
    with closing(Queue(path)) as queue:
        work(follower(log, store, queue, ManualClock()))
    assert held(store) == wanted(log)
    assert path.with_suffix(".broken").exists()


DAMAGE = {
    "a change": "UPDATE changes SET change = CAST(replace(change, 'sandbox-', 'sandbOx-') AS BLOB)",
    "a position": "UPDATE changes SET position = position + 1 WHERE number = (SELECT max(number) FROM changes)",
    "how far it reaches": "UPDATE reach SET reached = reached + 1",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_queue_in_which_a_byte_was_changed_that_still_can_be_read_is_set_aside(tmp_path: Path, damage: str) -> None:
    path, log, store = tmp_path / "queue", history(6), MemoryPatterns()
    store.away = True
    with closing(Queue(path)) as queue:
        work(follower(log, store, queue, ManualClock()))
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        before = list(file.iterdump())
        file.execute(DAMAGE[damage])
        assert list(file.iterdump()) != before
    store.away = False
    with closing(Queue(path)) as queue:
        work(follower(log, store, queue, ManualClock()))
    assert held(store) == wanted(log)
    assert path.with_suffix(".broken").exists()


def test_a_bit_that_makes_a_text_of_a_change_keeps_nobody_from_reading_it(tmp_path: Path) -> None:
    path, log, store = tmp_path / "queue", history(6), MemoryPatterns()
    store.away = True
    with closing(Queue(path)) as queue:
        work(follower(log, store, queue, ManualClock()))
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("UPDATE changes SET change = CAST(change AS TEXT)")
        assert file.execute("SELECT DISTINCT typeof(change) FROM changes").fetchall() == [("text",)]
    store.away = False
    with closing(Queue(path)) as queue:
        work(follower(log, store, queue, ManualClock()))
    assert held(store) == wanted(log)


@pytest.mark.parametrize("later", [-1, 1])
def test_what_another_revision_left_in_the_queue_is_derived_anew(tmp_path: Path, later: int) -> None:
    path, log, store = tmp_path / "queue", history(6), MemoryPatterns()
    store.away = True
    with closing(Queue(path)) as queue:
        work(follower(log, store, queue, ManualClock()))
        assert len(queue)
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("UPDATE changes SET change = x'93'")
        ((version,),) = file.execute("PRAGMA user_version").fetchall()
        file.execute(f"PRAGMA user_version = {version + later}")
    store.away = False
    with closing(Queue(path)) as queue:
        work(follower(log, store, queue, ManualClock()))
    assert held(store) == wanted(log)


def test_a_queue_that_cannot_be_opened_says_so_and_stays_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "queue"
    path.mkdir()
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        Queue(path)
    assert list(tmp_path.iterdir()) == [path]

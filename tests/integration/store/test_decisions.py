"""Decisions in PostgreSQL are those of the log, each once, whatever was killed while they were projected."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import numpy as np
import pytest

from drlactors.domain.episode import Verdict, VerdictCorrected
from drlactors.learner.batch import Experiences
from drlactors.learner.projection import experiences, labels
from drlactors.ports.decisions import END, Recorded, position_at
from drlactors.ports.log import Append, Category, LogUnreachable, Stream
from drlactors.store.experiences import PostgresDecisions
from drlactors.store.log import PostgresEventLog
from drlactors.store.memory import MemoryEventLog
from drlactors.testing.histories import SCHEMA, Turn, any_turns, episode_of, write
from drlactors.testing.servers import EmbeddedPostgres
from tests.contract.store.given import SCHEMA_DIR
from tests.integration.store.dropping_proxy import COMMIT, DroppingProxy
from tests.properties.learner.test_projection import FALSE_NEGATIVE, GAMMA, WEIGHTS, projected, same

TURNS = any_turns(sessions=40, count=2_000, seed=7)


@pytest.fixture
def log(database: str) -> Iterator[PostgresEventLog]:
    with closing(PostgresEventLog(database, schema_dir=SCHEMA_DIR)) as opened:
        yield opened


@pytest.fixture
def open_decisions(database: str, log: PostgresEventLog) -> Iterator[Callable[[], PostgresDecisions]]:
    """Each is like a process of its own."""
    opened: list[PostgresDecisions] = []

    def open_another() -> PostgresDecisions:
        opened.append(PostgresDecisions(database, log, batch_entries=50))
        return opened[-1]

    yield open_another
    for decisions in opened:
        decisions.close()


def expected() -> Recorded:
    log = MemoryEventLog()
    write(log, TURNS)
    return projected(log)


def learned(recorded: Recorded) -> Experiences:
    return experiences(recorded, weights=WEIGHTS, gamma=GAMMA)


def assert_same(found: Recorded, wanted: Recorded) -> None:
    assert found.policies == wanted.policies
    for part, other in zip(found[2:], wanted[2:], strict=True):
        assert same(part, other)


def test_what_is_read_is_what_the_log_says(
    log: PostgresEventLog, open_decisions: Callable[[], PostgresDecisions]
) -> None:
    write(log, TURNS)
    decisions = open_decisions()
    assert decisions.catch_up() == log.head()
    assert_same(decisions.recorded(SCHEMA), expected())
    assert decisions.schemas() == [SCHEMA, "schema-b"]
    assert len(decisions.recorded("schema-b").decisions.seq) > 0
    assert len(decisions.recorded("schema-c").decisions.seq) == 0
    assert len(learned(decisions.recorded(SCHEMA)).a_tm1) > 100


def test_rebuilding_gives_the_same_bits(log: PostgresEventLog, open_decisions: Callable[[], PostgresDecisions]) -> None:
    write(log, TURNS)
    decisions = open_decisions()
    decisions.catch_up()
    before = decisions.recorded(SCHEMA)
    assert decisions.rebuild() == log.head()
    assert_same(decisions.recorded(SCHEMA), before)


def test_a_projection_that_follows_the_log_gives_the_same_bits(
    log: PostgresEventLog, open_decisions: Callable[[], PostgresDecisions]
) -> None:
    """Many small blocks, and another projection now and then."""
    write(log, TURNS)
    for through in range(0, log.head(), 97):
        decisions = open_decisions()
        decisions.catch_up(through)
        decisions.catch_up(through + 40)
        decisions.close()
    last = open_decisions()
    last.catch_up()
    assert_same(last.recorded(SCHEMA), expected())


def test_as_of_a_position_or_a_time_is_what_would_have_been_read_then(
    log: PostgresEventLog, open_decisions: Callable[[], PostgresDecisions]
) -> None:
    write(log, TURNS)
    decisions = open_decisions()
    then = {through: _caught_up(decisions, through) for through in (1, 333, 1_000)}
    decisions.catch_up()
    for through, recorded in then.items():
        again = decisions.recorded(SCHEMA, through=through)
        assert again.policies[: len(recorded.policies)] == recorded.policies
        assert_same(again, recorded._replace(policies=again.policies))
        assert same(learned(again), learned(recorded))
    at_us = log.read(499, 1)[0].at_us
    assert position_at(log, at_us) == 500
    assert position_at(log, at_us - 1) == 499
    assert position_at(log, 0) == 0
    assert position_at(log, at_us * 100) == log.head()


def _caught_up(decisions: PostgresDecisions, through: int) -> Recorded:
    decisions.catch_up(through)
    return decisions.recorded(SCHEMA)


def test_kill_9_in_the_middle_doubles_and_loses_nothing(
    database: str, log: PostgresEventLog, open_decisions: Callable[[], PostgresDecisions]
) -> None:
    write(log, TURNS)
    reached, killed = 0, 0
    while reached < log.head():
        command = [sys.executable, "-m", "tests.integration.store.projector", database, "40"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as projector:
            assert projector.stdout is not None
            for line in projector.stdout:
                assert int(line) > reached  # nothing is projected again
                reached = int(line)
                if killed < 4 and reached > 300 * (killed + 1):
                    killed += 1
                    projector.kill()
                    break
            after = projector.stdout.read().split()  # what it stored before the signal came
            reached = int(after[-1]) if after else reached
    assert killed == 4
    assert_same(open_decisions().recorded(SCHEMA), expected())


def test_several_at_once_project_everything_once(
    log: PostgresEventLog, open_decisions: Callable[[], PostgresDecisions]
) -> None:
    write(log, TURNS)
    several = [open_decisions() for _ in range(4)]
    threads = [threading.Thread(target=each.catch_up) for each in several]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {each.catch_up() for each in several} == {log.head()}
    assert_same(several[0].recorded(SCHEMA), expected())


def test_a_lost_answer_to_commit_doubles_nothing(database: str, log: PostgresEventLog) -> None:
    write(log, TURNS)
    with (
        DroppingProxy(database, COMMIT) as proxy,
        closing(PostgresDecisions(proxy.dsn, log, batch_entries=100)) as decisions,
    ):
        reached = -1
        while reached < log.head():
            proxy.drop.set()
            try:
                reached = decisions.catch_up(through=reached + 500)
            except LogUnreachable:
                continue
        assert proxy.dropped > 3
        proxy.drop.clear()
        assert_same(decisions.recorded(SCHEMA), expected())


def test_a_killed_postgresql_is_gone_on_with(own_postgres: EmbeddedPostgres) -> None:
    with (
        closing(PostgresEventLog(own_postgres.dsn, schema_dir=SCHEMA_DIR)) as log,
        closing(PostgresDecisions(own_postgres.dsn, log, batch_entries=50)) as decisions,
    ):
        write(log, TURNS)
        kills = iter([True, False])

        def kill_once(position: int) -> None:
            if position > 400 and next(kills, False):
                own_postgres.kill()

        with pytest.raises(LogUnreachable):
            decisions.catch_up(say=kill_once)
        own_postgres.start()
        assert decisions.catch_up() == log.head()
        assert_same(decisions.recorded(SCHEMA), expected())


def test_a_correction_relabels_what_it_touches(
    log: PostgresEventLog, open_decisions: Callable[[], PostgresDecisions]
) -> None:
    write(log, [*FALSE_NEGATIVE, Turn(2, "step", 1), Turn(2, "report", 1), Turn(2, "end", 0)])
    decisions = open_decisions()
    decisions.catch_up()
    before = decisions.recorded(SCHEMA)
    assert labels(before).malicious.tolist() == [True, True, False]
    stream = Stream(Category.EPISODE, episode_of(0))
    version = max(entry.version for entry in log.stream(stream))
    corrected = VerdictCorrected(Verdict.BENIGN, "an analyst", "a signed installer")
    [position] = log.append([Append(stream, version, (corrected,), 1, "by hand")])
    assert position is not None
    decisions.catch_up()
    after = decisions.recorded(SCHEMA)
    assert labels(after).malicious.tolist() == [False, False, False]
    old, new = learned(before), learned(after)
    assert same(old._replace(r_t=new.r_t), new)
    assert not np.array_equal(old.r_t, new.r_t)
    assert same(learned(decisions.recorded(SCHEMA, through=position - 1)), old)
    assert same(learned(decisions.recorded(SCHEMA, through=END)), new)


def test_an_older_revision_s_blocks_are_replaced(
    log: PostgresEventLog, open_decisions: Callable[[], PostgresDecisions], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(log, TURNS)
    monkeypatch.setattr("drlactors.store.experiences.READER", "decisions-0")
    open_decisions().catch_up()
    monkeypatch.undo()
    decisions = open_decisions()
    decisions.catch_up()
    assert_same(decisions.recorded(SCHEMA), expected())

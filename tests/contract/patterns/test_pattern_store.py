"""What every pattern store promises, in memory and in PostgreSQL."""

from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from typing import Any

import numpy as np
import psycopg
import pytest

from drlactors.domain.action import Action
from drlactors.domain.attack import AttackType, Recognised
from drlactors.domain.calibration import bin_of
from drlactors.domain.pattern import AttackPattern, Truth
from drlactors.patterns import postgres, queries
from drlactors.patterns.postgres import PostgresPatterns
from drlactors.ports.patterns import (
    Change,
    Found,
    Near,
    PatternsError,
    PatternsOfAnotherLog,
    PatternStore,
    PatternsUnreachable,
    Query,
    every,
)
from drlactors.testing.memory_patterns import MemoryPatterns
from tests.contract.patterns.kit import ARRIVALS, ERA_US, RAN_US, changes, pattern, postgres_patterns

MANY = [pattern(number) for number in range(120)] + [pattern(200 + n, schema="schema-b", features=3) for n in range(20)]
NEAR = Near(np.full(5, 0.5, "<f4").tobytes(), "schema-a")
RARE_US = RAN_US + 86_400_000_000
QUERIES = [
    Query(),
    Query(attack=AttackType.RANSOMWARE),
    Query(technique="T1055"),
    Query(technique="T1055.003"),
    Query(technique="T105"),  # of nothing
    Query(artifact=MANY[3].artifact.sha256),
    Query(sandbox="sandbox-1", action=Action.ISOLATE),
    Query(truth=Truth.BENIGN),
    Query(since_us=ERA_US + 20_000_000, until_us=ERA_US + 40_000_000),
    Query(ran_since_us=RAN_US + 20_000_000),
    Query(ran_since_us=RAN_US + 10_000_000, ran_until_us=RAN_US + 20_000_000),
    Query(ran_until_us=RAN_US + 25_000_000, since_us=ERA_US + 10_000_000, truth=Truth.MALICIOUS),
    Query(near=NEAR, ran_since_us=RAN_US + 20_000_000, action=Action.ISOLATE),
    Query(ended_before_us=MANY[50].ended_us),
    Query(near=NEAR),
    Query(near=Near(np.zeros(3, "<f4").tobytes(), "schema-b")),
    Query(near=NEAR, attack=AttackType.INJECTION, since_us=ERA_US + 10_000_000),
    Query(attack=AttackType.INJECTION, technique="T1486", sandbox="sandbox-1", since_us=ERA_US + 5_000_000, near=NEAR),
]


def named(value: object) -> str:
    if not isinstance(value, Query):
        return str(value)
    given = [field for field, asked in value._asdict().items() if asked not in (None, "")]
    return " ".join(given) or "all"


def everything(store: PatternStore, query: Query, limit: int) -> list[Found]:
    return list(every(store, query, page=limit))


@pytest.fixture
def filled(store: PatternStore) -> PatternStore:
    assert store.store(changes(*MANY), after=0)
    return store


def test_an_empty_store_has_nothing(store: PatternStore) -> None:
    assert store.position() == 0
    assert store.page(Query(near=NEAR), limit=10) == ((), None)
    assert store.of(MANY[0].session) is None


def test_what_is_read_is_what_was_stored(store: PatternStore) -> None:
    assert store.store(changes(*MANY[:3]), after=0)
    assert store.position() == 3
    for each in MANY[:3]:
        found = store.of(each.session)
        assert found is not None
        assert found._replace(confidence=each.confidence) == each
        assert found.faults() == []


@pytest.fixture(scope="module")
def standing(module_database: str) -> Iterator[PostgresPatterns]:
    """Filled, and only read."""
    with postgres_patterns(module_database) as store:
        assert store.store(changes(*MANY), after=0)
        yield store


@pytest.mark.parametrize("query", QUERIES, ids=named)
def test_any_combination_finds_what_holds_and_pages_join(standing: PostgresPatterns, query: Query) -> None:
    exact = MemoryPatterns()
    exact.store(changes(*MANY), after=0)
    wanted = exact.page(query, limit=1_000).found
    found = everything(standing, query, limit=7)
    assert [each.pattern for each in found] == [each.pattern for each in wanted]
    assert [each.distance for each in found] == pytest.approx([each.distance for each in wanted])
    assert all(0 < each.pattern.confidence < 1 for each in found)


def test_only_vectors_of_the_same_feature_schema_are_compared(standing: PostgresPatterns) -> None:
    found = everything(standing, Query(near=NEAR), limit=11)
    assert len(found) == 120
    assert {each.pattern.schema for each in found} == {"schema-a"}
    assert all((a.distance or 0) <= (b.distance or 0) for a, b in pairwise(found))


def test_pages_are_stable_while_patterns_are_written(filled: PatternStore) -> None:
    for query in (Query(), Query(near=NEAR)):
        before = everything(filled, query, limit=9)
        page = filled.page(query, limit=9)
        newer = [pattern(1_000 + filled.position() + number) for number in range(20)]
        assert filled.store(changes(*newer, first=filled.position() + 1), after=filled.position())
        rest: list[Found] = []
        after = page.after
        while after is not None:
            page = filled.page(query, limit=9, after=after)
            rest += page.found
            after = page.after
        old = [each.pattern.session for each in rest if each.pattern.session not in {new.session for new in newer}]
        assert old == [each.pattern.session for each in before[9:]]


def test_a_correction_replaces_the_pattern_and_moves_the_confidence_of_its_neighbours(store: PatternStore) -> None:
    judged = [pattern(number)._replace(policy="p", leaning=0.9, truth=Truth.MALICIOUS) for number in range(10)]
    assert store.store(changes(*judged), after=0)
    before = confidence(store, judged[0])
    corrected = judged[4]._replace(truth=Truth.BENIGN, reward=-20.0)
    assert store.store(changes(corrected, first=11), after=10)
    found = store.of(corrected.session)
    assert found is not None
    assert (found.truth, found.reward) == (Truth.BENIGN, -20.0)
    assert len(everything(store, Query(), limit=50)) == 10
    assert confidence(store, judged[0]) < before


def confidence(store: PatternStore, of: AttackPattern) -> float:
    found = store.of(of.session)
    assert found is not None
    return found.confidence


def test_a_change_is_taken_once_and_only_behind_its_position(filled: PatternStore) -> None:
    position = filled.position()
    again = changes(MANY[0]._replace(reward=5.0), first=position + 1)
    assert not filled.store(again, after=position - 1)
    assert not filled.store(again, after=position + 1)
    assert filled.store(again, after=position)
    assert not filled.store(again, after=position)
    assert filled.position() == position + 1


def test_of_several_changes_of_a_session_the_last_one_stays(store: PatternStore) -> None:
    first, second = pattern(1), pattern(1)._replace(truth=None, reward=None)
    assert store.store(changes(first, second), after=0)
    found = store.of(first.session)
    assert found is not None
    assert found.truth is None
    assert store.store([Change(3, first.session, None)], after=2)
    assert store.of(first.session) is None
    assert confidence_of_nothing(store) == 0.5


def confidence_of_nothing(store: PatternStore) -> float:
    """With every outcome taken back, nothing is known of any policy."""
    unknown = pattern(7)._replace(truth=None, policy="policy-1")
    assert store.store(changes(unknown, first=store.position() + 1), after=store.position())
    return confidence(store, unknown)


def test_counts_are_of_all_patterns(filled: PatternStore) -> None:
    counts = filled.counts()
    exact = MemoryPatterns()
    exact.store(changes(*MANY), after=0)
    assert counts == exact.counts()
    assert sum(counts.attacks.values()) == sum(counts.actions.values()) == len(MANY)
    known = [each for each in MANY if each.truth is not None]
    assert sum(sum(tally) for _, _, tally in counts.outcomes) == len(known)


def test_a_cleared_store_begins_anew(filled: PatternStore) -> None:
    filled.clear()
    assert filled.position() == 0
    assert filled.page(Query(), limit=10) == ((), None)
    assert filled.store(changes(MANY[0]), after=0)


# Of PostgreSQL alone


def test_patterns_of_another_log_are_shown_and_left_alone_until_they_are_taken_over(database: str) -> None:
    with postgres_patterns(database, "one") as first, postgres_patterns(database, "another") as second:
        assert second.position() == 0  # of nobody's yet
        assert first.store(changes(*MANY[:5]), after=0)
        for forbidden in (
            second.position,
            second.clear,
            lambda: second.store(changes(MANY[6], first=6), after=5),
            lambda: second.store(changes(MANY[6]), after=0),
        ):
            with pytest.raises(PatternsOfAnotherLog, match="Name a database of this one's own"):
                forbidden()
        assert len(second.page(Query(), limit=10).found) == 5
        assert (first.position(), len(first.page(Query(), limit=10).found)) == (5, 5)
        second.clear(take_over=True)
        assert second.store(changes(*MANY[:2]), after=0)
        with pytest.raises(PatternsOfAnotherLog):
            first.position()
        assert len(first.page(Query(), limit=10).found) == 2


def test_outcomes_always_are_a_count_of_the_patterns(database: str) -> None:
    with postgres_patterns(database) as store:
        position = 0
        random = np.random.default_rng(1)
        for _ in range(12):
            numbers = random.integers(0, 40, 9).tolist()
            batch = [
                Change(position + 1 + index, pattern(number).session, _any_truth(number, random))
                for index, number in enumerate(numbers)
            ]
            assert store.store(batch, after=position)
            position = batch[-1].position
        patterns = [each.pattern for each in everything(store, Query(), limit=100)]
    counted: dict[tuple[str, int], list[int]] = {}
    for each in patterns:
        if each.truth:
            counted.setdefault((each.policy, bin_of(each.leaning)), [0, 0])[each.truth is Truth.BENIGN] += 1
    with psycopg.connect(database) as connection:
        rows = connection.execute("SELECT policy, bin, malicious, benign FROM patterns.outcomes").fetchall()
    assert {(policy, index): list(counts) for policy, index, *counts in rows if any(counts)} == counted


def _any_truth(number: int, random: Any) -> AttackPattern | None:
    drawn = random.integers(4)
    return pattern(number)._replace(truth=(Truth.MALICIOUS, Truth.BENIGN, None)[drawn]) if drawn < 3 else None


def test_changes_are_written_in_their_order(database: str) -> None:
    with postgres_patterns(database) as store:
        with psycopg.connect(database) as connection:
            connection.execute(ARRIVALS)
        assert store.store(changes(MANY[0], MANY[1], MANY[0], MANY[2], MANY[1]), after=0)
    with psycopg.connect(database) as connection:
        came = connection.execute("SELECT session, position FROM arrivals ORDER BY number").fetchall()
    assert came == [(MANY[0].session, 3), (MANY[2].session, 4), (MANY[1].session, 5)]


def test_patterns_of_another_revision_are_made_anew(database: str) -> None:
    with postgres_patterns(database) as store:
        assert store.store(changes(*MANY[:5]), after=0)
        with psycopg.connect(database) as connection:
            connection.execute("UPDATE patterns.progress SET revision = 'older'")
        assert store.position() == 0
        assert store.store(changes(MANY[9]), after=0)
        assert [each.pattern.session for each in everything(store, Query(), limit=10)] == [MANY[9].session]


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (Query(), "attack_patterns_time_idx"),
        (Query(attack=AttackType.RANSOMWARE), "attack_patterns_time_idx"),  # every third one is
        (Query(attack=AttackType.MINER), "attack_patterns_attack_idx"),  # few are
        (Query(artifact="ab" * 32), "attack_patterns_artifact_idx"),
        (Query(sandbox="sandbox-9"), "attack_patterns_sandbox_idx"),
        (Query(action=Action.QUARANTINE), "attack_patterns_action_idx"),
        (Query(technique="T1496"), "attack_patterns_families_idx"),
        (Query(ran_since_us=RARE_US, ran_until_us=RARE_US + 1), "attack_patterns_ran_idx"),
        (Query(near=NEAR, ran_since_us=RARE_US), "attack_patterns_ran_idx"),
        (Query(near=NEAR), "attack_patterns_near_"),
        (Query(near=NEAR, attack=AttackType.RANSOMWARE, since_us=0), "attack_patterns_near_"),
        (Query(near=NEAR, attack=AttackType.MINER), "attack_patterns_attack_idx"),
    ],
    ids=named,
)
def test_each_question_has_an_index_that_serves_it(indexed: psycopg.Connection, query: Query, index: str) -> None:
    asked = queries.asked(query, 11, None)
    rows = indexed.execute(b"EXPLAIN " + asked.statement.as_bytes(indexed), asked.parameters).fetchall()
    plan = "\n".join(row[0] for row in rows)
    assert index in plan, plan


@pytest.fixture(scope="module")
def indexed(standing: PostgresPatterns, module_database: str) -> Any:
    """Enough rows that an index pays, and a few rare ones."""
    many = [pattern(number) for number in range(10_000, 12_000)]
    plain = [each._replace(action=Action.REVIEW) for each in many]
    rare = Recognised(AttackType.MINER, ("T1496.001",), ("rule",))
    plain[::500] = [each._replace(action=Action.QUARANTINE, sandbox="sandbox-9", attack=rare) for each in many[::500]]
    plain[::400] = [each._replace(first_seen_us=RARE_US, last_seen_us=RARE_US) for each in plain[::400]]
    assert standing.store(changes(*plain, first=standing.position() + 1), after=standing.position())
    with psycopg.connect(module_database, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE patterns.attack_patterns")
        connection.execute("SET enable_seqscan = off")
        yield connection


def test_what_holds_far_away_only_is_found_all_the_same(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the index has looked at so many that it gives up, all of which the conditions hold are compared."""
    monkeypatch.setattr(postgres, "EXACT_COST", 0)
    monkeypatch.setattr(postgres, "MAX_SCAN_TUPLES", 100)
    random = np.random.default_rng(3)
    near = [placed(number, random.uniform(0, 0.2, 5), AttackType.NONE) for number in range(800)]
    far = [placed(number, random.uniform(0.6, 1, 5), AttackType.MINER) for number in range(800, 830)]
    query = Query(near=Near(np.zeros(5, "<f4").tobytes(), "schema-a"), attack=AttackType.MINER)
    exact = MemoryPatterns()
    exact.store(changes(*far), after=0)
    by_nearness = "options=-c%20enable_seqscan%3Doff%20-c%20enable_bitmapscan%3Doff%20-c%20enable_sort%3Doff"
    with postgres_patterns(database) as store, closing(PostgresPatterns(f"{database}?{by_nearness}")) as forced:
        assert store.store(changes(*near, *far), after=0)
        with psycopg.connect(f"{database}?{by_nearness}") as connection:
            asked = queries.asked(query, 11, None)
            plan = connection.execute(b"EXPLAIN " + asked.statement.as_bytes(connection), asked.parameters).fetchall()
        assert "attack_patterns_near_" in str(plan)
        found = forced.page(query, limit=10).found
    assert [each.pattern.session for each in found] == [
        each.pattern.session for each in exact.page(query, limit=10).found
    ]


def placed(number: int, at: Any, kind: AttackType) -> AttackPattern:
    vector = np.asarray(at, "<f4").tobytes()
    return pattern(number)._replace(state_vector=vector, attack=Recognised(kind, (), ()))


def test_a_reader_asks_everything_and_writes_nothing(database: str) -> None:
    with postgres_patterns(database) as store:
        assert store.store(changes(*MANY[:5]), after=0)
    with psycopg.connect(database, autocommit=True) as connection:
        name = f"reader_{connection.info.dbname}"
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'only-reads'".encode())
        connection.execute(f"GRANT USAGE ON SCHEMA patterns TO {name}".encode())
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA patterns TO {name}".encode())
    own, _, place = database.partition("@")
    reader = PostgresPatterns(f"{own.partition('//')[0]}//{name}:only-reads@{place}")
    try:
        assert len(reader.page(Query(near=NEAR), limit=10).found) == 5
        assert reader.position() == 5
        with pytest.raises(Exception, match="permission denied"):
            reader.store(changes(MANY[6], first=6), after=5)
        with pytest.raises(Exception, match="permission denied"):
            reader.clear()
    finally:
        reader.close()
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(f"DROP OWNED BY {name}; DROP ROLE {name}".encode())


def test_a_schema_of_an_older_program_is_said_in_words(database: str) -> None:
    with postgres_patterns(database) as store, psycopg.connect(database, autocommit=True) as connection:
        connection.execute(b"ALTER TABLE patterns.progress DROP COLUMN log")
        with pytest.raises(PatternsError, match="The schema of the patterns is of an older program"):
            store.position()


def test_a_server_that_is_not_there_is_unreachable() -> None:
    store = PostgresPatterns("postgresql://nobody@127.0.0.1:1/none")
    try:
        with pytest.raises(PatternsUnreachable, match="Connection refused"):  # and not only that there is none
            store.position()
    finally:
        store.close()


def test_one_who_takes_its_turn_and_vanishes_does_not_hold_the_others_up(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with postgres_patterns(database) as store:
        assert store.position() == 0
        monkeypatch.setattr(postgres, "IDLE_IN_TRANSACTION_TIMEOUT_MS", 200)  # for who connects from now on
        with postgres_patterns(database) as vanished, vanished._pool.connection() as connection:
            connection.execute(b"BEGIN; " + postgres._TAKE_TURN)
            assert store.store(changes(MANY[0]), after=0)
            connection.close()


def test_a_position_that_was_deleted_by_hand_begins_anew(database: str) -> None:
    with postgres_patterns(database) as store:
        assert store.store(changes(*MANY[:5]), after=0)
        for forgotten in range(2):
            with psycopg.connect(database, autocommit=True) as connection:
                connection.execute(b"DELETE FROM patterns.progress")
            if forgotten:
                store.clear()
            assert not store.store(changes(MANY[5], first=6), after=5)
            assert store.store(changes(*MANY[:6]), after=0)
            assert store.position() == 6
            assert len(store.page(Query(), limit=10).found) == 6

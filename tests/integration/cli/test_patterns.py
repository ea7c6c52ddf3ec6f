"""`drlactors patterns` on a real log."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import make_conninfo

from drlactors.__main__ import run
from drlactors.config import load
from drlactors.ports.patterns import PatternsError
from drlactors.store.log import PostgresEventLog
from drlactors.testing.histories import Turn, any_turns, session_of, write
from drlactors.wiring import make_all
from drlactors.wiring.patterns import Task
from tests.contract.store.given import SCHEMA_DIR

LIVED = [
    *(Turn(0, "enter", 0), Turn(0, "step", 1), Turn(0, "two steps", 5), Turn(0, "report", 0), Turn(0, "end", 0)),
    *any_turns(sessions=9, count=400, seed=3),
    *(Turn(of, "end", 0) for of in range(9)),
]

Said = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def dsn(module_database: str) -> str:
    with closing(PostgresEventLog(module_database, schema_dir=SCHEMA_DIR)) as log:
        write(log, LIVED)
    return module_database


@pytest.fixture
def drlactors(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    """One command on the log: status, what it printed, what it complained of."""
    monkeypatch.setenv("DRLACTORS_POSTGRES__URL", dsn)
    monkeypatch.setenv("DRLACTORS_SERVER__DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "250")

    def said(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = run(arguments)
        return status, *capsys.readouterr()

    return said


def rows(told: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in told.splitlines()]


def test_before_the_first_pattern_it_says_so(drlactors: Said, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    PostgresEventLog(database, schema_dir=SCHEMA_DIR).close()
    monkeypatch.setenv("DRLACTORS_POSTGRES__URL", database)
    status, told, why = drlactors("patterns", "query")
    assert status != 0
    assert told == ""
    assert "No patterns were made in this database yet." in why


def test_what_was_learned_is_made_asked_for_and_counted(drlactors: Said) -> None:
    status, told, _ = drlactors("patterns", "rebuild")
    assert status == 0
    count = int(told.split()[0])
    assert count > 3
    assert drlactors("patterns", "rebuild")[1] == told

    _, told, _ = drlactors("patterns", "query", "--json", "--limit", "1000")
    found = rows(told)
    assert len(found) == count
    assert all(0 <= each["confidence"] <= 1 and each["distance"] is None for each in found)
    kinds = {each["type"] for each in found}
    for kind in kinds:
        same = rows(drlactors("patterns", "query", "--type", kind, "--json", "--limit", "1000")[1])
        assert same == [each for each in found if each["type"] == kind]

    _, told, _ = drlactors("patterns", "stats", "--json")
    counted = json.loads(told)
    assert (counted["patterns"], counted["behind"]) == (count, 0)
    assert sum(each["sessions"] for each in counted["calibration"]) == sum(each["truth"] is not None for each in found)
    assert f"{count} patterns" in drlactors("patterns", "stats")[1]

    # Page by page
    paged = list[dict[str, Any]]()
    after: tuple[str, ...] = ()
    for _ in range(count):
        status, told, more = drlactors("patterns", "query", "--json", "--limit", "2", *after)
        assert status == 0
        paged += rows(told)
        after = tuple(more.removeprefix("more: ").split())
        if not after:
            break
    assert paged == found

    # Like something
    session = found[0]["session"]
    status, told, _ = drlactors("patterns", "query", "--like", f"{session}:{found[0]['window']}", "--json")
    near = rows(told)
    assert near[0]["distance"] == 0
    assert {each["schema"] for each in near} == {found[0]["schema"]}
    shown = json.loads(drlactors("patterns", "show", session, "--json")[1])
    assert shown["session"] == session
    assert session not in {each["session"] for each in shown["nearest"]}
    assert "nearest patterns" in drlactors("patterns", "show", session)[1]
    assert session in drlactors("patterns", "query", "--like", session)[1]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("query", "--type", "sorcery"), "sorcery"),
        (("query", "--technique", "T1055.3"), "it is written as T1055 or T1055.003"),
        (("query", "--artifact", "d41d8cd98f00b204e9800998ecf8427e"), "64 hexadecimal digits"),
        (("query", "--since", "yesterday"), "A time is written as"),
        (("query", "--after", "here"), "The place behind which"),
        (("query", "--after", f"inf/{session_of(0)}"), "The place behind which"),
        (("query", "--after", f"1e300/{session_of(0)}"), "The place behind which"),
        (("query", "--like", "nobody"), "The log has no decision"),
        (("query", "--like", f"{session_of(0)}:999"), "The log has no decision"),
        (("show", "00000000-0000-0000-0000-000000000000"), "No pattern is of this session"),
    ],
)
def test_what_cannot_be_asked_is_said(drlactors: Said, arguments: tuple[str, ...], complaint: str) -> None:
    drlactors("patterns", "rebuild")
    status, _, why = drlactors("patterns", *arguments)
    assert status != 0
    assert complaint in why


def test_a_store_that_goes_away_meanwhile_does_not_pass_for_one_with_all_patterns(dsn: str, tmp_path: Path) -> None:
    settings = load(environ={"DRLACTORS_SERVER__DATA_DIR": str(tmp_path)}).settings
    task = Task.of(settings, dsn)._replace(patterns_dsn=make_conninfo(dsn, dbname="nowhere"))
    with pytest.raises(PatternsError):
        make_all(task)


def test_an_unknown_type_is_answered_with_those_that_there_are(drlactors: Said) -> None:
    status, _, why = drlactors("patterns", "query", "--type", "Ransomware")
    assert (status, "ransomware, " in why) == (2, True)


def test_two_installations_that_share_a_pattern_database_leave_each_others_patterns_alone(
    drlactors: Said, dsn: str, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(PostgresEventLog(database, schema_dir=SCHEMA_DIR)) as log:
        write(log, [*(Turn(of, "enter", 0) for of in range(3)), *(Turn(of, "end", 0) for of in range(3))])
    assert drlactors("patterns", "rebuild")[0] == 0
    told = drlactors("patterns", "stats")[1]
    settings = load(environ={"DRLACTORS_SERVER__DATA_DIR": str(tmp_path / "other")}).settings
    with pytest.raises(PatternsError, match="made of another event log"):
        make_all(Task.of(settings, database)._replace(patterns_dsn=dsn))
    assert drlactors("patterns", "stats")[1] == told
    monkeypatch.setenv("DRLACTORS_POSTGRES__URL", database)
    monkeypatch.setenv("DRLACTORS_PATTERNS__URL", dsn)
    status, _, why = drlactors("patterns", "rebuild")
    assert (status, "--take-over" in why, len(why.splitlines())) == (1, True, 1), why
    assert ", made of another event log" in drlactors("patterns", "stats")[1]
    assert drlactors("patterns", "rebuild", "--take-over")[0] == 0
    assert "made of another" not in drlactors("patterns", "stats")[1]
    monkeypatch.setenv("DRLACTORS_POSTGRES__URL", dsn)
    assert drlactors("patterns", "rebuild", "--take-over")[0] == 0
    assert drlactors("patterns", "stats")[1] == told

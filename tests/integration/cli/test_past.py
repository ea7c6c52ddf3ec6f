"""`drlactors episodes` and `drlactors archive` on a real log."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from drlactors.__main__ import run
from drlactors.cli.episodes import EpisodeGoesOn, carry_out
from drlactors.domain.episode import Correct, Verdict, VerdictCorrected
from drlactors.learner.projection import labels
from drlactors.ports.log import Category, Stream
from drlactors.store.archive import MANIFEST
from drlactors.store.log import PostgresEventLog
from drlactors.store.memory import MemoryEventLog
from drlactors.testing.histories import SCHEMA, Turn, any_turns, episode_of, write
from drlactors.wiring import past
from drlactors.wiring.history import ForeignArchive
from tests.conftest import fresh_database
from tests.contract.store.given import SCHEMA_DIR
from tests.properties.learner.test_projection import FALSE_NEGATIVE

EPISODE = episode_of(0)
CORRECT = Correct(Verdict.BENIGN, "an analyst", "a signed installer")

Said = Callable[..., tuple[int, str, str]]


@pytest.fixture
def log(database: str) -> Iterator[PostgresEventLog]:
    with closing(PostgresEventLog(database, schema_dir=SCHEMA_DIR)) as opened:
        write(
            opened,
            [*FALSE_NEGATIVE, *(turn._replace(of=turn.of + 2) for turn in any_turns(sessions=9, count=400, seed=3))],
        )
        yield opened


@pytest.fixture
def drlactors(
    database: str,
    log: PostgresEventLog,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Said:
    """One command on the log: status, what it printed, what it complained of."""
    monkeypatch.setenv("DRLACTORS_POSTGRES__URL", database)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("DRLACTORS_SERVER__DATA_DIR", str(tmp_path))

    def said(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = run(arguments)
        return status, *capsys.readouterr()

    return said


def correct(
    drlactors: Said, episode: UUID = EPISODE, verdict: str = "benign", why: str = "signed"
) -> tuple[int, str, str]:
    return drlactors("episodes", "correct", str(episode), "--verdict", verdict, "--why", why, "--who", "Ada")


def test_a_correction_is_appended_once_and_listed(drlactors: Said, log: PostgresEventLog) -> None:
    head = log.head()
    status, told, _ = correct(drlactors)
    assert (status, told) == (0, f"corrected to benign at log position {log.head()}\n")
    [entry] = log.read(head, 10)
    assert entry.events == (VerdictCorrected(Verdict.BENIGN, "Ada", "signed"),)
    assert correct(drlactors)[:2] == (0, "it was corrected to benign before\n")
    assert log.head() == entry.position
    _, listed, _ = drlactors("episodes", "list", "--json", "--limit", "1000")
    [shown] = [line for line in map(json.loads, listed.splitlines()) if line["episode"] == str(EPISODE)]
    assert (shown["verdict"], shown["corrected"], shown["by"]) == ("false-negative", "benign", "Ada")
    assert len(shown["sessions"]) == 2
    assert str(EPISODE) in drlactors("episodes", "list", "--limit", "1000")[1]


def test_a_correction_that_cannot_be_is_one_clear_line(drlactors: Said, log: PostgresEventLog) -> None:
    head = log.head()
    status, _, complaint = correct(drlactors, uuid4())
    assert (status, complaint) == (1, "drlactors: Nothing is known of this episode: no session has entered it.\n")
    status, _, complaint = correct(drlactors, why="  ")
    assert (status, len(complaint.splitlines())) == (2, 1)
    status, _, complaint = correct(drlactors, verdict="partial")
    assert (status, "malicious" in complaint) == (2, True)
    session = log.read(0, 1)[0].stream.id
    status, _, complaint = correct(drlactors, session)
    assert (status, "belongs to session-" in complaint) == (1, True)
    assert log.head() == head


class Racing(MemoryEventLog):
    """Somebody else is faster, so many times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def append(self, appends, positions=None):
        if self.times and appends[0].causation.startswith("by hand"):
            self.times -= 1
            other = VerdictCorrected(Verdict.MALICIOUS, "another", str(self.times))
            super().append([appends[0]._replace(events=(other,))])
        return super().append(appends, positions)


@pytest.mark.parametrize("times", [0, 1, 5])
def test_a_correction_is_decided_anew_when_the_episode_went_on(times: int) -> None:
    log = Racing(times)
    write(log, [Turn(0, "enter", 0)])
    carry_out(log, EPISODE, CORRECT, 1)
    *_, last = log.stream(Stream(Category.EPISODE, EPISODE))
    assert last.events == (VerdictCorrected(*CORRECT),)
    assert last.version == times + 2


def test_a_correction_gives_up_on_an_episode_that_always_goes_on() -> None:
    log = Racing(1_000)
    write(log, [Turn(0, "enter", 0)])
    with pytest.raises(EpisodeGoesOn):
        carry_out(log, EPISODE, CORRECT, 1)


def test_the_archive_is_written_shown_and_verified(drlactors: Said, log: PostgresEventLog, tmp_path: Path) -> None:
    status, _, complaint = drlactors("archive", "show")
    assert (status, f"{tmp_path / 'archive'} holds no archive: {MANIFEST} is missing" in complaint) == (1, True)
    status, told, _ = drlactors("archive", "write", "--through", "100")
    assert (status, told.strip()) == (0, "parts written: 1; the archive reaches position 100")
    at = log.read(149, 1)[0].at_us / 1_000_000
    assert (
        "reaches position 150"
        in drlactors("archive", "write", "--before", f"1970-01-01T00:0{int(at // 60)}:{at % 60:02.0f}")[1]
    )
    assert f"reaches position {log.head()}" in drlactors("archive", "write")[1]
    assert "parts written: 0" in drlactors("archive", "write")[1]
    parts = [json.loads(line) for line in drlactors("archive", "show", "--json")[1].splitlines()]
    assert [part["through"] for part in parts] == [100, 150, log.head()]
    assert f"{parts[0]['decisions']:,}" in drlactors("archive", "show")[1]
    assert drlactors("archive", "verify")[0] == 0
    damaged = next((tmp_path / "archive").glob("facts-*.parquet"))
    damaged.write_bytes(b"")
    status, told, _ = drlactors("archive", "verify")
    assert (status, damaged.name in told) == (1, True)
    assert drlactors("archive", "write", "--through", "1", "--before", "2026-01-01")[0] == 2


def test_the_past_is_the_archive_and_the_log_behind_it(drlactors: Said, log: PostgresEventLog) -> None:
    with past() as (history, _):
        before = history.recorded(SCHEMA)
    drlactors("archive", "write", "--through", "200")
    correct(drlactors)
    with past() as (history, _):
        after = history.recorded(SCHEMA)
        then = history.recorded(SCHEMA, through=log.head() - 1)
    assert sorted(after.decisions.position) == sorted(before.decisions.position)
    assert labels(then).malicious.tolist() == labels(before).malicious.tolist()
    assert labels(before).malicious[:2].tolist() == [True, True]
    assert labels(after).malicious[:2].tolist() == [False, False]


@pytest.mark.parametrize("sessions", [0, 9], ids=["begun anew", "with another past"])
def test_an_archive_is_not_gone_on_with_by_another_log(
    sessions: int, drlactors: Said, tmp_path: Path, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    drlactors("archive", "write", "--through", "100")
    kept = {path.name: path.read_bytes() for path in (tmp_path / "archive").iterdir()}
    for other in fresh_database(postgres_dsn):
        monkeypatch.setenv("DRLACTORS_POSTGRES__URL", other)
        with closing(PostgresEventLog(other, schema_dir=SCHEMA_DIR)) as log:
            write(log, any_turns(sessions=sessions, count=400, seed=5) if sessions else [])
        with past() as (history, _), pytest.raises(ForeignArchive):
            history.recorded(SCHEMA)
        status, _, complaint = drlactors("archive", "write")
        assert (status, "another log" in complaint) == (1, True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "archive").iterdir()} == kept


def test_episodes_are_counted_by_what_they_came_to(drlactors: Said) -> None:
    correct(drlactors)
    _, told, _ = drlactors("episodes", "statistics", "--json")
    counts = {row["what"]: row["count"] for row in map(json.loads, told.splitlines())}
    _, listed, _ = drlactors("episodes", "list", "--json", "--limit", "1000")
    rows = [json.loads(line) for line in listed.splitlines()]
    for name, verdict in (("without a verdict", ""), *((verdict, verdict) for verdict in Verdict)):
        assert counts[name] == sum(row["verdict"] == verdict for row in rows)
    assert counts["episodes"] == len(rows)
    assert sum(count for name, count in counts.items() if name.startswith("partial, since")) == counts["partial"]
    assert sum(count for name, count in counts.items() if name.startswith("corrected")) == sum(
        row["corrected"] != "" for row in rows
    )
    assert counts["corrected to benign after malicious"] >= 1
    assert counts["seconds to the verdict, median"] > 0
    _, told, _ = drlactors("episodes", "statistics", "--json", "--hours", "1")
    assert json.loads(told.splitlines()[0]) == {"what": "episodes", "count": 0}

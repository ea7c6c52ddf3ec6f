"""`drlactors patterns export` on a real log and a real store of patterns."""

import csv
import io
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import stix2

from drlactors.__main__ import run
from drlactors.exports.ocsf.rules import faults
from drlactors.exports.table import COLUMNS
from drlactors.store.log import PostgresEventLog
from drlactors.testing.histories import Turn, any_turns, write
from tests.contract.store.given import SCHEMA_DIR

LIVED = [*any_turns(sessions=9, count=400, seed=3), *(Turn(of, "end", 0) for of in range(9))]

Said = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def dsn(module_database: str) -> str:
    with closing(PostgresEventLog(module_database, schema_dir=SCHEMA_DIR)) as log:
        write(log, LIVED)
    return module_database


@pytest.fixture
def drlactors(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    monkeypatch.setenv("DRLACTORS_POSTGRES__URL", dsn)
    monkeypatch.setenv("DRLACTORS_SERVER__DATA_DIR", str(tmp_path))

    def said(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        status = run([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return said


def test_what_cannot_be_exported_leaves_no_file(drlactors: Said, tmp_path: Path) -> None:
    status, _, complaint = drlactors("patterns", "export", "--format", "csv", "--out", tmp_path / "none.csv")
    assert (status, len(complaint.splitlines())) == (1, 1)
    assert not list(tmp_path.glob("none*"))
    assert drlactors("patterns", "export", "--format", "xml")[0] == 2
    assert drlactors("patterns", "export", "--format", "csv", "--since", "yesterday")[0] == 1


def test_all_that_was_learned_leaves_in_each_format(drlactors: Said, tmp_path: Path) -> None:
    count = int(drlactors("patterns", "rebuild")[1].split()[0])
    assert count > 3
    lines = [json.loads(line) for line in drlactors("patterns", "export", "--format", "json")[1].splitlines()]
    queried = drlactors("patterns", "query", "--json", "--limit", "1000")[1].splitlines()
    assert [line | {"distance": None} for line in lines] == [json.loads(line) for line in queried]

    file = tmp_path / "patterns.csv"
    assert drlactors("patterns", "export", "--format", "csv", "--out", file)[:2] == (0, "")
    header, *rows = csv.reader(io.StringIO(file.read_bytes().decode(), newline=""), strict=True)
    assert header == list(COLUMNS)
    assert [row[0] for row in rows] == [line["session"] for line in lines]

    bundle = stix2.parse(drlactors("patterns", "export", "--format", "stix")[1], allow_custom=False)
    analyses = [each for each in bundle.objects if each["type"] == "malware-analysis"]
    assert len(analyses) == count

    events = [json.loads(line) for line in drlactors("patterns", "export", "--format", "ocsf")[1].splitlines()]
    assert not [fault for event in events for fault in faults(event) if "timestamp_t" not in fault]  # it is 1970 there
    found = [event for event in events if event["class_uid"] == 2004]
    assert [event["finding_info"]["uid"] for event in found] == [line["session"] for line in lines]
    assert {event["class_uid"] for event in events} > {2004}
    alone = drlactors("patterns", "export", "--format", "ocsf", "--findings-only")[1].splitlines()
    assert [json.loads(line) for line in alone] == found


def test_only_what_is_asked_for_leaves(drlactors: Said) -> None:
    drlactors("patterns", "rebuild")
    lines = [json.loads(line) for line in drlactors("patterns", "export", "--format", "json")[1].splitlines()]
    for name, value in (("truth", "malicious"), ("action", lines[0]["action"]), ("type", lines[0]["type"])):
        asked = drlactors("patterns", "export", "--format", "json", f"--{name}", value)[1].splitlines()
        assert [json.loads(line) for line in asked] == [line for line in lines if line[name] == value]

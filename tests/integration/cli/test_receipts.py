"""`drlactors receipts` on a real log, and without one."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from drlactors.__main__ import run
from drlactors.ports.log import Append
from drlactors.store.log import PostgresEventLog
from tests.contract.store.given import AT_US, SCHEMA_DIR, recorded, session
from tests.unit.exports.receipts import ROWS

STREAM = session()
EVENTS = sum(map(len, ROWS))

Said = Callable[..., tuple[int, str, str]]


@pytest.fixture
def log(database: str) -> Iterator[PostgresEventLog]:
    with closing(PostgresEventLog(database, schema_dir=SCHEMA_DIR)) as opened:
        after = 0
        for events in ROWS:
            opened.append([Append(STREAM, after, events, AT_US, "message-1")])
            after += len(events)
        yield opened


@pytest.fixture
def drlactors(
    database: str,
    log: PostgresEventLog,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Said:
    monkeypatch.setenv("DRLACTORS_POSTGRES__URL", database)
    monkeypatch.setenv("DRLACTORS_SERVER__DATA_DIR", str(tmp_path / "data"))

    def said(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        status = run([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return said


@pytest.fixture
def file(drlactors: Said, tmp_path: Path) -> Path:
    status, told, complaint = drlactors("receipts", "export", STREAM.id, "--out", tmp_path / "receipts")
    assert status == 0, complaint
    made = tmp_path / "receipts" / f"receipt-{STREAM.id}.jsonl"
    assert told.splitlines()[0] == f"{made}: {EVENTS} events"
    return made


def test_a_receipt_that_was_exported_holds(drlactors: Said, file: Path) -> None:
    status, told, _ = drlactors("receipts", "verify", file)
    assert status == 0
    assert f"holds: {EVENTS} events of session {STREAM.id}, which has ended, signed by local with " in told


def test_a_receipt_is_verified_without_a_server_by_whoever_has_the_public_key(
    drlactors: Said, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public = json.loads(file.read_text().splitlines()[-1])["key"]
    monkeypatch.setenv("DRLACTORS_POSTGRES__URL", "postgresql://nobody:nothing@127.0.0.1:1/none")
    monkeypatch.setenv("DRLACTORS_SERVER__DATA_DIR", str(tmp_path / "elsewhere"))
    status, told, _ = drlactors("receipts", "verify", file)
    assert (status, "which is not trusted here" in told) == (1, True)
    assert drlactors("receipts", "verify", file, "--trust", public)[0] == 0
    monkeypatch.setenv("DRLACTORS_RECEIPTS__TRUSTED_KEYS", public)
    assert drlactors("receipts", "verify", file)[0] == 0
    assert not (tmp_path / "elsewhere").exists()


def test_a_changed_byte_is_named_by_its_event_and_the_status_is_1(drlactors: Said, file: Path) -> None:
    sound = file.read_bytes()
    file.write_bytes(sound.replace(b'"propensity":1.0', b'"propensity":0.9', 1))
    status, told, _ = drlactors("receipts", "verify", file)
    assert status == 1
    assert f"{file}: line 4, event 3 (session.action-selected:1): it was changed: its link does not hold" in told
    assert told.splitlines()[-1] == f"{file}: does not hold"


def test_a_receipt_that_cannot_be_read_is_named_and_the_others_are_verified(drlactors: Said, file: Path) -> None:
    gone = file.with_name("gone.jsonl")
    status, told, _ = drlactors("receipts", "verify", gone, file.parent, file)
    assert status == 1
    first, second, third = told.splitlines()
    assert first == f"{gone}: cannot be read: No such file or directory"
    assert second == f"{file.parent}: cannot be read: Is a directory"
    assert third.startswith(f"{file}: holds")


def test_a_receipt_is_compared_with_the_log(drlactors: Said, log: PostgresEventLog, tmp_path: Path) -> None:
    other = session()
    log.append([Append(other, 0, ROWS[0], AT_US, "message-1")])
    assert drlactors("receipts", "export", other.id, "--out", tmp_path)[0] == 0
    file = tmp_path / f"receipt-{other.id}.jsonl"
    status, told, _ = drlactors("receipts", "verify", file, "--against-log")
    assert (status, "which had not ended yet" in told, "more events" in told) == (0, True, False)
    log.append([Append(other, 1, (recorded(0),), AT_US, "message-2")])
    status, told, _ = drlactors("receipts", "verify", file, "--against-log")
    assert (status, "the log has 1 more events since this receipt" in told) == (0, True)


def test_what_cannot_be_exported_is_one_clear_line_and_leaves_nothing(drlactors: Said, tmp_path: Path) -> None:
    unknown = uuid4()
    status, _, complaint = drlactors("receipts", "export", STREAM.id, unknown, "--out", tmp_path / "none")
    assert (status, f"session-{unknown}" in complaint, len(complaint.splitlines())) == (1, True, 1)
    assert not (tmp_path / "none").exists()
    assert drlactors("receipts", "export")[0] == 2
    assert drlactors("receipts", "verify")[0] == 2
    assert drlactors("receipts", "verify", tmp_path / "none")[0] == 1


def test_no_key_is_made_within_a_repository(drlactors: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    status, _, complaint = drlactors("receipts", "export", STREAM.id, "--out", tmp_path)
    assert (status, "receipts.key" in complaint) == (1, True)


def test_a_receipt_that_cannot_be_made_anew_leaves_the_one_that_is_there(
    drlactors: Said, database: str, file: Path
) -> None:
    before = file.read_bytes()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            b"UPDATE eventlog.stored_events SET state = ''::bytea WHERE originator_version = "
            b"(SELECT max(originator_version) FROM eventlog.stored_events)"
        )
    status, _, complaint = drlactors("receipts", "export", STREAM.id, "--out", file.parent)
    assert (status, "row format" in complaint) == (1, True)
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]

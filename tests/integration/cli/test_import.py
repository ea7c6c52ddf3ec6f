"""`drlactors import` on a real log: all of a report or nothing, once, whatever is killed or broken in between."""

import bz2
import gzip
import json
import lzma
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from drlactors.__main__ import run
from drlactors.cli.replaying import Verifier
from drlactors.domain import episode, session, truth
from drlactors.domain.action import Action
from drlactors.domain.features import FeatureSchema
from drlactors.domain.guard import Reason
from drlactors.domain.ids import SessionId, episode_of
from drlactors.domain.session import (
    ActionSelected,
    ActionWithheld,
    Ended,
    EndReason,
    Outcome,
    OutcomeReported,
    Started,
    TelemetryRecorded,
)
from drlactors.inference import RulePolicy
from drlactors.ports.log import Category, Stream
from drlactors.sandboxes.errors import UnknownReport
from drlactors.sandboxes.importers import finished, source
from drlactors.store.log import PostgresEventLog
from tests.contract.store.given import SCHEMA_DIR
from tests.unit.sandboxes.importers.kit import (
    SHA256,
    cape,
    cape_call,
    cape_process,
    cuckoo,
    cuckoo_call,
    cuckoo_process,
)

Said = Callable[..., tuple[int, str, str]]
INJECTS = cape_call("WriteProcessMemory", "10:00:03,000", arguments={"ProcessHandle": "0x10", "ProcessId": "9"})


@pytest.fixture
def log(database: str) -> Iterator[PostgresEventLog]:
    with closing(PostgresEventLog(database, schema_dir=SCHEMA_DIR)) as opened:
        yield opened


@pytest.fixture
def drlactors(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Said:
    """One command on the log: status, what it printed, what it complained of."""
    monkeypatch.setenv("DRLACTORS_POSTGRES__URL", database)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("DRLACTORS_SERVER__DATA_DIR", str(tmp_path / "data"))

    def said(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        status = run([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return said


def reports(folder: Path, **named: Any) -> Path:
    folder.mkdir(exist_ok=True)
    for name, report in named.items():
        data = report if isinstance(report, bytes) else json.dumps(report).encode()
        (folder / f"{name}.json").write_bytes(data)
    return folder


def seconds(number: int, first: int = 0) -> list[dict[str, Any]]:
    return [cape_call(at=f"10:00:{second:02},000", api=f"Nt{first}") for second in range(number)]


def stored(log: PostgresEventLog) -> dict[SessionId, list[session.Event]]:
    found: dict[SessionId, list[session.Event]] = {}
    after = 0
    while entries := log.read(after, 1000):
        for entry in entries:
            if entry.stream.category is Category.SESSION:
                found.setdefault(SessionId(entry.stream.id), []).extend(entry.of_session)
        after = entries[-1].position
    return found


def of_episode(log: PostgresEventLog, session_id: SessionId) -> list[episode.Event]:
    entries = log.stream(Stream(Category.EPISODE, episode_of(session_id)))
    return [event for entry in entries for event in entry.of_episode]


def test_a_report_becomes_a_session_that_was_watched_to_its_end(drlactors: Said, log: PostgresEventLog, tmp_path: Path):
    folder = reports(tmp_path / "in", one=cape(cape_process(7, *seconds(3), INJECTS, cape_call(at="10:00:05,000"))))
    status, told, _ = drlactors("import", folder, "--verdicts")
    assert status == 0
    assert "1 imported" in told
    ((session_id, events),) = stored(log).items()
    started = events[0]
    assert isinstance(started, Started)
    assert (started.sandbox, started.stage, started.artifact.sha256, started.window_ms) == ("CAPE 2.4", 1, SHA256, 1000)
    assert str(session_id) in told
    assert [event.window.seq for event in events if isinstance(event, TelemetryRecorded)] == [0, 1, 2, 3, 4, 5]
    assert [event.action for event in events if isinstance(event, ActionSelected)] == [Action.CONTINUE] * 6
    withheld = [event for event in events if isinstance(event, ActionWithheld)]
    assert {(event.seq, event.reason) for event in withheld} == {(3, Reason.MONITORED)}  # what would have been done
    assert events[-1] == Ended(EndReason.FINISHED)
    assert not any(isinstance(event, OutcomeReported) for event in events)  # its verdict says nothing


def test_its_decisions_are_reached_again(drlactors: Said, log: PostgresEventLog, tmp_path: Path):
    drlactors("import", reports(tmp_path / "in", one=cape(cape_process(7, *seconds(59), INJECTS))))
    schema = FeatureSchema()
    verifier = Verifier({RulePolicy(schema).info.id: RulePolicy(schema)}, schema)
    verifier.read(log.read(0, 1000))
    found = verifier.finish()
    assert (found.decisions, found.reached) == (59, 59)
    status, told, _ = drlactors("replay", "--verify")
    assert (status, "59 of 59" in told) == (0, True)


def test_patterns_of_reports_are_found_by_when_their_samples_ran(drlactors: Said, tmp_path: Path):
    days = {"first": "2020-10-22", "later": "2020-10-29", "years_later": "2023-01-28"}
    absurd = {"ahead": "2093-01-28", "counts": "1970-01-01"}
    ran = {
        name: cape(cape_process(7, *(cape_call(at=f"10:00:0{second},500", day=day) for second in range(3))))
        for name, day in (days | absurd).items()
    }
    told = drlactors("import", reports(tmp_path / "in", **ran))[1]
    assert told.count("ran 2020-10-2") == told.count("when it ran is not known") == 2
    assert drlactors("patterns", "rebuild")[0] == 0

    def seen(*conditions: str) -> list[str | None]:
        told = drlactors("patterns", "query", "--json", *conditions)[1]
        return sorted((json.loads(line)["first_seen"] for line in told.splitlines()), key=str)

    october = ("--ran-since", "2020-10-01", "--ran-until", "2020-11-01")
    first, later, years_later = (f"{days[name]}T10:00:00.500000Z" for name in ("first", "later", "years_later"))
    assert seen() == [first, later, years_later, None, None]
    assert seen(*october) == [first, later]
    assert seen(*october, "--since", "2026-01-01", "--sandbox", "CAPE 2.4") == [first, later]
    assert seen(*october, "--until", "2026-01-01") == []
    assert seen("--ran-since", "2020-10-22T10:00:01") == [later, years_later]
    assert seen("--ran-until", "2020-10-22T12:00:01+02:00") == [first]
    page, more = drlactors("patterns", "query", "--json", *october, "--limit", "1")[1:]
    rest = drlactors("patterns", "query", "--json", *october, *more.removeprefix("more: ").split())[1]
    assert sorted(json.loads(line)["first_seen"] for line in (page, rest)) == [first, later]
    shown = json.loads(page)
    assert f"last_seen    {shown['last_seen']}" in drlactors("patterns", "show", shown["session"])[1]

    exported = drlactors("patterns", "export", "--format", "ocsf", *october)[1].splitlines()
    assert {json.loads(line)["duration"] for line in exported} == {3000}
    bundle = json.loads(drlactors("patterns", "export", "--format", "stix", "--ran-since", "2023-01-01")[1])
    [analysis] = [each for each in bundle["objects"] if each["type"] == "malware-analysis"]
    assert (analysis["analysis_started"], analysis["analysis_ended"]) == (
        "2023-01-28T10:00:00.500Z",
        "2023-01-28T10:00:03.500Z",
    )


def test_outcomes_come_from_where_one_says(drlactors: Said, log: PostgresEventLog, tmp_path: Path):
    folder = reports(
        tmp_path / "in",
        bad=cape(cape_process(7, *seconds(2))),
        good=cuckoo(cuckoo_process(7, cuckoo_call()), target={"file": {"sha256": "cd" * 32}}),
        neither=cape(cape_process(7, *seconds(3)), target={"file": {"sha256": "ef" * 32}}),
    )
    labels = tmp_path / "labels.csv"
    rows = ("file,target_sha256,label", "some/bad.json,,malicious", f",{'CD' * 32},benign", "neither.json,,unknown")
    labels.write_text("\n".join(rows))
    status, told, _ = drlactors("import", folder, "--labels", labels)
    assert (status, "3 imported" in told) == (0, True)
    by_artifact = {}
    for session_id, events in stored(log).items():
        assert isinstance(events[0], Started)
        went = of_episode(log, session_id)
        by_artifact[events[0].artifact.sha256[:2]] = truth.malicious(session_id, events, went)
        assert episode.DECIDER.fold(went).verdict is not None, "nothing waits for a stage 2"
    assert by_artifact == {"ab": True, "cd": False, "ef": None}


def test_a_report_without_any_call_failed_and_is_never_benign(drlactors: Said, log: PostgresEventLog, tmp_path: Path):
    folder = reports(tmp_path / "in", none=cape(), silent=cuckoo(cuckoo_process(7), extra=1))
    (tmp_path / "labels.csv").write_text(f"sha256,label\n{SHA256},benign\n")
    assert drlactors("import", folder, "--labels", tmp_path / "labels.csv")[0] == 0
    assert len(stored(log)) == 2
    for session_id, events in stored(log).items():
        assert [event.outcome for event in events if isinstance(event, OutcomeReported)] == [Outcome.FAILED]
        assert events[-1] == Ended(EndReason.FAILED)
        assert truth.malicious(session_id, events, of_episode(log, session_id)) is None


def test_importing_twice_stores_nothing_twice(drlactors: Said, log: PostgresEventLog, tmp_path: Path):
    report = json.dumps(cape(cape_process(7, *seconds(3)))).encode()
    folder = reports(tmp_path / "in", one=report)
    (folder / "again.json").write_bytes(report)
    (folder / "packed.json.gz").write_bytes(gzip.compress(report))
    _, told, _ = drlactors("import", folder)
    assert "1 imported" in told
    assert "2 there already" in told
    head = log.head()
    status, told, _ = drlactors("import", folder, "--window-ms", 250)
    assert (status, log.head()) == (0, head)
    assert "3 there already" in told


def test_looking_stores_nothing_and_shows_the_processes(drlactors: Said, log: PostgresEventLog, tmp_path: Path):
    child = cape_process(9, cape_call(), parent=7, name="child\x1b[2J.exe")
    folder = reports(tmp_path / "in", one=cape(cape_process(7, INJECTS), child))
    status, told, _ = drlactors("import", "--look", folder)
    assert (status, log.head()) == (0, 0)
    assert "1 readable" in told
    assert "in its tree injected by 7" in told
    assert "\x1b" not in told


WHOLE = json.dumps(cape(cape_process(7, *seconds(9)))).encode()
BROKEN = {
    "empty": (b"", "the file itself: it is empty"),
    "other": (b'{"hello": "world"}', "no report of a kind that is known"),
    "cut": (WHOLE[: len(WHOLE) // 2], r"behavior\.processes\[0\]\.calls"),
    "garbage": (WHOLE.replace(b'"api": "Nt0"', b'"api": Nt0', 1), r"behavior\.processes\[0\]\.calls\[0\]"),
    "types": (WHOLE.replace(b'"Nt0", "status": true', b'"Nt0", "status": [7]', 1), r"calls\[0\].*got `array`"),
    "shape": (json.dumps(cape() | {"behavior": []}).encode(), "behavior .*an object is expected"),
    "tail": (WHOLE + b"{}", "something follows the end"),
    "deep": (WHOLE[:-1] + b', "x": ' + b"[" * 1_000_000, "nested deeper than"),
    "huge": (WHOLE[:-1] + b', "x": "' + b"y" * (65 << 20) + b'"}', "longer than 64 MiB"),
    "bomb": (gzip.compress(WHOLE[:-1] + b', "x": [' + b"1, " * (40 << 20) + b"1]}", 9), "times its size"),
    "packed": (gzip.compress(WHOLE)[:-20], "damaged or cut off"),
}


def test_what_cannot_be_read_is_named_with_its_place_and_leaves_nothing(
    drlactors: Said, log: PostgresEventLog, tmp_path: Path, subtests: pytest.Subtests
):
    folder = reports(tmp_path / "in", good=WHOLE, **{name: data for name, (data, _) in BROKEN.items()})
    os.mkfifo(folder / "pipe.json")
    (folder / "link.json").symlink_to("link.json")
    (folder / "device.json").symlink_to(os.devnull)
    status, told, _ = drlactors("import", *sorted(folder.iterdir()))
    assert status == 1
    assert "1 imported" in told
    assert len(stored(log)) == 1
    lines = [line.rstrip() for line in told.splitlines()]
    refused = {name: why for name, (_, why) in BROKEN.items()} | dict.fromkeys(
        ("pipe", "link", "device"), "not a regular file"
    )
    for name, why in refused.items():
        with subtests.test(name):
            (line,) = (line for line in lines if f"/{name}.json" in line)
            assert line.startswith("broken ")
            assert re.search(why, line), line


def test_a_report_that_goes_while_others_are_imported_is_named_and_the_others_are_imported(
    drlactors: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = reports(tmp_path / "in", one=WHOLE, other=WHOLE + b" ")
    digest = finished.digest

    def gone(path: Path) -> str:
        found = digest(path)
        if path.name == "one.json":
            path.unlink()
        return found

    monkeypatch.setattr(finished, "digest", gone)
    status, told, _ = drlactors("import", folder)
    assert (status, "1 broken, 1 imported" in told, "No such file" in told) == (1, True, True)


def test_what_is_no_report_in_a_folder_is_skipped_with_the_reason(drlactors: Said, tmp_path: Path):
    folder = reports(tmp_path / "in", one=WHOLE, notes=b"to be read by people")
    status, told, _ = drlactors("import", folder)
    assert status == 0
    assert "skipped" in told
    assert "no report of a kind that is known" in told
    assert drlactors("import", folder / "notes.json")[0] == 1


def test_what_lies_beside_reports_in_a_folder_and_is_no_file_is_skipped(drlactors: Said, tmp_path: Path):
    """CAPE puts links to the sample and to the newest task between its reports."""
    folder = reports(tmp_path / "in", one=WHOLE)
    os.mkfifo(folder / "pipe")
    (folder / "binary").symlink_to(os.devnull)
    (folder / "latest").symlink_to(folder)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "socket"))
        status, told, _ = drlactors("import", folder)
    assert (status, "4 skipped, 1 imported" in told) == (0, True), told
    assert told.count("not a regular file") == 4


def test_a_link_is_followed_where_it_is_named_and_nowhere_else(drlactors: Said, tmp_path: Path):
    folder = reports(tmp_path / "in", one=WHOLE)
    other = reports(tmp_path / "other", two=WHOLE + b" ", three=WHOLE + b"  ")
    (folder / "to_two.json").symlink_to(other / "two.json")
    (folder / "to_other").symlink_to(other)
    assert "2 skipped" in drlactors("import", folder, "--look")[1]
    (tmp_path / "folder").symlink_to(folder)
    assert "1 readable, 2 skipped" in drlactors("import", tmp_path / "folder", "--look")[1]
    labels = tmp_path / "labels.csv"
    labels.write_text("file,label\nto_two.json,benign\n")
    status, told, _ = drlactors("import", folder / "to_two.json", "--labels", labels)
    assert (status, "1 imported" in told, f"imported {folder}/to_two.json" in told, "benign" in told) == (
        0,
        *[True] * 3,
    )
    assert "1 there already" in drlactors("import", other / "two.json")[1]
    assert "2 readable" in drlactors("import", folder / "to_other", "--look")[1]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"PK\x03\x04" + bytes(40), "a zip archive: unpack it first"),
        (lzma.compress(WHOLE), "packed by xz: unpack it first"),
        (bz2.compress(WHOLE), "packed by bzip2: unpack it first"),
        (gzip.compress(WHOLE.decode().encode("utf-16")), "in UTF-16 or UTF-32: convert it to UTF-8 first"),
    ],
    ids=["zip", "xz", "bzip2", "utf-16"],
)
def test_a_report_that_is_wrapped_otherwise_is_skipped_with_what_to_do(
    data: bytes, told: str, drlactors: Said, tmp_path: Path
):
    status, said, _ = drlactors("import", reports(tmp_path / "in", one=data))
    assert (status, told in said) == (0, True), said


def test_a_large_file_that_is_no_report_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder, read = reports(tmp_path / "in", dump=bytes(1 << 20)), list[int]()
    take = source.Source.read

    def counted(self: source.Source, size: int = -1) -> bytes:
        read.append(size)
        return take(self, size)

    monkeypatch.setattr(source.Source, "read", counted)
    with pytest.raises(UnknownReport):
        finished.digest(folder / "dump.json")
    assert not read


def test_kill_9_in_the_middle_stores_whole_reports_only_and_the_next_import_the_rest(
    drlactors: Said, log: PostgresEventLog, database: str, tmp_path: Path
):
    """Killed right after one report is stored, when the next, of 8,000 calls, is being read; and again."""
    many = 8
    for number in range(many):
        calls = [call for call in seconds(40, number) for _ in range(200)]
        folder = reports(tmp_path / "in", **{f"r{number}": cape(cape_process(7, *calls))})
    environment = os.environ | {"DRLACTORS_POSTGRES__URL": database, "COLUMNS": "200"}
    for last in ("r0.json", "r2.json"):
        program = [sys.executable, "-m", "drlactors", "import", str(folder)]
        with subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, text=True) as importing:
            assert importing.stdout is not None
            next(line for line in importing.stdout if last in line)
            importing.kill()
        found = stored(log)
        assert 0 < len(found) < many
        for session_id, events in found.items():
            assert session.DECIDER.fold(events).over
            assert of_episode(log, session_id)
    status, told, _ = drlactors("import", folder)
    assert status == 0
    assert f"{many - len(found)} imported" in told
    lived = stored(log)
    assert len(lived) == many
    assert all(sum(isinstance(event, TelemetryRecorded) for event in events) == 40 for events in lived.values())

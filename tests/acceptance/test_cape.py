"""A CAPE beside a real system: its tasks are followed, stopped early, and survive whatever is killed meanwhile.

CAPE itself is one without machines (tests/unit/sandboxes/cape/fake.py): its own module, folders, logs and API.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from drlactors.config.share import share
from drlactors.domain.action import Action
from drlactors.domain.ids import SessionId
from drlactors.domain.session import (
    ActionSelected,
    Ended,
    EndReason,
    Event,
    FeedbackReceived,
    Outcome,
    OutcomeReported,
    Started,
    TelemetryLost,
    TelemetryRecorded,
)
from drlactors.ports.log import Category, Stream
from drlactors.sandboxes.cape.note import Note, waiting
from drlactors.store.log import PostgresEventLog
from drlactors.testing.processes import HeldPort
from drlactors.testing.servers import EmbeddedNats
from tests.acceptance.harness import SystemProcess, wait_for
from tests.unit.sandboxes.cape.fake import SHA256, FakeCape, Task
from tests.unit.sandboxes.cape.kit import Monitor


@pytest.fixture
def port() -> HeldPort:
    """Named beforehand: who was killed comes back at the same address."""
    return HeldPort()


@pytest.fixture
def gateway(port: HeldPort) -> str:
    return port.address


@pytest.fixture
def system(tmp_path: Path, own_nats: EmbeddedNats, database: str, gateway: str) -> Iterator[SystemProcess]:
    """Without a model, the rules decide; without isolation, since CAPE has none."""
    rules = {"rules__isolation_steps": 0, "rules__isolation_before_quarantine": 0}
    settings = {"model__path": str(tmp_path / "none.onnx"), "gateway__address": gateway, **rules}
    with SystemProcess(tmp_path / "system", own_nats.url, database, **settings) as process:
        yield process.start()
        assert process.stop() == 0


@pytest.fixture
def cape(tmp_path: Path) -> Iterator[FakeCape]:
    with FakeCape(tmp_path / "cape", token="secret") as running:
        yield running


class Companion:
    """``drlactors sandbox cape``, killed as often as one likes."""

    def __init__(self, cape: FakeCape, gateway: str) -> None:
        token = cape.root / "token"
        token.write_text("secret\n")
        self._log = cape.root / "companion.log"
        self._command = [
            *(sys.executable, "-m", "drlactors", "sandbox", "cape", "--root", str(cape.root), "--api", cape.url),
            *("--api-token-file", str(token), "--gateway", gateway, "--window-ms", "100"),
        ]

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        self._process.terminate()
        return self._process.wait(180)

    @property
    def says(self) -> str:
        return self._log.read_text()


@pytest.fixture
def companion(cape: FakeCape, system: SystemProcess, gateway: str) -> Iterator[Companion]:
    one = Companion(cape, gateway)
    one.start()
    yield one
    assert one.stop() == 0, one.says


@pytest.fixture
def log(database: str) -> Iterator[PostgresEventLog]:
    found = PostgresEventLog(database, schema_dir=share("eventstore"))
    yield found
    found.close()


def begin(cape: FakeCape, number: int) -> tuple[Task, SessionId, Monitor]:
    task = cape.start(number)
    (note,) = map(Note.read, waiting(cape.spool))
    return task, note.session, task.begin()


def events(log: PostgresEventLog, session: SessionId) -> list[Event]:
    return [event for entry in log.stream(Stream(Category.SESSION, session)) for event in entry.of_session]


def windows(log: PostgresEventLog, session: SessionId) -> list[TelemetryRecorded]:
    return [event for event in events(log, session) if isinstance(event, TelemetryRecorded)]


def wait_ended(log: PostgresEventLog, session: SessionId, companion: Companion) -> list[Event]:
    wait_for(lambda: any(isinstance(event, Ended) for event in events(log, session)), 60, f"it ended: {companion.says}")
    return events(log, session)


def encrypts(task: Task, monitor: Monitor, files: int) -> None:
    """As ransomware does: a new file for each old one, which is deleted."""
    for number in range(files):
        name = rf"C:\Users\u\Documents\{number}.docx"
        task.write(monitor.pid, monitor.calls("NtWriteFile", HandleName=name + ".locked", Length=4096))
        task.write(monitor.pid, monitor.calls("DeleteFileW", FileName=name))


def test_a_task_that_encrypts_files_is_finished_early_by_the_policy(
    cape: FakeCape, companion: Companion, log: PostgresEventLog
) -> None:
    task, session, monitor = begin(cape, 7)
    cape.on_finish = lambda _: task.end()
    wait_for(lambda: len(windows(log, session)) >= 2, 60, f"windows are recorded: {companion.says}")
    encrypts(task, monitor, 400)
    found = wait_ended(log, session, companion)
    assert cape.finished == [7]
    started = found[0]
    assert isinstance(started, Started)
    assert (started.sandbox, started.stage, started.artifact.sha256) == ("cape", 1, SHA256)
    stop = next(event for event in found if isinstance(event, ActionSelected) and event.action is Action.TERMINATE)
    assert "mass change of files" in stop.because
    answer = next(event for event in found if isinstance(event, FeedbackReceived))
    assert (answer.seq, answer.success, answer.outcome) == (stop.seq, True, "terminated")
    assert [event.outcome for event in found if isinstance(event, OutcomeReported)] == [Outcome.MALICIOUS]
    assert [event.reason for event in found if isinstance(event, Ended)] == [EndReason.TERMINATED]
    assert sum(event.window.telemetry.file_delete_count or 0 for event in windows(log, session)) == 400


def test_whatever_is_killed_meanwhile_each_window_is_recorded_once_and_every_call_is_in_one(
    cape: FakeCape, companion: Companion, system: SystemProcess, log: PostgresEventLog
) -> None:
    task, session, monitor = begin(cape, 7)

    def deeds() -> int:
        return sum(event.window.telemetry.file_read_count or 0 for event in windows(log, session))

    def read(number: int) -> None:
        task.write(monitor.pid, monitor.calls("NtReadFile", HandleName=rf"C:\{number}", Length=1))

    for number in range(4):
        read(number)
        wait_for(lambda number=number: deeds() > number, 60, f"it was seen: {companion.says}")  # type: ignore[misc]
        companion.kill()
        read(100 + number)
        if number == 2:
            system.kill()
            system.start()
        companion.start()
        wait_for(lambda number=number: deeds() == 2 * number + 2, 60, f"and this: {companion.says}")  # type: ignore[misc]
        task.write(monitor.pid, monitor.calls("NtClose"))
    task.end()
    found = wait_ended(log, session, companion)
    seqs = [event.window.seq for event in windows(log, session)]
    assert seqs == list(range(len(seqs)))
    assert deeds() == 8
    assert not any(isinstance(event, TelemetryLost) for event in found)
    assert [event.outcome for event in found if isinstance(event, OutcomeReported)] == [Outcome.BENIGN]


def test_killed_while_it_finishes_a_task_it_does_not_finish_it_twice_and_does_not_forget(
    cape: FakeCape, companion: Companion, log: PostgresEventLog
) -> None:
    task, session, monitor = begin(cape, 7)
    cape.on_finish = lambda _: companion.kill()
    wait_for(lambda: len(windows(log, session)) >= 2, 60, f"windows are recorded: {companion.says}")
    encrypts(task, monitor, 400)
    wait_for(lambda: cape.finished, 60, f"it is finished: {companion.says}")
    companion.start()
    wait_for(lambda: "goes on behind window" in companion.says, 60, "the next one goes on")
    task.end()
    found = wait_ended(log, session, companion)
    assert cape.finished == [7]
    assert {event.outcome for event in found if isinstance(event, OutcomeReported)} == {Outcome.MALICIOUS}

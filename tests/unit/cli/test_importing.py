"""What an import that was cut off has left to do."""

import os
import threading
from contextlib import closing
from pathlib import Path

import pytest
from rich.progress import Progress

from drlactors.cli.importing import _Play, found
from drlactors.config import load
from drlactors.domain.ids import SessionId
from drlactors.domain.session import Artifact, Outcome
from drlactors.ports.bus import Delivery
from drlactors.ports.clock import SystemClock
from drlactors.sandboxes.importers.finished import Finished, Report, session_of
from drlactors.store.memory import MemoryEventLog
from drlactors.testing.memory_bus import MemoryBus
from drlactors.wiring.importing import Importer

SHA256 = "ab" * 32
REPORT = Report(SHA256, "CAPE", 1000, ())
RUNS = [
    Finished(session_of(SHA256, number), "box", Artifact(SHA256, "exe"), 1000, (), Outcome.FAILED, "why")
    for number in range(3)
]


@pytest.mark.parametrize("over", range(3))
def test_of_a_report_with_several_runs_those_are_played_that_are_not_over(over: int) -> None:
    importer = Importer(MemoryEventLog(), load(environ={}).settings, SystemClock())
    importer.store(SHA256, RUNS[:over])
    heard: set[SessionId] = set()
    expected, all_heard = {run.session for run in RUNS[over:]}, threading.Event()

    def hear(batch: list[Delivery]) -> None:
        heard.update(delivery.session for delivery in batch)
        if heard >= expected:
            all_heard.set()

    with closing(MemoryBus()) as bus, Progress(disable=True) as progress:
        bus.consume(0, hear, 1 << 20)
        with closing(bus.link()) as link:
            notes = _Play(importer, link, 1.0).take(REPORT, RUNS, progress)
        assert notes == ["it was over already"] * over + [""] * (3 - over)
        assert all_heard.wait(10)  # the bus delivers in its own time
    assert heard == expected


def test_a_report_of_which_all_is_over_is_not_played_again() -> None:
    importer = Importer(MemoryEventLog(), load(environ={}).settings, SystemClock())
    importer.store(SHA256, RUNS)
    with closing(MemoryBus()) as bus, closing(bus.link()) as link, Progress(disable=True) as progress:
        assert _Play(importer, link, 1.0).take(REPORT, RUNS, progress) is None


def test_a_folder_that_cannot_be_read_is_named_as_a_report_would_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for whom it may not be read: the superuser, who may run this, may."""
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").touch()
    scan = os.scandir

    def scandir(path: str) -> object:
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    reports = [(tmp_path / name / "report.json", False) for name in ("a", "c")]
    assert list(found((tmp_path,))) == [*reports, (tmp_path / "b", True)]

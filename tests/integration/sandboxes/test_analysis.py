"""What a run of a real program is said to have come to."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from drlactors.domain.session import Outcome
from drlactors.sandboxes import analysis
from drlactors.sandboxes.analysis import Analysis, Specimen, Terms
from drlactors.sandboxes.sandbox import Sandbox
from drlactors.testing.memory_bus import MemoryBus


def test_a_program_about_which_nobody_answered_is_not_benign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analysis, "ANSWER_S", 0.1)
    with closing(MemoryBus()) as bus, Sandbox(bus.link(), "box") as sandbox:
        terms = Terms(confines=None, folder=tmp_path)
        found = Analysis(sandbox, Specimen.of(["true"]), terms, lambda: datetime.now(UTC)).run()
    assert (found.outcome, found.stopped) == (Outcome.FAILED, None)
    assert "windows were never answered" in found.detail

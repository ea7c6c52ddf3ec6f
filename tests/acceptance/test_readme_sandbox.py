"""The sandbox that the README shows is a program: it is run as it stands."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from drlactors.config.share import share
from drlactors.domain.action import Action
from drlactors.domain.session import (
    Ended,
    Event,
    FeedbackReceived,
    Outcome,
    OutcomeReported,
    Started,
    TelemetryRecorded,
)
from drlactors.ports.log import Category
from drlactors.store.log import PostgresEventLog
from drlactors.testing.servers import EmbeddedNats
from tests.acceptance.harness import SystemProcess, wait_for
from tests.unit.inference.models import preferring

README = Path(__file__).parents[2] / "README.md"
MOST_LINES = 20


def program() -> str:
    (found,) = [
        code for code in re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL) if "Sandbox(" in code
    ]
    return str(found)


@pytest.fixture
def system(tmp_path: Path, own_nats: EmbeddedNats, database: str) -> Iterator[SystemProcess]:
    process = SystemProcess(
        tmp_path / "system",
        own_nats.url,
        database,
        gateway__address="127.0.0.1:0",
        model__path=str(preferring(tmp_path, Action.TERMINATE)),
        model__deadline_ms=60_000,
        models__allow_unsigned=True,
    )
    with process:
        yield process.start()


def test_it_is_twenty_lines() -> None:
    lines = [line for line in program().splitlines() if line.strip() and not line.startswith(("import ", "from "))]
    assert len(lines) <= MOST_LINES


def test_the_sandbox_of_the_readme_works_as_it_stands(
    system: SystemProcess, own_nats: EmbeddedNats, database: str, tmp_path: Path
) -> None:
    """A policy that would rather terminate stops a program that would run for ten minutes."""
    box, sample = tmp_path / "box.py", tmp_path / "sample.sh"
    box.write_text(program())
    sample.write_text("#!/bin/sh\nexec sleep 600\n")
    sample.chmod(0o700)
    gateway = json.loads((system.folder / "run.json").read_text())["gateway"]
    done = subprocess.run(
        [sys.executable, str(box), gateway, str(sample)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    log = PostgresEventLog(database, schema_dir=share("eventstore"))

    def events() -> list[Event]:
        entries = [entry for entry in log.read(0, 1000) if entry.stream.category is Category.SESSION]
        return [event for entry in entries for event in entry.of_session]

    wait_for(lambda: any(isinstance(event, Ended) for event in events()), 60, "the session has ended")
    found = events()
    log.close()
    assert isinstance(found[0], Started)
    assert (found[0].sandbox, found[0].stage) == ("my-sandbox", 1)
    assert sum(isinstance(event, TelemetryRecorded) for event in found) >= 2
    assert FeedbackReceived in [type(event) for event in found]
    assert [event.outcome for event in found if isinstance(event, OutcomeReported)] == [Outcome.MALICIOUS]

"""A folder to work in, and every way of building walls that this machine has, which is said at the end."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from drlactors.sandboxes.containment import walls


@pytest.fixture(params=walls.builders())
def builder(request: pytest.FixtureRequest) -> str:
    """Every way of building walls that this machine has."""
    return str(request.param)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    found = walls.builders()
    missing = "" if "bubblewrap" in found else "; bubblewrap is not installed, or does not work, here"
    terminalreporter.write_line(f"walls were tested as built by {' and by '.join(found)}{missing}")


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="contained-") as place:
        yield Path(place).resolve()

"""A folder to work in, and every way of building walls that this machine has."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from drlactors.sandboxes.containment import walls


@pytest.fixture(params=walls.builders())
def builder(request: pytest.FixtureRequest) -> str:
    """Every way of building walls that this machine has."""
    return str(request.param)


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="contained-") as place:
        yield Path(place).resolve()

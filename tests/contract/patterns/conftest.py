"""Stores to test against."""

from collections.abc import Iterator

import pytest

from drlactors.ports.patterns import PatternStore
from drlactors.testing.memory_patterns import MemoryPatterns
from tests.contract.patterns.kit import postgres_patterns


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> Iterator[PatternStore]:
    """An empty store of each kind: what holds for one holds for the other."""
    if request.param == "memory":
        yield MemoryPatterns()
        return
    with postgres_patterns(request.getfixturevalue("database")) as opened:
        yield opened

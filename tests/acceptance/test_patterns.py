"""What a running system records becomes patterns, whatever becomes of their database, and decisions go on meanwhile."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from drlactors.testing.servers import EmbeddedNats, EmbeddedPostgres
from tests.acceptance.harness import servers
from tests.acceptance.outage import outage


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedNats, EmbeddedPostgres]]:
    yield from servers(tmp_path_factory.mktemp("servers"))


def test_while_the_pattern_database_is_stopped_decisions_go_on_and_the_queue_empties_in_order(
    tmp_path: Path, real: tuple[EmbeddedNats, EmbeddedPostgres], monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a whole minute, and asked again every 30 s: ./dev bench outage."""
    monkeypatch.setenv("DRLACTORS_PATTERNS__FOLLOW", "true")
    ended = outage(tmp_path, *real, down_s=0, waves=2, patterns__retry_s=0.2, patterns__follow_s=0.1)
    assert ended.faults == []
    assert ended.waiting >= len(ended.meanwhile_s) * 8

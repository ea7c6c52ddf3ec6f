"""One system for all of it: what one test sends must not trouble the next."""

from collections.abc import Iterator

import pytest

from drlactors.config.share import share
from drlactors.store.log import PostgresEventLog
from drlactors.testing.servers import EmbeddedNats, EmbeddedPostgres
from tests.acceptance.harness import SystemProcess, servers
from tests.acceptance.raw import SANDBOX, Box, Raw


@pytest.fixture(scope="package")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedNats, EmbeddedPostgres]]:
    yield from servers(tmp_path_factory.mktemp("servers"))


@pytest.fixture(scope="package")
def system(
    tmp_path_factory: pytest.TempPathFactory, real: tuple[EmbeddedNats, EmbeddedPostgres]
) -> Iterator[SystemProcess]:
    folder = tmp_path_factory.mktemp("system")
    settings = {"sandboxes__known": [SANDBOX, "crowd"], "sessions__idle_passivate_s": 15}  # of which one waits for none
    with SystemProcess(folder, real[0].url, real[1].dsn, **settings) as process:
        yield process.start()
        assert process.stop() == 0
        assert "actor.failed" not in process.log_path.read_text(), process.log_path.read_text()[-4000:]


@pytest.fixture
def raw(real: tuple[EmbeddedNats, EmbeddedPostgres], system: SystemProcess) -> Iterator[Raw]:
    with Raw(real[0].url) as client:
        yield client
    assert system.alive()


@pytest.fixture
def box(raw: Raw) -> Box:
    return Box(raw).started()


@pytest.fixture(scope="package")
def log(real: tuple[EmbeddedNats, EmbeddedPostgres], system: SystemProcess) -> Iterator[PostgresEventLog]:
    log = PostgresEventLog(real[1].dsn, schema_dir=share("eventstore"))
    yield log
    log.close()

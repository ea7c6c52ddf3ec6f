"""What every test may ask for: running servers, fresh databases, and no test that is left out in silence."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings

from drlactors.testing.servers import EmbeddedNats, EmbeddedPostgres

#: Tests that may be skipped, by node id, each with its reason. Any other skip or expected failure fails the session.
ALLOWED_SKIPS: dict[str, str] = {
    "tests/integration/sandboxes/test_cgroup.py::test_what_another_user_left_is_not_waited_for": (
        "only root leaves what others cannot remove"
    ),
}

#: Each system that runs has a process that makes patterns: one second of a core at every start of every test's.
os.environ.setdefault("DRLACTORS_PATTERNS__FOLLOW", "false")

#: A machine that is busy makes an example slow, not wrong: hypothesis would call it a failure after 200 ms.
#: The same examples in each run: a change is told apart from luck. ``--hypothesis-seed N`` looks among others.
settings.register_profile("drlactors", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("drlactors")


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedNats]:
    """One server for the session. It is shared: take names of streams and subjects that no other test has."""
    with EmbeddedNats(tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest.fixture(scope="session")
def nats_url(nats_server: EmbeddedNats) -> str:
    return nats_server.url


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_dsn(postgres_server: EmbeddedPostgres) -> str:
    """The session's server, database ``drlactors``: to make databases from, not to write into."""
    return postgres_server.dsn


@pytest.fixture
def database(postgres_dsn: str) -> Iterator[str]:
    """The DSN of an empty database of the test's own (40 ms), gone with the test."""
    yield from fresh_database(postgres_dsn)


@pytest.fixture(scope="module")
def module_database(postgres_dsn: str) -> Iterator[str]:
    """The DSN of an empty database that the tests of one module share."""
    yield from fresh_database(postgres_dsn)


@pytest.fixture
def own_nats(tmp_path: Path) -> Iterator[EmbeddedNats]:
    """A running server of the test's own, to be killed and started again."""
    with EmbeddedNats(tmp_path / "nats") as server:
        yield server


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A running server of the test's own (1 s), to be killed and started again."""
    with EmbeddedPostgres(tmp_path / "postgres") as server:
        yield server


def fresh_database(dsn: str) -> Iterator[str]:
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    yield dsn.rpartition("/")[0] + f"/{name}"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


class LeftOut:
    """Fails a session in which a test was skipped, or failed as expected, without standing in ALLOWED_SKIPS."""

    def __init__(self) -> None:
        self.left_out: dict[str, str] = {}

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self._note(report.nodeid, report.longrepr)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if hasattr(report, "wasxfail"):
            self._note(report.nodeid, f"expected to fail: {report.wasxfail or 'no reason given'}")
        elif report.skipped:
            self._note(report.nodeid, report.longrepr)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.left_out and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for nodeid, why in self.left_out.items():
            terminalreporter.write_line(f"FAILED {nodeid} - left out, and not in ALLOWED_SKIPS: {why}", red=True)

    def _note(self, nodeid: str, longrepr: object) -> None:
        if nodeid not in ALLOWED_SKIPS:
            self.left_out[nodeid] = str(longrepr[2] if isinstance(longrepr, tuple) else longrepr)


def pytest_configure(config: pytest.Config) -> None:
    # A test that speaks gRPC starts servers as another user, for which Python forks: gRPC's handlers end such a child.
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
    config.pluginmanager.register(LeftOut())

"""What the commands reach from outside a running system: its addresses, its log, its bus."""

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from drlactors.bus import dead_letters
from drlactors.bus.credentials import Credentials
from drlactors.bus.dead_letters import Buried
from drlactors.bus.nats_link import NatsSandboxLink
from drlactors.config.load import load
from drlactors.config.settings import Settings
from drlactors.config.share import share
from drlactors.inference import Trust
from drlactors.store.connections import Connections
from drlactors.store.log import PostgresEventLog
from drlactors.store.migrations import Status, migrate, status
from drlactors.store.tenure import Tenure
from drlactors.testing.processes import write_secret
from drlactors.testing.servers import EmbeddedNats, EmbeddedPostgres

RUN_FILE = "run.json"


class Addresses(NamedTuple):
    """Where the servers of a running system are; written to ``run.json`` under its data directory while it runs."""

    nats_url: str
    postgres_dsn: str
    metrics_url: str
    pid: int
    gateway: str = ""  # HOST:PORT, where there is one

    @property
    def nats_shown(self) -> str:
        """Without what one logs in with: what is printed ends in a journal."""
        return re.sub(r"(^|//|,)[^@/,]*@", r"\1", self.nats_url)


def credentials(settings: Settings) -> Credentials:
    nats = settings.nats
    return Credentials(
        token=nats.token.get_secret_value(),
        tls_ca_file=Path(nats.tls_ca) if nats.tls_ca else None,
        tls_cert_file=Path(nats.tls_cert) if nats.tls_cert else None,
        tls_key_file=Path(nats.tls_key) if nats.tls_key else None,
    )


def trust(settings: Settings) -> Trust:
    """Whose models may serve."""
    return Trust(frozenset(settings.models.trusted_keys), settings.models.allow_unsigned)


def open_log(dsn: str, tenure: Tenure | None = None) -> PostgresEventLog:
    """``tenure``: of the plane that serves it; everybody else only reads it, or writes what no plane does."""
    return PostgresEventLog(dsn, schema_dir=share("eventstore"), tenure=tenure)


def running(settings: Settings) -> Addresses | None:
    """The addresses of the system that runs on this data directory, if one does: one that was killed left its file."""
    try:
        addresses = Addresses(**json.loads((Path(settings.server.data_dir) / RUN_FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return addresses if _runs(addresses.pid) else None


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:  # as another user
        return True
    except OSError:
        return False
    return True


def write_private(path: Path, text: str) -> None:
    """For our user only: it holds the servers' passwords. Whoever looks meanwhile finds all of it, or no file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_secret(path, text)


@contextmanager
def reading(files: Sequence[Path], data_dir: Path | None) -> Iterator[tuple[PostgresEventLog, Settings]]:
    """The event log, for a command that reads: of the running system, or of servers started for as long as it takes."""
    settings = settings_of(files, data_dir)
    with ExitStack() as stack:
        yield stack.enter_context(closing(open_log(database(settings, stack)))), settings


def migrations(files: Sequence[Path], data_dir: Path | None, *, apply: bool) -> tuple[list[str], list[Status]]:
    """The names of the migrations that were applied now, and how all of them stand."""
    with ExitStack() as stack:
        connections = stack.enter_context(closing(Connections(database(settings_of(files, data_dir), stack))))
        folder = share("eventstore") / "migrations"
        return migrate(connections, folder) if apply else [], status(connections, folder)


def buried(files: Sequence[Path], data_dir: Path | None, limit: int) -> list[Buried]:
    """The newest dead letters, of the running system or of a server started for as long as it takes."""
    settings = settings_of(files, data_dir)
    addresses = running(settings)
    with ExitStack() as stack:
        url = addresses.nats_url if addresses else settings.nats.url
        url = url or stack.enter_context(EmbeddedNats(Path(settings.server.data_dir) / "nats")).url
        return dead_letters.look(url, credentials(settings), limit)


def settings_of(files: Sequence[Path], data_dir: Path | None) -> Settings:
    """What is configured, with the data directory that a command was given."""
    return load(files=files, overrides={} if data_dir is None else {"server.data_dir": str(data_dir)}).settings


def quarantine_folder(data_dir: Path | None) -> Path:
    """Where sandboxes on this data directory put artifacts away."""
    return Path(settings_of((), data_dir).server.data_dir) / "quarantine"


def database(settings: Settings, stack: ExitStack) -> str:
    """The DSN of the running system, of the configured server, or of one that ends with the stack."""
    addresses = running(settings)
    dsn = addresses.postgres_dsn if addresses else settings.postgres.url.get_secret_value()
    return dsn or stack.enter_context(EmbeddedPostgres(Path(settings.server.data_dir) / "postgres")).dsn


def sandbox_link(data_dir: Path | None) -> NatsSandboxLink:
    """A sandbox's link to the system that runs on the data directory."""
    settings = settings_of((), data_dir)
    addresses = running(settings)
    if addresses is None:
        raise SystemExit(
            f"no system runs on {settings.server.data_dir}: start one with drlactors up, or name --gateway or --nats"
        )
    return NatsSandboxLink(addresses.nats_url, credentials=credentials(settings))

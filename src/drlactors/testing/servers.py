"""The embedded servers: real ones, started by us under a data directory and stopped with us."""

from drlactors.testing.nats_server import EmbeddedNats
from drlactors.testing.postgres_server import EmbeddedPostgres
from drlactors.testing.processes import ServerFailed

__all__ = ["EmbeddedNats", "EmbeddedPostgres", "ServerFailed"]

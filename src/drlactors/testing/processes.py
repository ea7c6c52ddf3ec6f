"""Server processes that live no longer than we do and say why they failed."""

import fcntl
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

LOOPBACK = "127.0.0.1"
#: Below the range from which the kernel draws ports for outgoing connections (32768 on Linux, 49152 on macOS): a port
#: in that range can be taken by any client while the server restarts, even by its own reconnecting clients.
PORTS = range(16_000, 32_000)
#: What a server inherits from our environment; the rest may hold secrets that are none of its business.
INHERITED = ("PATH", "HOME", "TMPDIR", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
#: Sleeps until our end of the pipe is closed, by us or by our death, and then ends the server. A shell takes 1 MB;
#: PR_SET_PDEATHSIG would fire when the starting thread ends, and exists on Linux only.
GUARD = 'read -r server || exit 0; while read -r _; do :; done; kill -s "$0" "$server"'
POLL_S = 0.01
#: What a server has to have on its disk before it is started.
ROOM_BYTES = 1 << 20


class ServerFailed(Exception):
    """An embedded server did not start, did not answer or did not stop; the message says why and what to do."""


class Account(NamedTuple):
    """The user a server runs as when it may not run as us."""

    uid: int
    gid: int


class DirectoryClaim:
    """Our exclusive use of a data directory, which the kernel takes back when we die."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "owner"
        self._descriptor: int | None = None

    def take(self) -> None:
        """Take the directory, made where it is missing; taking it twice is one claim."""
        if self._descriptor is not None:
            return
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ServerFailed(
                f"Cannot write to {self._path.parent} ({error.strerror}). Choose another data directory."
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.read(descriptor, 20).decode().strip() or "unknown"
            os.close(descriptor)
            raise ServerFailed(
                f"{self._path.parent} is in use by the server of process {owner}. "
                "Stop that process, or choose another data directory."
            ) from error
        self._descriptor = descriptor
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())  # on a full disk it raises, and the claim can be released

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class ServerProcess:
    """One running server in a session of its own (Ctrl-C reaches us, not it), with a guard that ends it when we die.

    ``ending`` is the signal that makes this kind of server stop in good order. The log of the previous start is kept
    beside the new one.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        directory: Path,
        log_path: Path,
        ending: signal.Signals,
        account: Account | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.log_path = log_path
        self._name = Path(command[0]).name
        self._ending = ending
        if log_path.exists():
            log_path.replace(log_path.with_suffix(".previous.log"))
        # The guard comes first and learns the server's number last: there is no moment in which our death is missed.
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", GUARD, ending.name.removeprefix("SIG")],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            with log_path.open("wb") as log:
                self._process = subprocess.Popen(
                    command,
                    cwd=directory,
                    env=environment() | dict(variables or {}),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    umask=0o077,
                    user=account and account.uid,
                    group=account and account.gid,
                    extra_groups=account and [],
                )
        except OSError as error:
            self._dismiss_guard()
            raise ServerFailed(f"Cannot run {command[0]}: {error.strerror}.") from error
        assert self._guard.stdin is not None
        self._guard.stdin.write(f"{self._process.pid}\n".encode())
        self._guard.stdin.flush()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        if self._process.poll() is None:
            return True
        self._dismiss_guard()
        return False

    def wait_until(self, ready: Callable[[], bool], *, timeout_s: float) -> None:
        """Return when ``ready`` says so; a server that ends before, or takes longer, is ended and has failed."""
        deadline_s = time.monotonic() + timeout_s
        while not ready():
            if not self.running:
                raise ServerFailed(f"{self._name} ended while it started. {self.last_words()}")
            if time.monotonic() > deadline_s:
                self.kill()
                raise ServerFailed(f"{self._name} was not ready after {timeout_s:.0f} s. {self.last_words()}")
            time.sleep(POLL_S)

    def stop(self, *, timeout_s: float) -> None:
        """End the server in good order and wait for it; one that does not end in time is killed and has failed."""
        if self.running:
            self._process.send_signal(self._ending)
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired as error:
                self.kill()
                raise ServerFailed(
                    f"{self._name} did not stop within {timeout_s:.0f} s and was killed; nothing it had "
                    f"acknowledged is lost. {self.last_words()}"
                ) from error
        self._dismiss_guard()

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self._process.kill()
        self._process.wait()
        self._dismiss_guard()

    def freeze(self) -> None:
        """SIGSTOP: a server that neither answers nor forks, until it is killed."""
        self._process.send_signal(signal.SIGSTOP)

    def last_words(self, lines: int = 12) -> str:
        """The end of the server's log and where the whole of it is."""
        said = self.log_path.read_text(errors="replace").splitlines()[-lines:]
        return "\n".join((f"The end of {self.log_path}:", *(f"  {line}" for line in said or ["(empty)"])))

    def _dismiss_guard(self) -> None:
        # Whoever reaps the server ends the guard too: it must never signal a number that belongs to somebody else.
        if self._guard.poll() is None:
            self._guard.kill()
            self._guard.wait()
        if self._guard.stdin is not None:
            self._guard.stdin.close()


def environment() -> dict[str, str]:
    return {name: os.environ[name] for name in INHERITED if name in os.environ} | {"LC_ALL": "C"}


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


class HeldPort:
    """A loopback port for a server that starts later, or again: nobody else draws it for as long as this is there.

    A port that is only looked up is drawn twice now and then: it is free until its server listens, and whenever that
    is away after a kill.
    """

    def __init__(self) -> None:
        for _ in range(100):
            self.number = secrets.choice(PORTS)
            holder = socket.socket()
            try:
                holder.bind((LOOPBACK, self.number))
            except OSError:
                holder.close()
                continue
            if sys.platform == "linux":
                # A bind without this option is refused from now on, one with it is not: that is the server's.
                holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                weakref.finalize(self, holder.close)
            else:
                holder.close()  # elsewhere the server would be refused, too
            return
        raise ServerFailed(
            f"No free port between {PORTS.start} and {PORTS.stop} on {LOOPBACK}. Name a port of your own."
        )

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.number}"


def require_free(port: int) -> None:
    if not is_free(port):
        raise ServerFailed(f"Port {port} on {LOOPBACK} is taken by another program. Stop it, or choose another port.")


def require_room(directory: Path) -> None:
    """Raise OSError on a full disk: a server whose first files find no room may run without ever being ready."""
    with tempfile.TemporaryFile(dir=directory) as probe:
        probe.write(bytes(ROOM_BYTES))


def write_secret(path: Path, secret: str) -> None:
    """Write a file that only we can read, whatever the umask; it is there whole or not at all."""
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123 - a descriptor
        file.write(secret)
    beside.replace(path)


def can_see_processes() -> bool:
    """Linux's /proc is there; elsewhere a server's own checks have to do."""
    return Path("/proc/self/cwd").exists()


def processes_in(directory: Path, program: str) -> list[int]:
    """The processes that run ``program`` with ``directory`` as their working directory, as far as we can see."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "comm").read_text().strip() == program and (process / "cwd").samefile(directory):
                found.append(int(process.name))
        except OSError:
            continue  # it ended while we looked, is a zombie, or is none of ours
    return found


def end_leftovers(directory: Path, program: str, main_pid: int | None, ending: signal.Signals) -> None:
    """End the servers of a previous owner of ``directory`` that died, in good order where there is time for it."""
    deadline_s = time.monotonic() + 15.0
    if main_pid in (left := processes_in(directory, program)):
        os.kill(main_pid, ending)
    while left:
        if time.monotonic() > deadline_s:
            kill_all(left)
        time.sleep(POLL_S)
        left = processes_in(directory, program)


def kill_all(pids: Sequence[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue

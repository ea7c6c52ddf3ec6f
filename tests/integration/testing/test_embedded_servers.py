"""The embedded servers keep what they acknowledged, tell why they fail, and do not outlive us."""

import asyncio
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import nats
import psycopg
import pytest

from drlactors.testing import processes
from drlactors.testing.postgres_server import (
    can_run,
    reachable_copy,
    readable_copy,
    unprivileged_account,
    usable_binaries,
)
from drlactors.testing.processes import HeldPort, processes_in
from drlactors.testing.servers import EmbeddedNats, EmbeddedPostgres, ServerFailed

EmbeddedServer = EmbeddedNats | EmbeddedPostgres
each_server = pytest.mark.parametrize("make", [EmbeddedNats, EmbeddedPostgres])


def publish(url: str, *, create: bool = False) -> int:
    """Publish one message into a stream and return how many it holds."""

    async def go() -> int:
        client = await nats.connect(url)
        try:
            stream = client.jetstream()
            if create:
                await stream.add_stream(name="KEPT", subjects=["kept"])
            return (await stream.publish("kept", b"x")).seq
        finally:
            await client.close()

    return asyncio.run(go())


def insert(dsn: str, *, create: bool = False) -> int:
    """Insert one row and return how many there are."""
    with psycopg.connect(dsn) as connection:
        if create:
            connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept VALUES (1)")
        row = connection.execute("SELECT count(*) FROM kept").fetchone()
        assert row is not None
        return int(row[0])


def write(server: EmbeddedServer, *, create: bool = False) -> int:
    address = server.start()
    return publish(address, create=create) if isinstance(server, EmbeddedNats) else insert(address, create=create)


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def eventually(true: Callable[[], bool], within_s: float = 15.0) -> bool:
    deadline_s = time.monotonic() + within_s
    while not true() and time.monotonic() < deadline_s:
        time.sleep(0.02)
    return true()


@each_server
def test_what_was_acknowledged_outlives_a_stop_and_a_crash(make: type[EmbeddedServer], tmp_path: Path):
    with make(tmp_path) as server:
        assert write(server, create=True) == 1
        server.stop()
        assert not server.running
        assert write(server) == 2
        port, pid = server.port, server.pid
        server.kill()
        assert pid is not None
        assert gone(pid)
        assert write(server) == 3
        assert server.port == port
    with make(tmp_path) as another:
        assert write(another) == 4


@each_server
def test_a_server_that_ended_says_so_until_it_is_started_again(make: type[EmbeddedServer], tmp_path: Path):
    server = make(tmp_path)
    assert server.fault() == ""
    with server:
        assert server.fault() == ""
        server.kill()
        assert "has ended" in server.fault()
        server.start()
        assert server.fault() == ""


@each_server
def test_a_start_on_a_full_disk_fails_in_one_line_and_lets_go_of_the_directory(
    make: type[EmbeddedServer], tmp_path: Path
):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as Python has it, unless a library thinks otherwise
    server = make(tmp_path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with pytest.raises(ServerFailed, match=f"Cannot start {server.PROGRAM} in {tmp_path}: File too large"):
            server.start()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    with server:
        assert server.running


@each_server
def test_starting_a_running_server_leaves_it_as_it_is(make: type[EmbeddedServer], tmp_path: Path):
    with make(tmp_path) as server:
        pid = server.pid
        server.start()
        assert server.pid == pid


@each_server
def test_stopping_twice_or_before_a_start_does_no_harm(make: type[EmbeddedServer], tmp_path: Path):
    server = make(tmp_path)
    server.stop()
    server.kill()
    server.start()
    server.stop()
    server.stop()


@each_server
def test_a_data_directory_has_one_server(make: type[EmbeddedServer], tmp_path: Path):
    with make(tmp_path) as first:
        with pytest.raises(ServerFailed, match=f"in use by the server of process {os.getpid()}"):
            make(tmp_path).start()
        assert first.running


@each_server
def test_a_taken_port_is_named(make: type[EmbeddedServer], tmp_path: Path):
    port = HeldPort()
    with (
        socket.create_server(("127.0.0.1", port.number)),
        pytest.raises(ServerFailed, match=f"Port {port.number} on 127.0.0.1 is taken"),
    ):
        make(tmp_path, port=port.number).start()
    with make(tmp_path, port=port.number):  # the failed start let go of the directory
        pass


def test_a_held_port_is_drawn_by_nobody_else_also_while_its_server_is_away(monkeypatch: pytest.MonkeyPatch):
    held = HeldPort()
    monkeypatch.setattr(processes, "PORTS", range(held.number, held.number + 1))
    for _ in range(2):
        with pytest.raises(ServerFailed, match="No free port"):
            HeldPort()
        with socket.create_server(("127.0.0.1", held.number)), pytest.raises(ServerFailed, match="No free port"):
            HeldPort()
    del held
    HeldPort()


@each_server
def test_a_place_that_cannot_be_written_is_named(make: type[EmbeddedServer], tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ServerFailed, match="Choose another data directory"):
        make(tmp_path / "file" / "data").start()


@each_server
def test_a_long_path_with_spaces_is_no_obstacle(make: type[EmbeddedServer], tmp_path: Path):
    with make(tmp_path / ("a long name " * 15) / ("another " * 15)) as server:
        assert write(server, create=True) == 1


@each_server
def test_secrets_are_ours_alone(make: type[EmbeddedServer], tmp_path: Path):
    with make(tmp_path):
        for name in ("token", "password", "nats.conf"):
            path = tmp_path / name
            assert not path.exists() or path.stat().st_mode & 0o077 == 0


@each_server
def test_servers_end_when_their_owner_is_killed(make: type[EmbeddedServer], tmp_path: Path):
    owner, pid = start_elsewhere(make, tmp_path)
    assert not gone(pid)
    owner.kill()
    owner.wait()
    assert eventually(lambda: gone(pid))


@each_server
def test_the_thread_that_started_a_server_may_end(make: type[EmbeddedServer], tmp_path: Path):
    owner, pid = start_elsewhere(make, tmp_path, thread=True)
    time.sleep(0.5)
    assert not gone(pid)
    owner.kill()
    owner.wait()
    assert eventually(lambda: gone(pid))


@each_server
def test_a_start_right_after_its_owner_was_killed_ends_what_was_left(make: type[EmbeddedServer], tmp_path: Path):
    owner, pid = start_elsewhere(make, tmp_path)
    os.kill(pid, signal.SIGSTOP)  # it cannot follow its guard: a server that was left behind
    owner.kill()
    owner.wait()
    os.kill(pid, signal.SIGCONT)
    with make(tmp_path) as server:
        assert server.pid != pid
        assert write(server, create=True) == 1
        assert eventually(lambda: gone(pid))


def start_elsewhere(
    make: type[EmbeddedServer], data_dir: Path, *, thread: bool = False
) -> tuple[subprocess.Popen[str], int]:
    """A server started by another process, and perhaps by a thread of it that has ended; with the server's number."""
    program = f"""
        import threading, time
        from pathlib import Path
        from drlactors.testing.servers import {make.__name__}
        server = {make.__name__}(Path({str(data_dir)!r}))
        if {thread}:
            starter = threading.Thread(target=server.start)
            starter.start()
            starter.join()
        else:
            server.start()
        print(server.pid, flush=True)
        time.sleep(600)
    """
    owner = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    with owner.stdout:
        return owner, int(owner.stdout.readline())


def test_nats_wants_the_token_and_takes_messages_of_several_mb(own_nats: EmbeddedNats):
    async def refused(url: str) -> str:
        errors = []

        async def note(error: Exception) -> None:
            errors.append(str(error))

        try:
            await nats.connect(url, allow_reconnect=False, error_cb=note)
        except nats.errors.Error as error:
            errors.append(str(error))
        return " ".join(errors)

    async def largest() -> int:
        client = await nats.connect(own_nats.url)
        try:
            return client.max_payload
        finally:
            await client.close()

    assert "uthorization" in asyncio.run(refused(f"nats://127.0.0.1:{own_nats.port}"))
    assert asyncio.run(largest()) == 8 << 20
    with urllib.request.urlopen(f"{own_nats.monitoring_url}/jsz") as answer:
        assert json.load(answer)["config"]["sync_interval"] == 1_000_000_000


def test_nats_says_that_a_stream_cannot_be_written_until_it_is_started_again(own_nats: EmbeddedNats):
    publish(own_nats.url, create=True)
    assert own_nats.pid is not None
    _, most = resource.prlimit(own_nats.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(own_nats.pid, resource.RLIMIT_FSIZE, (0, most))  # a disk without room, for this process alone
    with pytest.raises(nats.errors.TimeoutError):
        publish(own_nats.url)
    resource.prlimit(own_nats.pid, resource.RLIMIT_FSIZE, (most, most))
    assert "file too large" in own_nats.fault()
    own_nats.stop()
    own_nats.start()
    assert own_nats.fault() == ""
    assert publish(own_nats.url) == 2


def test_nats_leaves_half_of_the_cores_to_those_it_serves(own_nats: EmbeddedNats):
    with urllib.request.urlopen(f"{own_nats.monitoring_url}/varz") as answer:
        assert json.load(answer)["gomaxprocs"] == max(1, (os.cpu_count() or 2) // 2)


def test_nats_without_authentication_needs_no_token(tmp_path: Path):
    with EmbeddedNats(tmp_path, authenticate=False) as server:
        assert publish(f"nats://127.0.0.1:{server.port}", create=True) == 1


def test_nats_says_what_is_wrong_with_its_settings(tmp_path: Path):
    with pytest.raises(ServerFailed, match="sync_interval"):
        EmbeddedNats(tmp_path, sync_interval="often").start()


def test_postgres_wants_the_password(own_postgres: EmbeddedPostgres):
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(own_postgres.dsn, password="guessed")
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(own_postgres.dsn.replace(own_postgres.dsn.split(":")[2].split("@")[0], ""))


def test_postgres_is_durable_and_knows_vectors(own_postgres: EmbeddedPostgres):
    with psycopg.connect(own_postgres.dsn) as connection:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            assert connection.execute(f"SHOW {name}".encode()).fetchone() == ("on",)
        connection.execute("CREATE EXTENSION vector")
        assert connection.execute("SELECT '[1,2]'::vector <-> '[1,0]'").fetchone() == (2.0,)


def test_postgres_does_not_run_as_root_and_opens_no_folder_above_its_own(own_postgres: EmbeddedPostgres):
    assert own_postgres.pid is not None
    assert Path(f"/proc/{own_postgres.pid}").stat().st_uid != 0
    assert own_postgres.data_dir.stat().st_mode & 0o077 == 0
    assert (own_postgres.data_dir / "cluster").stat().st_mode & 0o077 == 0


def test_a_crash_of_postgres_leaves_no_child(own_postgres: EmbeddedPostgres):
    cluster = own_postgres.data_dir / "cluster"
    assert len(processes_in(cluster, "postgres")) > 3
    own_postgres.kill()
    assert processes_in(cluster, "postgres") == []


def test_postgres_starts_although_its_lock_file_names_a_living_stranger(own_postgres: EmbeddedPostgres):
    own_postgres.kill()
    lock = own_postgres.data_dir / "cluster" / "postmaster.pid"
    lines = lock.read_text().splitlines()
    lock.write_text("\n".join((str(os.getpid()), *lines[1:])))
    assert insert(own_postgres.start(), create=True) == 1


def test_a_damaged_cluster_is_reported_with_the_servers_own_words(own_postgres: EmbeddedPostgres):
    own_postgres.stop()
    (own_postgres.data_dir / "cluster" / "global" / "pg_control").write_bytes(b"\0" * 8192)
    with pytest.raises(ServerFailed, match=r"ended while it started(.|\n)*postgres.log(.|\n)*FATAL"):
        own_postgres.start()


def test_a_cluster_of_somebody_else_is_refused(own_postgres: EmbeddedPostgres):
    own_postgres.stop()
    cluster = own_postgres.data_dir / "cluster"
    owner = cluster.stat().st_uid
    if os.geteuid() == 0:
        os.chown(cluster, 12_345, -1)
        with pytest.raises(ServerFailed, match=f"belongs to user 12345, but the server would run as user {owner}"):
            own_postgres.start()
    else:
        assert owner == os.geteuid()


def test_an_interrupted_first_start_is_begun_again(tmp_path: Path):
    half = tmp_path / "cluster.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(tmp_path) as server:
        assert insert(server.dsn, create=True) == 1
    assert not half.exists()


def test_binaries_that_the_server_cannot_reach_are_copied(tmp_path: Path):
    account = unprivileged_account()
    closed = tmp_path / "pginstall"  # below a folder that only we may enter
    readable_copy(usable_binaries(account).parent, closed)
    assert subprocess.run([closed / "bin" / "postgres", "--version"], check=True, capture_output=True).stdout
    if account is not None:
        assert not can_run(closed / "bin" / "postgres", account)
        with tempfile.TemporaryDirectory() as cache:
            Path(cache).chmod(0o755)
            copied = reachable_copy(closed, Path(cache) / "drlactors", account)
            assert can_run(copied / "bin" / "postgres", account)
            assert reachable_copy(closed, Path(cache) / "drlactors", account) == copied

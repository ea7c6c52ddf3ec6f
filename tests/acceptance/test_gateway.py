"""The gateway on a real system: killed, like what stands before and behind it, it loses and doubles nothing."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import pytest

from drlactors.config.share import share
from drlactors.domain.ids import SessionId
from drlactors.domain.session import Ended, Event, FeedbackReceived, TelemetryLost, TelemetryRecorded
from drlactors.ports.log import Category, Stream
from drlactors.sandboxes.grpc_link import GrpcSandboxLink
from drlactors.sandboxes.sdk import Sandbox
from drlactors.store.log import PostgresEventLog
from drlactors.testing.processes import HeldPort
from drlactors.testing.servers import EmbeddedNats
from drlactors.wire.v1 import episode_pb2, telemetry_pb2
from tests.acceptance.harness import Crowd, SystemProcess, audit, sandbox_on, wait_for
from tests.integration.gateway.kit import Box, Client

SESSIONS, WINDOWS = 10, 120


@pytest.fixture
def system(tmp_path: Path, own_nats: EmbeddedNats, database: str) -> Iterator[SystemProcess]:
    """Without a model: the rules decide."""
    options = {"model__path": str(tmp_path / "none.onnx")}
    with SystemProcess(tmp_path / "system", own_nats.url, database, **options) as process:
        yield process.start()
        assert process.stop() == 0


class GatewayProcess:
    """``drlactors gateway`` on the servers of a system, at one address however often it is killed."""

    def __init__(self, system: SystemProcess, **options: str) -> None:
        self._port = HeldPort()
        self.address = self._port.address
        self._config = system.folder / "gateway.json"
        told = json.loads(system.config.read_text())
        self._config.write_text(json.dumps(told | {"gateway": {"address": self.address, **options}}))
        self._log = system.folder / "gateway.log"

    def start(self) -> None:
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "drlactors", "gateway", "--config", str(self._config)]
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        assert self._process.stdout is not None
        assert b"is up" in self._process.stdout.readline(), self._log.read_text()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        self._process.terminate()
        return self._process.wait(180)


@contextmanager
def serving(system: SystemProcess, **options: str) -> Iterator[GatewayProcess]:
    process = GatewayProcess(system, **options)
    process.start()
    try:
        yield process
    finally:
        ended = process.stop()
    assert ended == 0


@pytest.fixture
def gateway(system: SystemProcess) -> Iterator[GatewayProcess]:
    with serving(system) as process:
        yield process


@pytest.fixture
def sandbox(gateway: GatewayProcess) -> Iterator[Sandbox]:
    yield from sandbox_on(GrpcSandboxLink(gateway.address))


@pytest.mark.parametrize("victim", ["gateway", "nats", "system"])
def test_killed_again_and_again_under_load_nothing_is_lost_or_done_twice(
    victim: str, system: SystemProcess, gateway: GatewayProcess, sandbox: Sandbox, own_nats: EmbeddedNats, database: str
) -> None:
    crowd = Crowd(sandbox, SESSIONS, WINDOWS)
    rounds = 3
    for number in range(rounds):
        crowd.play(number * WINDOWS // rounds, (number + 1) * WINDOWS // rounds)
        match victim:
            case "gateway":
                gateway.kill()
                gateway.start()
            case "nats":
                own_nats.kill()
                own_nats.start()
            case _:
                system.kill()
                system.start()
    assert crowd.finish() == 0
    wait_for(lambda: audit(database, crowd) == [], 60, "each window recorded once, each action carried out once")


def test_a_sandbox_that_is_killed_goes_on_and_carries_out_nothing_twice(
    system: SystemProcess, gateway: GatewayProcess, database: str, tmp_path: Path
) -> None:
    session, windows = SessionId(uuid4()), 16
    program = Path(__file__).with_name("sandbox_program.py")
    command = [sys.executable, str(program), gateway.address, str(session), str(windows), str(tmp_path)]
    log = PostgresEventLog(database, schema_dir=share("eventstore"))

    def events() -> list[Event]:
        return [event for entry in log.stream(Stream(Category.SESSION, session)) for event in entry.of_session]

    def recorded() -> list[int]:
        return [event.window.seq for event in events() if isinstance(event, TelemetryRecorded)]

    for least in (2, 6, 11):
        process = subprocess.Popen(command)
        wait_for(lambda least=least: len(recorded()) > least, 60, f"{least} windows")  # type: ignore[misc]
        process.kill()
        process.wait()
    assert subprocess.run(command, timeout=600, check=False).returncode == 0
    wait_for(lambda: any(isinstance(event, Ended) for event in events()), 60, "the session has ended")
    found = events()
    log.close()
    assert recorded_in(found) == list(range(windows))
    assert not any(isinstance(event, TelemetryLost) for event in found)
    carried = Counter((tmp_path / "carried").read_text().split())
    assert carried
    assert max(carried.values()) == 1
    assert len(carried) <= sum(isinstance(event, FeedbackReceived) for event in found)


def recorded_in(events: list[Event]) -> list[int]:
    return [event.window.seq for event in events if isinstance(event, TelemetryRecorded)]


def test_a_sandbox_that_lies_about_its_windows_harms_only_itself(
    system: SystemProcess, gateway: GatewayProcess, sandbox: Sandbox, database: str
) -> None:
    liar = Box("liar")
    crowd = Crowd(sandbox, SESSIONS, WINDOWS)
    with Client(gateway.address).converse() as client:
        said = [client.say(**liar.begin())]
        for seqs in ((5, 4, 3), (0, 0, 0), (1 << 39,), (1 << 41,), (2**64 - 1,), (7,), tuple(range(500))):
            said.append(client.say(**liar.windows(*seqs)))
        for first, last in ((9, 3), (0, 2**64 - 1), (0, 1 << 39)):
            loss = telemetry_pb2.Loss(**liar.about, first_seq=first, last_seq=last)
            said.append(client.say(episode=episode_pb2.Episode(loss=loss)))
        crowd.play(0, WINDOWS)
        client.wait(lambda: client.settled() == len(said))
        client.wait(lambda: any(actions.refusals for actions in client.actions))
    assert crowd.finish() == 0
    wait_for(lambda: audit(database, crowd) == [], 60, "the others are whole")
    assert system.alive()


def test_what_commands_play_over_the_gateway_is_decided_and_without_the_token_nothing_is(
    system: SystemProcess, tmp_path: Path
) -> None:
    tokens, token, other = tmp_path / "tokens", tmp_path / "token", tmp_path / "other"
    tokens.write_text(f"player {sha256(b'one of many').hexdigest()}\n")
    token.write_text("one of many\n")
    other.write_text("another\n")
    play = [sys.executable, "-m", "drlactors", "sandbox", "play", "scanner", "--sessions", "3", "--speed", "40"]
    with serving(system, tokens=str(tokens)) as gateway:
        played = [
            subprocess.run(
                [*play, "--gateway", gateway.address, "--token-file", str(file)],
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            for file in (token, other)
        ]
    assert played[0].returncode == 0, played[0].stdout + played[0].stderr
    assert "malicious" in played[0].stdout
    assert played[1].returncode == 1, played[1].stdout
    assert "token" in played[1].stderr


def test_what_plays_says_that_the_gateway_is_gone_and_ends_with_the_reason_when_it_is_refused(
    system: SystemProcess, database: str, tmp_path: Path
) -> None:
    tokens, token, said = tmp_path / "tokens", tmp_path / "token", tmp_path / "said"
    tokens.write_text(f"player {sha256(b'one of many').hexdigest()}\n")
    token.write_text("one of many\n")
    play = [sys.executable, "-m", "drlactors", "sandbox", "play", "--speed", ".2", "--sessions", "3"]
    with serving(system, tokens=str(tokens)) as gateway, said.open("wb") as file:
        player = subprocess.Popen(
            [*play, "--gateway", gateway.address, "--token-file", str(token)], stdout=file, stderr=file
        )
        try:
            with closing(PostgresEventLog(database, schema_dir=share("eventstore"))) as log:
                wait_for(log.open_sessions, 180, "it plays")
            gateway.kill()
            wait_for(lambda: "The gateway cannot be reached: unavailable" in said.read_text(), 60, "it says so")
            gateway.start()
            wait_for(lambda: "What is said is stored again." in said.read_text(), 60, "it says so")
            tokens.write_text(f"another {sha256(b'another').hexdigest()}\n")
            assert player.wait(180) == 1
        finally:
            player.kill()
            player.wait()
    assert said.read_text().count("cannot be reached") == 1
    assert "drlactors: The gateway refuses this sandbox: unauthenticated" in said.read_text()

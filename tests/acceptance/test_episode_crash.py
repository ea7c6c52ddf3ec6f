"""Killed at each step of an episode, whatever is killed: it ends right or is partial, and no action is done twice."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import UUID

import pytest

from drlactors.cli.reviews import answer
from drlactors.config.share import share
from drlactors.domain.action import Action
from drlactors.domain.episode import EpisodeCompleted, StageConcluded, StageEntered, Verdict
from drlactors.domain.ids import EpisodeId
from drlactors.domain.order import OrderAnswered
from drlactors.domain.review import Decide, Ruling
from drlactors.domain.session import OutcomeReported
from drlactors.ports.log import Category, LogUnreachable, Stream
from drlactors.sandboxes.grpc_link import GrpcSandboxLink
from drlactors.sandboxes.sdk import Sandbox
from drlactors.store.log import PostgresEventLog
from drlactors.testing.processes import HeldPort
from drlactors.testing.servers import EmbeddedNats, EmbeddedPostgres
from tests.acceptance.episode import Play, faults, went
from tests.acceptance.harness import SystemProcess, wait_for

PATIENCE_S = 120.0
#: In the order in which an episode comes to them; where two events may share an append, one of them.
POINTS = (
    "before-Started", "after-Started", "before-StageEntered", "after-StageEntered", "after-TelemetryRecorded",
    "before-ReviewOpened", "after-ReviewOpened", "before-ActionOrdered", "after-ActionOrdered",
    "before-OutcomeReported", "after-OutcomeReported", "after-Ended", "before-StageConcluded", "after-StageConcluded",
    "after-ActionSelected", "before-EpisodeCompleted", "after-EpisodeCompleted",
)  # fmt: skip


@pytest.fixture
def log(database: str) -> Iterator[PostgresEventLog]:
    with closing(PostgresEventLog(database, schema_dir=share("eventstore"))) as opened:
        yield opened


@contextmanager
def site(folder: Path, nats_url: str, dsn: str, **more: object) -> Iterator[tuple[SystemProcess, str]]:
    """A system that is not started, with a gateway in its process and without a model; and the gateway's address."""
    port = HeldPort()
    settings = {"model__path": str(folder / "none.onnx"), "gateway__address": port.address}
    with SystemProcess(folder, nats_url, dsn, **settings, **more) as system:
        yield system, port.address


@contextmanager
def playing(address: str) -> Iterator[Play]:
    link = GrpcSandboxLink(address, connect_timeout_s=PATIENCE_S)  # the system may be on its way
    with Sandbox(link, "mortal", resend_s=0.5) as host:
        yield Play(host)
    link.close()


def seen(log: PostgresEventLog, play: Play, kind: type) -> Callable[[], bool]:
    """Whether the newest session has an event of the kind; a log that is away says no."""

    def look() -> bool:
        session = getattr(play, "second", play.first)
        try:
            entries = list(log.stream(Stream(Category.SESSION, session.id)))
        except LogUnreachable:
            return False
        return any(isinstance(event, kind) for entry in entries for event in entry.events)

    return look


def say_go_on(log: PostgresEventLog) -> None:
    """A person's answer to the one review, given while anything may be away."""

    def answered() -> bool:
        try:
            said = Decide(Ruling.CONTINUE, "ann", "looks harmless")
            return any(answer(log, review, said, 1) for review in log.open_reviews())
        except LogUnreachable:
            return False

    wait_for(answered, PATIENCE_S, "a review is open, and answered")


def walk(play: Play, log: PostgresEventLog, before_each: Callable[[], None]) -> None:
    """All steps, each begun when the one before is in the log; ``before_each`` may break what it likes."""
    for step in play.steps:
        before_each()
        step()
        match step.__name__:
            case "ask":
                play.wait_carried(play.first.id, Action.REVIEW)
                say_go_on(log)
                play.wait_carried(play.first.id, Action.CONTINUE)
                wait_for(seen(log, play, OrderAnswered), PATIENCE_S, "that it goes on is in the log")
            case "report_clean" | "report_malicious":
                wait_for(seen(log, play, OutcomeReported), PATIENCE_S, "the outcome is in the log")
            case "end_clean" | "end_malicious":
                stages = 1 if step.__name__ == "end_clean" else 2
                wait_for(lambda stages=stages: concluded(log, play) == stages, PATIENCE_S, "the stage is concluded")  # type: ignore[misc]
            case _:
                pass


def concluded(log: PostgresEventLog, play: Play) -> int:
    try:
        return sum(isinstance(event, StageConcluded) for event in went(log, play.episode))
    except LogUnreachable:
        return 0


def test_the_system_and_its_gateway_are_killed_at_each_step(
    tmp_path: Path, own_nats: EmbeddedNats, database: str, log: PostgresEventLog
) -> None:
    with site(tmp_path, own_nats.url, database) as (system, address):
        left = list(POINTS)
        over = threading.Event()

        def keep_up() -> None:
            """Start it again each time, to die at the next point; it comes to each, or the walk does not end."""
            while left and not over.is_set():
                system.start(crash_at=left[0], wait=False)
                system.wait_dead(2 * PATIENCE_S)
                left.pop(0)
            if not over.is_set():
                system.start()

        keeper = threading.Thread(target=keep_up)
        keeper.start()
        try:
            with playing(address) as play:
                walk(play, log, lambda: None)
                wait_for(lambda: not left and system.up(), PATIENCE_S, f"it was killed at {left}")
                assert system.stop() == 0
                assert faults(log, play) == []
        finally:
            over.set()
            if system.alive():
                system.kill()
            keeper.join()


def test_nats_and_postgresql_are_killed_at_each_step(
    tmp_path: Path, own_nats: EmbeddedNats, own_postgres: EmbeddedPostgres
) -> None:
    def kill() -> None:
        for server in (own_nats, own_postgres):
            server.kill()
            server.start()

    with (
        closing(PostgresEventLog(own_postgres.dsn, schema_dir=share("eventstore"))) as log,
        site(tmp_path, own_nats.url, own_postgres.dsn) as (system, address),
    ):
        system.start()
        with playing(address) as play:
            walk(play, log, kill)
            assert system.stop() == 0
            assert faults(log, play) == []


def test_a_sandbox_that_is_killed_at_any_step_and_stays_away_leaves_an_episode_that_is_right_or_partial(
    tmp_path: Path, own_nats: EmbeddedNats, database: str, log: PostgresEventLog
) -> None:
    with site(tmp_path, own_nats.url, database, sessions__lost_after_s=2) as (system, address):
        system.start()
        killed: dict[int, EpisodeId] = {}
        for steps in (1, 2, 3):  # the fourth waits for a person
            command = [sys.executable, "-m", "tests.acceptance.episode", address, str(steps)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sandbox:
                assert sandbox.stdout is not None
                killed[steps] = EpisodeId(UUID(sandbox.stdout.readline().strip()))
                sandbox.kill()
        for steps, episode in killed.items():
            wait_for(
                lambda episode=episode: EpisodeCompleted(Verdict.PARTIAL) in went(log, episode),  # type: ignore[misc]
                PATIENCE_S,
                f"killed after {steps} steps, it is partial",
            )
            assert [type(event) for event in went(log, episode)] == [StageEntered, StageConcluded, EpisodeCompleted]

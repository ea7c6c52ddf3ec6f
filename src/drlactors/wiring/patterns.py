"""Attack patterns: who makes them from the log, and where they are asked for."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC
from pathlib import Path
from typing import NamedTuple

from drlactors.config.settings import Settings
from drlactors.config.share import share
from drlactors.domain.ids import SessionId
from drlactors.domain.reward import Weights
from drlactors.patterns.follower import Away, Follower, Heard
from drlactors.patterns.postgres import PostgresPatterns
from drlactors.patterns.projector import Projector
from drlactors.patterns.queue import Queue
from drlactors.ports.clock import SystemClock
from drlactors.ports.log import EventLog, LogAway, LogError, LogUnreachable
from drlactors.ports.patterns import PatternsError, PatternsUnreachable
from drlactors.store.connections import Connections
from drlactors.store.migrations import migrate, status
from drlactors.wiring.access import database, open_log, settings_of

SCHEMA = "patterns"


class Task(NamedTuple):
    """All that a process has to know to make patterns; plain, so that it can be handed over as JSON."""

    log_dsn: str
    patterns_dsn: str
    queue: str  # a file
    weights: dict[str, float]
    retry_s: float
    most_waiting: int
    follow_s: float
    connections: int
    nice: int

    @classmethod
    def of(cls, settings: Settings, log_dsn: str) -> "Task":
        mine = settings.patterns
        weights = settings.rewards.model_dump()
        del weights["gamma"]
        return cls(
            log_dsn=log_dsn,
            patterns_dsn=mine.url.get_secret_value() or log_dsn,
            queue=str(Path(settings.server.data_dir) / "patterns" / "queue"),
            weights=weights,
            retry_s=mine.retry_s,
            most_waiting=mine.queue_changes,
            follow_s=mine.follow_s,
            connections=mine.connections,
            nice=mine.nice,
        )


@contextmanager
def following(
    task: Task,
    hear: Callable[[Heard], None] = lambda _: None,
    skipped: Callable[[SessionId, str], None] = lambda _session, _why: None,
    asked: Callable[[float], None] = lambda _seconds: None,
) -> Iterator[Follower]:
    """A follower of the log; one at a time on a queue. Raises LogUnreachable: nothing can be done without the log."""
    with ExitStack() as stack:
        log = stack.enter_context(closing(open_log(task.log_dsn)))
        store = stack.enter_context(closing(_store(task, asked)))
        queue = stack.enter_context(closing(Queue(Path(task.queue))))
        yield Follower(
            log,
            store,
            queue,
            Projector(log, Weights(**task.weights), skipped),
            SystemClock(),
            retry_s=task.retry_s,
            most_waiting=task.most_waiting,
            prepare=lambda: prepare(task.patterns_dsn),
            hear=hear,
        )


def _store(task: Task, asked: Callable[[float], None] = lambda _seconds: None) -> PostgresPatterns:
    """The log has to be there. It is told from all others by when it was made, which a copy of it keeps."""
    with closing(Connections(task.log_dsn)) as connections:
        made_at = status(connections, share("eventstore") / "migrations")[0].applied_at
    assert made_at is not None, "a log that was opened has its schema"
    log = made_at.astimezone(UTC).isoformat()
    return PostgresPatterns(task.patterns_dsn, log=log, connections=task.connections, asked=asked)


def make_all(task: Task) -> None:
    """Make the patterns of all that the log holds. Raises PatternsError and LogUnreachable: then some are missing."""

    def hear(heard: Heard) -> None:
        match heard:
            case Away(why=why):
                raise PatternsError(why)
            case LogAway(why=why):
                raise LogUnreachable(why)

    with following(task, hear) as follower:
        while follower.turn():
            pass


def prepare(dsn: str) -> None:
    """Bring the schema of the patterns up."""
    try:
        with closing(Connections(dsn)) as connections:
            migrate(connections, share("eventstore") / "patterns" / "migrations", SCHEMA)
    except LogUnreachable as error:
        raise PatternsUnreachable(str(error)) from error
    except LogError as error:
        raise PatternsError(str(error)) from error


class Asked(NamedTuple):
    """What a command needs that asks for patterns."""

    store: PostgresPatterns
    log: EventLog
    settings: Settings
    task: Task


@contextmanager
def patterns(files: Sequence[Path], data_dir: Path | None) -> Iterator[Asked]:
    """The patterns of the running system, or of servers that are started for as long as it takes."""
    settings = settings_of(files, data_dir)
    with ExitStack() as stack:
        task = Task.of(settings, database(settings, stack))
        log = stack.enter_context(closing(open_log(task.log_dsn)))
        store = stack.enter_context(closing(_store(task)))
        yield Asked(store, log, settings, task)

"""One serving plane: starts in order of need, stops in reverse."""

import gc
import json
import os
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Self

from drlactors.actors.chronicle import ChronicleActor
from drlactors.actors.coordinator import NAME as COORDINATED
from drlactors.actors.coordinator import CoordinatorActor
from drlactors.actors.dispatched import Dispatcher
from drlactors.actors.dispatcher import NAME as DISPATCHED
from drlactors.actors.dispatcher import DispatcherActor
from drlactors.actors.guard import NAME as GUARDED
from drlactors.actors.guard import GuardActor
from drlactors.actors.inference import InferenceActor
from drlactors.actors.ledger import Ledger
from drlactors.actors.line import Limits, Line
from drlactors.actors.messages import Awaited, Deliveries, Recalled, Reopened, Tick
from drlactors.actors.reviewer import NAME as REVIEWED
from drlactors.actors.reviewer import ReviewerActor
from drlactors.actors.supervisor import SupervisorActor, WriterFailed
from drlactors.actors.writer import WriterActor
from drlactors.bus.nats_bus import NatsBus
from drlactors.bus.notices import BusEvent
from drlactors.bus.streams import Limits as StreamLimits
from drlactors.config.load import Loaded
from drlactors.config.problems import ConfigError
from drlactors.config.settings import Settings
from drlactors.config.watch import Reload, Watcher
from drlactors.domain.action import Action
from drlactors.domain.features import FeatureSchema
from drlactors.domain.guard import Guards
from drlactors.domain.ids import instance_of
from drlactors.domain.instance import ConfigurationReloaded
from drlactors.domain.permission import Rules
from drlactors.domain.review import Ruling
from drlactors.instrumentation import Instruments
from drlactors.ports.bus import Delivery, StreamReplaced
from drlactors.ports.clock import SystemClock
from drlactors.ports.log import LogUnreachable
from drlactors.store.errors import AnotherPlane
from drlactors.store.tenure import Tenure
from drlactors.testing.embedded import EmbeddedServer
from drlactors.testing.servers import EmbeddedNats, EmbeddedPostgres
from drlactors.wiring.access import RUN_FILE, Addresses, credentials, open_log, write_private
from drlactors.wiring.gateways import serving_gateway
from drlactors.wiring.keeper import Keeper
from drlactors.wiring.patterns import Task
from drlactors.wiring.patterns_process import PatternsProcess
from drlactors.wiring.succession import Succession

#: How often deadlines are looked at. A retry is due after seconds, a gap after half of one.
TICK_S = 0.1
#: How often answers to reviews are looked for: a person who gave one waits for what comes of it.
REVIEWS_S = 0.25
#: Stages are waited for by the hour.
EPISODES_S = 1.0
#: How often a plane that stands by looks whether the other one still serves.
STAND_BY_S = 0.25
#: A plane that stopped or was killed is gone as soon as the server has seen its connection end.
LAST_BREATH_S = 2.0
#: At 1,000 windows/s these halve the cost of a window (fewer, larger batches and commits) for 1 ms of latency.
MAIN_PAUSE_S, COMMIT_PAUSE_S = 0.0005, 0.001
#: Objects made and not freed, then collections of each generation, until the next older one is looked through.
COLLECT_AFTER = (50_000, 20, 20)
#: What is in flight at a stop has so long to get to disk; after that the bus will bring it again.
DRAIN_S = 20.0


class System:
    """One serving plane, from its servers to its actors; use as a context manager, or ``start`` and ``stop``.

    ``on_fault`` is called, on any thread, once ``fault`` says why this system cannot go on: it has to be stopped.
    Another one, started in its place, goes on where it ended. ``stand_by`` is called again and again while another
    plane serves the same event log; it waits for so many seconds, and says whether to go on waiting.
    """

    def __init__(
        self,
        loaded: Loaded,
        reload: Callable[[], Loaded] | None = None,
        on_fault: Callable[[], None] = lambda: None,
        stand_by: Callable[[float], bool] = lambda _: False,
    ) -> None:
        self._loaded = loaded
        self._reload = reload
        self._on_fault = on_fault
        self._stand_by = stand_by
        self._stack = ExitStack()
        self.fault: Exception | None = None
        self._passing = "starting"  # or what else keeps messages from being taken, in the course of things
        self.settings = loaded.settings
        self.data_dir = Path(loaded.settings.server.data_dir)

    def start(self) -> Addresses:
        """Bring everything up; what was started is stopped again when something fails.

        Raises AnotherPlane where one serves this event log, and this one does not go on standing by.
        """
        try:
            return self._start_whole()
        except StreamReplaced:  # it ended before the remembered position, and has a new identity now: begin with that
            return self._start_whole()

    def _start_whole(self) -> Addresses:
        with ExitStack() as stack:
            addresses = self._start(stack)
            self._stack = stack.pop_all()
        return addresses

    def stop(self) -> None:
        """Stop taking messages, finish what is in flight, and take everything down in reverse."""
        self._stack.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def wait_quiet(self, timeout_s: float, still_s: float = 0.3) -> bool:
        """Wait until nothing is in flight and nothing was appended for ``still_s``; False when time is up."""
        clock, pause = self.line.clock, Event()
        until_s = clock.monotonic_s() + timeout_s
        head, since_s = -1, clock.monotonic_s()
        while clock.monotonic_s() < until_s:
            now = self.log.head()
            if now != head or self.line.ledger.unsettled():
                head, since_s = now, clock.monotonic_s()
            elif clock.monotonic_s() - since_s >= still_s:
                return True
            pause.wait(0.02)
        return False

    def _start(self, stack: ExitStack) -> Addresses:
        settings, self._passing = self.settings, "starting"
        instruments = stack.enter_context(Instruments(settings, ready=self._ready))
        self.observer = instruments.observer
        self._set_level = instruments.logs.set_level
        for text in self._loaded.warnings:
            self.observer.note("configuration.warning", text=text)
        self.addresses = self._serve(settings, stack, instruments.url)
        clock = SystemClock()
        tenure = stack.enter_context(closing(Tenure(self.addresses.postgres_dsn, self._end)))
        self._begin(tenure, clock)
        self.log = log = open_log(self.addresses.postgres_dsn, tenure)
        stack.callback(log.close)
        schema = FeatureSchema(settings.features.names, settings.features.missing)
        bus = self._bus = NatsBus(
            self.addresses.nats_url,
            credentials=credentials(settings),
            limits=StreamLimits(
                sandbox_bytes=settings.nats.stream_max_bytes,
                sandbox_age_s=settings.nats.stream_max_age_s,
                session_messages=settings.nats.session_max_messages,
            ),
            max_message_bytes=settings.nats.max_message_bytes,
            hook=self._hear_bus,
            buried=self.observer.dead_letter,
        )
        stack.callback(bus.close)
        consumer = f"consumed:{bus.identity()}"
        ledger = Ledger(log.position(consumer))
        main, commit = Dispatcher("main", pause_s=MAIN_PAUSE_S), Dispatcher("commit", pause_s=COMMIT_PAUSE_S)
        self.line = line = Line(
            instance=instance_of(settings.server.instance),
            log=log,
            bus=bus,
            clock=clock,
            observer=self.observer,
            tracer=instruments.tracing,
            ledger=ledger,
            schema=schema,
            limits=limits(settings),
            main=main,
            commit=commit,
            end=self._end,
        )
        self.succession = Succession(settings, schema, log, clock)
        self.serving = self.succession.serving
        self._start_actors(stack, line, consumer)
        line.reviewer.tell(Reopened(log.open_reviews()))
        line.coordinator.tell(Awaited(log.open_episodes()))
        catch_up(line)
        line.supervisor.tell(Recalled(log.open_sessions()))
        stack.callback(self._drain, consumer)
        bus.consume(ledger.through(), self._deliver, settings.sessions.in_flight)
        self._passing = ""
        self._watch(stack)
        if settings.patterns.follow:
            making = PatternsProcess(Task.of(settings, self.addresses.postgres_dsn), self.observer).start()
            stack.callback(making.stop)
        if settings.gateway.address:
            gateway = stack.enter_context(serving_gateway(settings, self.addresses.nats_url, log, self.observer))
            self.addresses = self.addresses._replace(gateway=gateway.reached_at)
        run_file = self.data_dir / RUN_FILE
        write_private(run_file, json.dumps(self.addresses._asdict()))
        stack.callback(run_file.unlink, missing_ok=True)
        _calm_collector()
        self.observer.note("system.started", pid=os.getpid(), metrics=self.addresses.metrics_url)
        return self.addresses

    def _serve(self, settings: Settings, stack: ExitStack, metrics_url: str) -> Addresses:
        """The configured servers, or embedded ones under the data directory."""
        nats_url, dsn = settings.nats.url, settings.postgres.url.get_secret_value()
        embedded: list[EmbeddedServer] = []
        if not nats_url:
            nats = EmbeddedNats(self.data_dir / "nats", sync_interval=settings.nats.sync_interval)
            embedded.append(stack.enter_context(nats))
            nats_url = nats.url
        if not dsn:
            postgres = EmbeddedPostgres(self.data_dir / "postgres")
            embedded.append(stack.enter_context(postgres))
            dsn = postgres.dsn
        self._keeper = stack.enter_context(Keeper(embedded, self.observer))
        return Addresses(nats_url, dsn, metrics_url, os.getpid())

    def _begin(self, tenure: Tenure, clock: SystemClock) -> None:
        """Wait until no other plane serves this log: nothing is read or changed before."""
        if tenure.take():
            return
        pause, until_s = Event(), clock.monotonic_s() + LAST_BREATH_S
        while clock.monotonic_s() < until_s:
            pause.wait(STAND_BY_S)
            if tenure.take():
                return
        self._passing = "standing by: another plane serves this event log"
        self.observer.note("plane.standing-by")
        while self._stand_by(STAND_BY_S):
            try:
                if tenure.take():
                    self._passing = "starting"
                    return
            except LogUnreachable as error:  # whoever serves waits for it as well
                self.observer.error("log.unreachable", error)
        raise AnotherPlane(AnotherPlane.__doc__)

    def _start_actors(self, stack: ExitStack, line: Line, consumer: str) -> None:
        line.supervisor = SupervisorActor.start(line)
        line.writer = WriterActor.start(line, consumer)
        line.inference = InferenceActor.start(line, self.serving)
        line.dispatcher = DispatcherActor.start(line)
        line.coordinator = CoordinatorActor.start(line)
        line.reviewer = ReviewerActor.start(line)
        line.counter = GuardActor.start(line)
        line.chronicle = ChronicleActor.start(line)
        line.main.every(TICK_S, line.supervisor, Tick())
        line.main.every(TICK_S, line.dispatcher, Tick())
        line.main.every(REVIEWS_S, line.reviewer, Tick())
        line.main.every(EPISODES_S, line.coordinator, Tick())

        def end() -> None:
            line.stopping.set()
            line.main.stop(DRAIN_S)
            line.commit.stop(DRAIN_S)

        stack.callback(end)
        line.commit.start()
        line.main.start()

    def _deliver(self, deliveries: list[Delivery]) -> None:
        self.line.ledger.enter(delivery.sequence for delivery in deliveries)
        self.line.supervisor.tell(Deliveries(deliveries))

    def _hear_bus(self, event: BusEvent, detail: str) -> None:
        self.observer.note(f"bus.{event}", detail=detail)
        if event is BusEvent.STREAM_REPLACED:
            self._end(StreamReplaced(f"{detail} Start again, to read what is in it from its beginning."))

    def _end(self, fault: Exception) -> None:
        self.fault = self.fault or fault
        self._on_fault()

    def _ready(self) -> str:
        """Empty when messages are taken, or what keeps them from being taken."""
        if self.fault is not None:
            return str(self.fault)
        if self._passing:
            return self._passing
        if self._keeper.trouble:
            return self._keeper.trouble
        if self.line.log_away:
            return "the event log is away"
        return "" if self._bus.reading else "the message bus is away"

    def _drain(self, consumer: str) -> None:
        """Take no more messages; wait until what was taken is on disk, then remember how far that is."""
        line, self._passing = self.line, "stopping"
        line.bus.stop_consuming()
        until_s = line.clock.monotonic_s() + DRAIN_S
        pause = Event()
        while line.ledger.unsettled() and not self._stuck() and line.clock.monotonic_s() < until_s:
            pause.wait(0.01)
        if not line.log_away and not isinstance(self.fault, AnotherPlane):
            self.log.append([], line.marks(consumer))
        self.observer.note("system.stopped", unsettled=line.ledger.unsettled())

    def _stuck(self) -> bool:
        """Whether something that was taken will not come to disk, however long one waits."""
        return self.line.log_away or isinstance(self.fault, (WriterFailed, AnotherPlane))

    # What changes while it runs

    def _watch(self, stack: ExitStack) -> None:
        self.succession.start(stack, self.line)
        if self._reload is not None:
            stack.enter_context(Watcher(self._loaded, self._reload, self._reloaded, self._refused))

    def _reloaded(self, reload: Reload) -> None:
        self.settings = reload.new
        self.succession.settings = reload.new
        self.line.limits = limits(reload.new)
        self._set_level(reload.new.logging.level)
        if "model.path" in reload.changed:
            self.succession.watch()
            self.succession.reload()
        self.observer.note("configuration.reloaded", changed=reload.changed, restart=reload.restart)
        self.line.chronicle.tell(ConfigurationReloaded(changed=reload.changed, refused=""))

    def _refused(self, error: ConfigError) -> None:
        self.observer.error("configuration.refused", error)
        self.line.chronicle.tell(ConfigurationReloaded(changed=(), refused=str(error)))


def _calm_collector() -> None:
    """Look for garbage in cycles seldom: a window leaves none, and looking cost a fifth of the time of each."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def limits(settings: Settings) -> Limits:
    sessions, dispatch, supervisor = settings.sessions, settings.dispatch, settings.supervisor
    return Limits(
        rules=Rules(**settings.rules.model_dump()),
        known_sandboxes=frozenset(settings.sandboxes.known),
        reorder_windows=sessions.reorder_windows,
        reorder_wait_s=sessions.reorder_wait_ms / 1000,
        idle_passivate_s=sessions.idle_passivate_s,
        lost_after_s=sessions.lost_after_s,
        snapshot_every_events=sessions.snapshot_every_events,
        group_windows=sessions.group_windows,
        retry_s=dispatch.retry_s,
        answer_timeout_s=dispatch.feedback_timeout_s,
        actions_per_s=dispatch.rate_per_s,
        actions_burst=dispatch.rate_burst,
        failures_before_dead_letter=supervisor.max_failures,
        backoff_initial_s=supervisor.backoff_initial_s,
        backoff_max_s=supervisor.backoff_max_s,
        stage_wait_s=settings.episodes.stage_wait_s,
        review_deadline_s=settings.reviews.deadline_s,
        review_default=Ruling(settings.reviews.default),
        guards=guards(settings),
    )


def guards(settings: Settings) -> Guards:
    given = settings.guards
    return Guards(
        monitored=frozenset(Action[name.upper()] for name in given.monitored),
        consent=frozenset(Action[name.upper()] for name in given.consent),
        terminate_per_hour=given.terminate_per_hour,
        quarantine_per_hour=given.quarantine_per_hour,
        in_a_row=given.in_a_row,
        ignored_artifacts=frozenset(given.ignored_artifacts),
        ignored_sandboxes=frozenset(given.ignored_sandboxes),
        isolation_lease_ms=round(given.isolation_lease_s * 1000),
    )


def catch_up(line: Line) -> None:
    """Show the followers what they have not seen since the system ran last."""
    after = min(line.log.position(name) for name in (DISPATCHED, COORDINATED))
    # A log that is older than reviews and guards is not asked about its past.
    after = min(after, *(line.log.position(name) or after for name in (REVIEWED, GUARDED)))
    while entries := line.log.read(after, 1000):
        line.follow(entries, entries)
        after = entries[-1].position

"""What the actors of the fast line share: ports, each other, and limits."""

import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from drlactors.actors.dispatched import Dispatcher
from drlactors.actors.ledger import Ledger
from drlactors.actors.messages import Committed, Ref
from drlactors.actors.reach import Reach
from drlactors.codec import outbound
from drlactors.domain import session
from drlactors.domain.episode import EpisodeCompleted, StageConcluded, StageEntered, StageRefused
from drlactors.domain.features import FeatureSchema, Vectors
from drlactors.domain.guard import Guards, Withheld
from drlactors.domain.ids import InstanceId, SessionId
from drlactors.domain.permission import Rules
from drlactors.domain.review import Ruling
from drlactors.domain.session import Ended, OutcomeReported, SessionLost, Started
from drlactors.ports.bus import Bus, Delivery
from drlactors.ports.clock import Clock
from drlactors.ports.log import Entry, EventLog
from drlactors.ports.observer import Observer, Tracer
from drlactors.ports.policy import RankedBatch


class Shadows(Protocol):
    def offer(self, vectors: Vectors, ranked: RankedBatch, masks: Sequence[tuple[int, int]]) -> None:
        """What was ranked and answered; ``masks``: what was permitted, and for how many rows. Never blocks."""
        ...


class Guard(Protocol):
    def withheld(
        self, state: session.State, session_id: SessionId, seq: int, values: tuple[float, ...]
    ) -> tuple[Withheld, ...]:
        """What guards keep the policy from; asked where it would do anything but go on. Never blocks."""
        ...

    def lets_try(self, state: session.State) -> bool:
        """Whether something reversible may be tried by chance in this session. Never blocks."""
        ...


#: What the coordinator hears of: the turns of a session's life, each alone in its append, and what it wrote itself.
LIFE = (Started, OutcomeReported, Ended, SessionLost, StageEntered, StageConcluded, StageRefused, EpisodeCompleted)


class Limits(NamedTuple):
    """The numbers that the actors go by; ``configs/`` has the values. They may be replaced while the system runs."""

    rules: Rules
    known_sandboxes: frozenset[str]  # empty: any
    reorder_windows: int
    reorder_wait_s: float
    idle_passivate_s: float
    lost_after_s: float
    snapshot_every_events: int
    group_windows: int  # the most that one session has ranked at once
    retry_s: tuple[float, ...]  # the pauses before an action is sent again
    answer_timeout_s: float  # after the last of them
    actions_per_s: float  # that change anything, all sessions together
    actions_burst: float
    failures_before_dead_letter: int
    backoff_initial_s: float
    backoff_max_s: float
    stage_wait_s: float  # how long a stage that would be next may take to begin
    review_deadline_s: float  # how long a person has
    review_default: Ruling  # when nobody answers in time
    guards: Guards


class Line:
    """Made once by the wiring; the references are filled in as the actors start."""

    inference: Ref
    writer: Ref
    dispatcher: Ref
    coordinator: Ref
    reviewer: Ref
    counter: Ref
    guard: Guard  # the counter, for those on its thread
    supervisor: Ref
    chronicle: Ref
    shadows: Shadows | None = None  # while there is a candidate

    def __init__(
        self,
        *,
        instance: InstanceId,
        log: EventLog,
        bus: Bus,
        clock: Clock,
        observer: Observer,
        tracer: Tracer,
        ledger: Ledger,
        schema: FeatureSchema,
        limits: Limits,
        main: Dispatcher,
        commit: Dispatcher,
        end: Callable[[Exception], None],
    ) -> None:
        """``end``: called, on any thread, with the reason why this plane cannot go on and has to be stopped."""
        self.instance = instance
        self.log = log
        self.bus = bus
        self.clock = clock
        self.observer = observer
        self.tracer = tracer
        self.ledger = ledger
        self.schema = schema
        self.limits = limits
        self.main = main
        self.commit = commit
        self.end = end
        self.stopping = threading.Event()
        self.reach = Reach(clock)
        #: By the name under which the log remembers it: up to where a follower needs no entry again.
        self.followers: dict[str, Callable[[], int]] = {}

    @property
    def log_away(self) -> bool:
        return self.reach.away

    def follow(self, entries: list[Entry], acting: list[Entry]) -> None:
        """Show new entries to those who follow the log; ``acting``: those of them with more than windows in them."""
        if entries:
            self.dispatcher.tell(Committed(entries))
        if acting:
            lives = [entry for entry in acting if isinstance(entry.events[-1], LIFE)]
            if lives:
                self.coordinator.tell(Committed(lives))
            self.reviewer.tell(Committed(acting))
            self.counter.tell(Committed(acting))

    def marks(self, consumer: str) -> dict[str, int]:
        """Up to where everybody needs nothing again, by the names under which the log remembers it."""
        return {consumer: self.ledger.through(), **{name: through() for name, through in self.followers.items()}}

    def settle(self, sequences: Sequence[int]) -> None:
        """Nothing more is to be done about these deliveries: the bus may send as many more."""
        if sequences:
            self.ledger.settle(sequences)
            self.bus.replenish(len(sequences))

    def turn_away(self, delivery: Delivery, reason: str) -> None:
        """Nothing comes of this message: keep it for a person, say so to its sandbox, and go on."""
        self.bus.bury(delivery, reason)
        self.bus.publish([(delivery.session, outbound.refusal(delivery.session, delivery.kind, reason))])
        self.settle((delivery.sequence,))

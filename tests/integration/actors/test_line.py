"""The actors of the fast line together, on a bus and a log in memory, with everything going wrong that can."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from drlactors.actors.coordinator import CoordinatorActor
from drlactors.actors.dispatched import Dispatcher
from drlactors.actors.dispatcher import DispatcherActor
from drlactors.actors.guard import GuardActor
from drlactors.actors.inference import InferenceActor
from drlactors.actors.ledger import Ledger
from drlactors.actors.line import Limits, Line
from drlactors.actors.messages import Awaited, Deliveries, Recalled, Reopened, Tick
from drlactors.actors.reviewer import ReviewerActor
from drlactors.actors.supervisor import SupervisorActor, WriterFailed
from drlactors.actors.writer import WriterActor
from drlactors.codec import sandbox as wire
from drlactors.domain import features
from drlactors.domain.action import Action
from drlactors.domain.errors import ForeignSession
from drlactors.domain.features import FeatureSchema
from drlactors.domain.guard import Guards
from drlactors.domain.ids import SessionId, instance_of
from drlactors.domain.review import Ruling
from drlactors.domain.session import (
    ActionSelected,
    EndReason,
    Event,
    TelemetryLost,
    TelemetryRecorded,
)
from drlactors.domain.telemetry import Telemetry, Window
from drlactors.inference import RulePolicy, Serving
from drlactors.ports.bus import Delivery, Kind
from drlactors.ports.log import Append, Category, LogUnreachable, Stream
from drlactors.sandboxes.sdk import Done, Instruction, Sandbox, Session
from drlactors.store.memory import MemoryEventLog
from drlactors.testing.given import ARTIFACT, RULES, window
from drlactors.testing.memory_bus import MemoryBus
from drlactors.testing.observer import RecordingObserver
from drlactors.wiring.system import catch_up

LIMITS = Limits(
    rules=RULES,
    known_sandboxes=frozenset(),
    reorder_windows=8,
    reorder_wait_s=0.5,
    idle_passivate_s=60,
    lost_after_s=120,
    snapshot_every_events=20,
    group_windows=64,
    retry_s=(1, 2, 4),
    answer_timeout_s=5,
    actions_per_s=1000,
    actions_burst=100,
    failures_before_dead_letter=3,
    backoff_initial_s=0.001,
    backoff_max_s=0.01,
    stage_wait_s=100,
    review_deadline_s=60,
    review_default=Ruling.CONTINUE,
    guards=Guards(),
)
#: What the rules stop: mass change of files with code injected.
SINISTER = Telemetry(
    syscall_count=5000, file_write_count=2000, file_delete_count=2000, code_injection_detected=True,
    privilege_escalation_attempt=True, accessed_paths=("/home/u/.ssh/id_rsa",), bytes_sent=1_000_000,
)  # fmt: skip


class ManualClock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.set_ahead_s = 0.0  # the clock on the wall, by somebody

    def now_us(self) -> int:
        return int((self.seconds + self.set_ahead_s) * 1e6)

    def monotonic_s(self) -> float:
        return self.seconds


class Untraced:
    def span(self, _name: str, _traceparent: str, /, **_attributes: Any) -> None:
        return None


class Shaky(MemoryEventLog):
    """A log that is away as often as it is told to be, before or after it has stored what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.away_before = self.away_after = 0
        self.fault: Exception | None = None

    def append(self, appends: Sequence[Append], positions: Mapping[str, int] | None = None) -> list[int | None]:
        if self.fault:
            raise self.fault
        if self.away_before:
            self.away_before -= 1
            raise LogUnreachable("away")
        stored = super().append(appends, positions)
        if self.away_after:
            self.away_after -= 1
            raise LogUnreachable("the answer was lost")
        return stored


class Plane:
    """A line with all its actors, and a sandbox."""

    def __init__(self, limits: Limits, log: Shaky, clock: ManualClock) -> None:
        self.bus, self.log, self.clock, self.observer = MemoryBus(), log, clock, RecordingObserver()
        schema = FeatureSchema()
        main, commit = Dispatcher("main"), Dispatcher("commit")
        self.ended: list[Exception] = []
        self.line = line = Line(
            instance=instance_of("instance-1"),
            log=self.log,
            bus=self.bus,
            clock=self.clock,
            observer=self.observer,
            tracer=Untraced(),
            ledger=Ledger(0),
            schema=schema,
            limits=limits,
            main=main,
            commit=commit,
            end=self.ended.append,
        )
        serving = Serving(None, RulePolicy(schema), deadline_s=1, max_late=3, bench_s=1, clock=self.clock)
        line.supervisor = SupervisorActor.start(line)
        line.writer = WriterActor.start(line, "consumed")
        line.inference = InferenceActor.start(line, serving)
        line.dispatcher = DispatcherActor.start(line)
        line.coordinator = CoordinatorActor.start(line)
        line.reviewer = ReviewerActor.start(line)
        line.counter = GuardActor.start(line)
        main.every(0.005, line.reviewer, Tick())
        main.every(0.005, line.coordinator, Tick())
        main.every(0.005, line.supervisor, Tick())
        main.every(0.005, line.dispatcher, Tick())
        line.supervisor.tell(Recalled(self.log.open_sessions()))
        commit.start()
        main.start()
        line.reviewer.tell(Reopened(self.log.open_reviews()))
        line.coordinator.tell(Awaited(self.log.open_episodes()))
        catch_up(line)
        self.bus.consume(0, self.deliver, 4096)
        self.carried: list[Action] = []
        self.host = Sandbox(self.bus.link(), "sandbox-1", clock=self.clock)

    def deliver(self, deliveries: list[Delivery]) -> None:
        self.line.ledger.enter(delivery.sequence for delivery in deliveries)
        self.line.supervisor.tell(Deliveries(deliveries))

    def open(self, carry_out: Callable[[Instruction], Done] | None = None, session: SessionId | None = None) -> Session:
        def carry(instruction: Instruction) -> Done:
            self.carried.append(instruction.action)
            return Done()

        return self.host.start(ARTIFACT, carry_out or carry, session=session)

    def events(self, session: SessionId) -> list[Event]:
        stream = Stream(Category.SESSION, session)
        return [event for entry in self.log.stream(stream) for event in entry.of_session]

    def close(self) -> None:
        self.host.close()
        self.line.stopping.set()
        self.bus.stop_consuming()
        assert self.line.main.stop(10)
        assert self.line.commit.stop(10)
        self.bus.close()


@contextmanager
def running(limits: Limits = LIMITS, log: Shaky | None = None, clock: ManualClock | None = None) -> Iterator[Plane]:
    """A plane of its own, or one that goes on with the log of another."""
    plane = Plane(limits, log or Shaky(), clock or ManualClock())
    try:
        yield plane
    finally:
        plane.close()


@pytest.fixture
def plane() -> Iterator[Plane]:
    with running() as one:
        yield one


def until(
    condition: Callable[[], object],
    what: str,
    timeout_s: float = 10.0,
    clock: ManualClock | None = None,
    step_s: float = 0.005,
) -> None:
    """Look until it is so; with ``clock``, time passes for the actors as it does here, or by ``step_s`` a look."""
    turn = threading.Event()
    for _ in range(int(timeout_s / 0.005)):
        if condition():
            return
        turn.wait(0.005)
        if clock is not None:
            clock.seconds += step_s
    raise AssertionError(f"not within {timeout_s:.0f} s: {what}")


def recorded(events: Sequence[Event]) -> list[int]:
    return [event.window.seq for event in events if isinstance(event, TelemetryRecorded)]


def selected(events: Sequence[Event]) -> list[int]:
    return [event.seq for event in events if isinstance(event, ActionSelected)]


def send(session: Session, first: int, last: int) -> None:
    for seq in range(first, last):
        session.send([window(seq, syscall_count=10)])


def test_each_window_is_recorded_and_answered_once(plane: Plane) -> None:
    session = plane.open()
    send(session, 0, 30)
    assert session.wait_answered(10)
    assert recorded(plane.events(session.id)) == selected(plane.events(session.id)) == list(range(30))


def test_what_is_seen_and_what_is_chosen_are_one_append(plane: Plane) -> None:
    session = plane.open()
    session.send([window(0), window(1)])
    assert session.wait_answered(10)
    _, entry = plane.log.stream(Stream(Category.SESSION, session.id))
    assert [type(event) for event in entry.events] == [TelemetryRecorded] * 2 + [ActionSelected] * 2


@pytest.mark.parametrize("when", ["away_before", "away_after"])
def test_a_log_that_is_away_loses_and_doubles_nothing(plane: Plane, when: str) -> None:
    session = plane.open()
    send(session, 0, 5)
    setattr(plane.log, when, 3)
    send(session, 5, 20)
    assert session.wait_answered(10)
    assert recorded(plane.events(session.id)) == list(range(20))
    assert any(name == "log.unreachable" for name, _, _ in plane.observer.errors)


def test_a_fault_that_costs_the_writer_its_batch_ends_the_plane_with_the_reason(plane: Plane) -> None:
    session = plane.open()
    send(session, 0, 3)
    assert session.wait_answered(10)
    plane.log.fault = ZeroDivisionError("a fault of ours")
    send(session, 3, 5)
    until(lambda: plane.ended, "the plane is told to end")
    assert isinstance(plane.ended[0], WriterFailed)
    assert "a fault of ours" in str(plane.ended[0])
    assert plane.line.ledger.unsettled()  # so the bus brings them again, to the next one
    plane.log.fault = None
    send(session, 5, 8)
    until(plane.line.writer.actor_inbox.empty, "it is handed to the writer", clock=plane.clock)
    until(lambda: plane.clock.seconds > 1002, "the windows before it are waited for", clock=plane.clock, step_s=0.1)
    assert recorded(plane.events(session.id)) == [0, 1, 2]
    assert not any(isinstance(event, TelemetryLost) for event in plane.events(session.id))


def test_a_stream_that_somebody_else_wrote_to_is_read_again(plane: Plane) -> None:
    session = plane.open()
    send(session, 0, 3)
    assert session.wait_answered(10)
    stream = Stream(Category.SESSION, session.id)
    foreign = Append(stream, len(plane.events(session.id)), (TelemetryRecorded(window(3)),), 1, "another plane")
    assert plane.log.append([foreign]) != [None]
    send(session, 4, 10)
    # It waits for window 3 first, of which it does not know that it is there.
    until(lambda: selected(plane.events(session.id))[-1:] == [9], "the session goes on", clock=plane.clock)
    assert recorded(plane.events(session.id)) == list(range(10))
    assert plane.observer.totals["conflict"] >= 1


def test_a_message_that_keeps_breaking_the_session_is_buried_and_the_session_goes_on(
    plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = features.row

    def breaks(state: Any, seen: Window) -> features.Row:
        if seen.telemetry.syscall_count == 666:
            raise ZeroDivisionError("a fault of ours")
        return whole(state, seen)

    monkeypatch.setattr(features, "row", breaks)
    session = plane.open()
    send(session, 0, 3)
    session.send([window(3, syscall_count=666)])
    send(session, 4, 8)
    until(lambda: plane.bus.dead_letters(10), "it is buried", clock=plane.clock)
    until(lambda: selected(plane.events(session.id))[-1:] == [7], "the rest is answered", clock=plane.clock)
    letters = plane.bus.dead_letters(10)  # more than one where the sandbox sent the window again before it was given up
    assert all("ZeroDivisionError" in letter.reason for letter in letters)
    assert len({letter.data for letter in letters}) == 1
    assert recorded(plane.events(session.id)) == [0, 1, 2, 4, 5, 6, 7]
    assert [event for event in plane.events(session.id) if isinstance(event, TelemetryLost)] != []


def test_a_session_that_waits_long_after_many_faults_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, left = features.row, {666: 4, 667: 1}

    def breaks(state: Any, seen: Window) -> features.Row:
        if left.get(seen.telemetry.syscall_count or 0, 0):
            left[seen.telemetry.syscall_count or 0] -= 1
            raise ZeroDivisionError("a fault of ours")
        return whole(state, seen)

    monkeypatch.setattr(features, "row", breaks)
    patient = LIMITS._replace(failures_before_dead_letter=9, backoff_initial_s=1, backoff_max_s=1000)
    with running(patient) as plane:
        plane.host.resend_s = 1e9
        broken, other = plane.open(), plane.open()
        broken.send([window(0, syscall_count=666)])
        until(lambda: not left[666], "it has broken four times", clock=plane.clock, step_s=0.05)
        other.send([window(0, syscall_count=667)])
        until(lambda: not left[667], "the other one has broken once")
        plane.clock.seconds += 2  # the first waits for eight
        until(lambda: selected(plane.events(other.id)) == [0], "the other one is answered")
        assert selected(plane.events(broken.id)) == []


def test_nobody_speaks_for_another_sandboxs_session(plane: Plane) -> None:
    session = plane.open()
    send(session, 0, 3)
    assert session.wait_answered(10)
    link = plane.bus.link()
    link.send(Kind.TELEMETRY, session.id, wire.windows(session.id, "sandbox-2", [window(3)]))
    link.send(Kind.EPISODE, session.id, wire.end(session.id, "sandbox-2", EndReason.FINISHED))
    until(lambda: len(plane.bus.dead_letters(10)) == 2, "both are refused")
    assert {letter.reason for letter in plane.bus.dead_letters(10)} == {ForeignSession.__doc__}
    send(session, 3, 5)
    assert session.wait_answered(10)
    assert recorded(plane.events(session.id)) == list(range(5))


def test_windows_in_the_wrong_order_are_put_right(plane: Plane) -> None:
    session = plane.open()
    for seq in (0, 3, 2, 1, 5, 4):
        session.send([window(seq)])
    assert session.wait_answered(10)
    assert recorded(plane.events(session.id)) == list(range(6))


def test_a_gap_is_recorded_as_lost_when_its_time_is_over(plane: Plane) -> None:
    session = plane.open()
    session.send([window(0)])
    session.send([window(5)])
    until(lambda: selected(plane.events(session.id)) == [0], "the first is answered")
    until(lambda: not session.unanswered(), "the last is answered", clock=plane.clock)
    (lost,) = [event for event in plane.events(session.id) if isinstance(event, TelemetryLost)]
    assert (lost.first_seq, lost.last_seq) == (1, 4)


def test_the_rate_limit_delays_and_drops_nothing() -> None:
    with running(LIMITS._replace(actions_per_s=1, actions_burst=1)) as plane:
        sessions = [plane.open() for _ in range(4)]
        for session in sessions:
            session.send([Window(0, 250, 1, SINISTER), Window(1, 250, 1, SINISTER)])
        until(lambda: plane.carried, "the first action goes")
        before = len(plane.carried)
        for _ in range(20):
            plane.clock.seconds += 1
        until(lambda: len(plane.carried) > before, "others follow as time allows")
        plane.clock.seconds += 60
        for session in sessions:
            assert session.wait_answered(10)


def test_a_trace_reaches_the_stored_events(plane: Plane) -> None:
    session = plane.open()
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    session.send([window(0)], traceparent)
    assert session.wait_answered(10)
    *_, entry = plane.log.stream(Stream(Category.SESSION, session.id))
    assert entry.traceparent == traceparent
    assert entry.causation.startswith("bus:")

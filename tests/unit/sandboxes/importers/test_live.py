"""A run that is over is played until its end, or until the system stops it; and is concluded either way."""

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from drlactors.codec.inbound import decode
from drlactors.codec.outbound import Decision, actions
from drlactors.domain.action import Action
from drlactors.domain.permission import Rules
from drlactors.domain.session import (
    ActionSelected,
    Answer,
    Artifact,
    Command,
    End,
    EndReason,
    Outcome,
    Record,
    Report,
    Start,
)
from drlactors.domain.telemetry import Telemetry, Window
from drlactors.ports.bus import Delivery
from drlactors.ports.clock import SystemClock
from drlactors.sandboxes.importers.finished import Finished, session_of
from drlactors.sandboxes.importers.live import play
from drlactors.testing.memory_bus import MemoryBus

RULES = Rules(1, 1, 1, 1, 1)
IN_2020_US = 1_603_335_475_116_000
WINDOWS = tuple(Window(seq, 10, IN_2020_US + 10_000 * seq, Telemetry(syscall_count=seq)) for seq in range(50))
RUN = Finished(session_of("ab" * 32), "CAPE 2.4", Artifact("ab" * 32, "exe"), 10, WINDOWS, Outcome.MALICIOUS, "why")


class System:
    """Answers every window, and stops the run at one of them."""

    def __init__(self, bus: MemoryBus, stop_at: int) -> None:
        self.heard: list[Command] = []
        self.ended = threading.Event()
        self._bus = bus
        self._stop_at = stop_at
        bus.consume(0, self._deliver, 1 << 20)

    def _deliver(self, batch: list[Delivery]) -> None:
        for delivery in batch:
            commands = decode(delivery.kind, delivery.session, delivery.data, RULES).commands
            self.heard += commands
            decided = [self._decided(one.window.seq) for one in commands if isinstance(one, Record)]
            if decided:
                self._bus.publish([(delivery.session, actions(delivery.session, decided))])
            if any(isinstance(one, End) for one in commands):
                self.ended.set()

    def _decided(self, seq: int) -> Decision:
        action = Action.TERMINATE if seq == self._stop_at else Action.CONTINUE
        return Decision(seq, 0, ActionSelected(seq, action, (0.0,) * 5, 31, b"\0" * 4, "p", "s", (), 1.0))

    def windows(self) -> list[int]:
        return [one.window.seq for one in self.heard if isinstance(one, Record)]


@pytest.fixture
def bus() -> Iterator[MemoryBus]:
    with closing(MemoryBus()) as made:
        yield made


def played(bus: MemoryBus, stop_at: int) -> tuple[System, Action | None, int]:
    system, sent = System(bus, stop_at), list[None]()
    stopped = play(RUN, bus.link(), SystemClock(), speed=1.0, watch=lambda: sent.append(None))
    assert system.ended.wait(10)
    return system, stopped, len(sent)


def test_a_run_that_nobody_stops_is_told_to_its_end(bus: MemoryBus) -> None:
    system, stopped, sent = played(bus, stop_at=-1)
    assert (stopped, sent) == (None, 50)
    assert system.windows() == list(range(50))
    assert [one.window for one in system.heard if isinstance(one, Record)] == list(WINDOWS)  # also when that was
    assert isinstance(system.heard[0], Start)
    assert [one for one in system.heard if isinstance(one, Report | End)] == [
        Report(Outcome.MALICIOUS, "why"),
        End(EndReason.FINISHED),
    ]


def test_a_run_that_is_stopped_ends_there_and_says_so(bus: MemoryBus) -> None:
    system, stopped, sent = played(bus, stop_at=5)
    assert stopped is Action.TERMINATE
    assert 5 < sent < 50
    assert [one for one in system.heard if isinstance(one, Answer)] == [Answer(5, True, "stopped", "")]
    assert system.heard[-1] == End(EndReason.TERMINATED)

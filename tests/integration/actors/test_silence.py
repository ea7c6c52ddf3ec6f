"""Sessions that say nothing: they sleep, wake with what they knew, and are lost in the end."""

import threading
from collections.abc import Mapping, Sequence

import pytest

from drlactors.codec import sandbox as wire
from drlactors.domain.session import SessionLost
from drlactors.ports.bus import Kind
from drlactors.ports.log import Append, Category, Stream
from drlactors.testing.given import window
from tests.integration.actors.test_line import LIMITS, Shaky, recorded, running, send, until


def test_a_silent_session_sleeps_wakes_with_its_state_and_is_lost_in_the_end() -> None:
    with running() as plane:
        session = plane.open()
        send(session, 0, 15)
        assert session.wait_answered(10)
        plane.clock.seconds += 61
        until(lambda: plane.observer.totals["awake"] == 0, "it sleeps")
        assert plane.log.snapshot(Stream(Category.SESSION, session.id)) is not None
        send(session, 15, 20)
        assert session.wait_answered(10)
        assert recorded(plane.events(session.id)) == list(range(20))
        heard_s = plane.clock.seconds
        until(lambda: isinstance(plane.events(session.id)[-1], SessionLost), "it is lost", clock=plane.clock, step_s=1)
        assert plane.clock.seconds >= heard_s + 120


@pytest.mark.parametrize("deaf", ["a server is away", "the plane is stopped"])
def test_no_session_is_lost_for_a_silence_in_which_nobody_listened(deaf: str) -> None:
    with running() as plane:
        silent, spoken = plane.open(), plane.open()
        for session in (silent, spoken):
            send(session, 0, 3)
            assert session.wait_answered(10)
        back_s = plane.clock.seconds + 1000
        if deaf == "a server is away":
            plane.bus.stop_consuming()
            until(lambda: plane.clock.seconds >= back_s, "time passes", clock=plane.clock, step_s=5)
            plane.bus.consume(plane.line.ledger.through(), plane.deliver, 4096)
        plane.clock.seconds = back_s
        plane.bus.link().send(Kind.TELEMETRY, spoken.id, wire.windows(spoken.id, "sandbox-1", [window(3)]))
        until(lambda: recorded(plane.events(spoken.id)) == [0, 1, 2, 3], "one of them is heard")
        lost = lambda: isinstance(plane.events(silent.id)[-1], SessionLost)  # noqa: E731
        until(lost, "who stays silent is lost", clock=plane.clock, step_s=1)
        assert plane.clock.seconds >= back_s + LIMITS.lost_after_s / 3  # half, but for the last look before
        assert recorded(plane.events(spoken.id)) == [0, 1, 2, 3]


class Frozen(Shaky):
    """A log that takes what it is given, and answers when it is thawed."""

    def __init__(self) -> None:
        super().__init__()
        self.thawed = threading.Event()
        self.thawed.set()
        self.asked = False

    def append(self, appends: Sequence[Append], positions: Mapping[str, int] | None = None) -> list[int | None]:
        self.asked = not self.thawed.is_set()
        assert self.thawed.wait(20)
        return super().append(appends, positions)


def test_a_log_that_answers_nothing_is_away_and_it_is_said_once() -> None:
    log = Frozen()
    with running(log=log) as plane:
        session = plane.open()
        send(session, 0, 3)
        assert session.wait_answered(10)
        log.thawed.clear()
        send(session, 3, 6)
        until(lambda: log.asked and not plane.line.log_away, "the writer waits")
        until(lambda: plane.observer.errors, "it is said", clock=plane.clock, step_s=1)
        assert plane.line.log_away
        until(lambda: plane.clock.seconds > 1100, "time passes", clock=plane.clock, step_s=1)
        log.thawed.set()
        assert session.wait_answered(10)
        until(lambda: not plane.line.log_away, "it is back")
        assert [name for name, _, _ in plane.observer.errors] == ["log.unreachable"]
        assert recorded(plane.events(session.id)) == list(range(6))


def test_a_session_that_was_open_when_the_system_ended_is_lost_when_it_stays_silent() -> None:
    with running() as before:
        silent, spoken = before.open(), before.open()
        for session in (silent, spoken):
            send(session, 0, 3)
            assert session.wait_answered(10)
    before.clock.seconds += 1000
    with running(log=before.log, clock=before.clock) as plane:
        until(lambda: plane.observer.totals["open"] == 2, "both are known")
        plane.clock.seconds += 59
        link = plane.bus.link()
        link.send(Kind.TELEMETRY, spoken.id, wire.windows(spoken.id, "sandbox-1", [window(3)]))
        until(lambda: recorded(plane.events(spoken.id)) == [0, 1, 2, 3], "one of them goes on")
        assert not isinstance(plane.events(silent.id)[-1], SessionLost)
        lost = lambda: isinstance(plane.events(silent.id)[-1], SessionLost)  # noqa: E731
        until(lost, "the other is lost", clock=plane.clock, step_s=1)
        (given_up,) = [event for event in plane.events(silent.id) if isinstance(event, SessionLost)]
        assert given_up.silent_ms >= 1_060_000
        until(lambda: plane.observer.totals["open"] == 1, "one is left")
        assert recorded(plane.events(spoken.id)) == [0, 1, 2, 3]

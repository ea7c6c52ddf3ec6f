"""Sessions that say nothing: they sleep, wake with what they knew, and are lost in the end."""

import pytest

from drlactors.codec import sandbox as wire
from drlactors.domain.session import SessionLost
from drlactors.ports.bus import Kind
from drlactors.ports.log import Category, Stream
from drlactors.testing.given import window
from tests.integration.actors.test_line import LIMITS, recorded, running, send, until


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
        lost = lambda: isinstance(plane.events(silent.id)[-1], SessionLost)  # noqa: E731
        until(lost, "who stays silent is lost", clock=plane.clock, step_s=1)
        assert plane.clock.seconds >= back_s + LIMITS.lost_after_s / 3  # half, but for the last look before
        assert recorded(plane.events(spoken.id)) == [0, 1, 2, 3]


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

"""What sessions leave behind in memory when they are over: nothing."""

import gc
from collections import Counter
from uuid import uuid4

from drlactors.actors.messages import Tick
from drlactors.codec import sandbox
from drlactors.domain import ids
from drlactors.domain.ids import SessionId
from drlactors.domain.session import EndReason
from drlactors.ports.bus import Kind
from drlactors.testing.given import ARTIFACT, window
from tests.integration.actors.test_line import Plane, running, until

OURS = tuple(f"drlactors.{room}" for room in ("actors", "bus", "codec", "domain", "inference", "ports", "store"))
EVENTS = 7  # of a session: its start, window, action and end; and its episode's three
WAVE = 1500  # sessions; more than are let go before their names are


def test_of_thousands_of_sessions_that_came_and_went_nothing_stays() -> None:
    with running() as plane:
        come_and_go(plane)
        before = held(plane)
        for _ in range(2):
            come_and_go(plane)
        after = held(plane)
    assert {name: count for name, count in after.items() if count > before[name] + WAVE // 10} == {}


def come_and_go(plane: Plane) -> None:
    link, events = plane.bus.link(), plane.observer.totals["events"] + EVENTS * WAVE
    for _ in range(WAVE):
        session = SessionId(uuid4())
        link.send(Kind.EPISODE, session, sandbox.start(session, "sandbox-1", 1, ARTIFACT, 250))
        link.send(Kind.TELEMETRY, session, sandbox.windows(session, "sandbox-1", [window(0)]))
        link.send(Kind.EPISODE, session, sandbox.end(session, "sandbox-1", EndReason.FINISHED))
    until(lambda: plane.observer.totals["events"] == events, "all are over, and their episodes", timeout_s=60)
    plane.observer.totals["awake"] = WAVE  # until they are looked at again
    until(lambda: plane.observer.totals["awake"] == 0, "all have left", clock=plane.clock)
    line = plane.line
    for ref in (line.writer, line.dispatcher, line.coordinator, line.reviewer, line.counter, line.writer):
        ref.ask(Tick())  # it has read what it was told before


def held(plane: Plane) -> Counter[str]:
    """Objects of ours by type, and what is kept at hand; the rows of the log in memory are none of ours."""
    gc.collect()
    kinds = [type(one) for one in gc.get_objects()]
    found = Counter(kind.__qualname__ for kind in kinds if str(kind.__module__).startswith(OURS))
    found["names"] = ids.spelled.cache_info().currsize + ids.named.cache_info().currsize
    found["seams"] = len(plane.log._seams)
    return found

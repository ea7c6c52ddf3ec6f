"""A session that is over leaves memory, but not before what it decided is on disk or has come back."""

import threading
from collections.abc import Mapping, Sequence
from uuid import uuid4

from drlactors.codec import sandbox as wire
from drlactors.domain.ids import SessionId
from drlactors.domain.session import Ended, EndReason
from drlactors.ports.bus import Kind, SandboxLink
from drlactors.ports.log import Append
from drlactors.testing.given import ARTIFACT, window
from tests.integration.actors.test_line import Plane, Shaky, running, send, until


class Slow(Shaky):
    """A log that stores only while it is let to."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()
        self.open.set()

    def append(self, appends: Sequence[Append], positions: Mapping[str, int] | None = None) -> list[int | None]:
        assert self.open.wait(30)
        return super().append(appends, positions)


def tell_all(link: SandboxLink, session: SessionId) -> None:
    link.send(Kind.EPISODE, session, wire.start(session, "sandbox-1", 1, ARTIFACT, 250))
    link.send(Kind.TELEMETRY, session, wire.windows(session, "sandbox-1", [window(0)]))
    link.send(Kind.EPISODE, session, wire.end(session, "sandbox-1", EndReason.FINISHED))


def look_around(plane: Plane, times: int) -> None:
    for _ in range(times):
        plane.observer.totals["awake"] = -1
        until(lambda: plane.observer.totals["awake"] >= 0, "it looks for idle sessions", clock=plane.clock)


def test_a_session_that_is_delivered_again_stays_until_the_log_has_said_that_it_knows_it() -> None:
    """As after a crash: the whole of it comes again, and is decided as if it were new, until the log refuses it."""
    log, session = Slow(), SessionId(uuid4())
    with running(log=log) as before:
        tell_all(before.bus.link(), session)
        until(lambda: any(isinstance(event, Ended) for event in before.events(session)), "it is over")
        known = before.events(session)
    with running(log=log, clock=before.clock) as plane:
        log.open.clear()
        tell_all(plane.bus.link(), session)
        look_around(plane, 3)
        assert plane.observer.totals["awake"] == 1
        log.open.set()
        other = plane.open()
        send(other, 0, 3)
        assert other.wait_answered(10)
        until(lambda: plane.line.ledger.unsettled() == 0, "nothing is under way")
        assert plane.events(session) == known
        until(lambda: plane.observer.totals["awake"] == 1, "only the other one is awake", clock=plane.clock)
        assert not plane.observer.errors

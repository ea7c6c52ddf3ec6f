"""CAPE, a drlactors that answers by a policy, and a follower between them."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from drlactors.codec.inbound import decode
from drlactors.codec.outbound import Decision, actions, refusal
from drlactors.domain.action import Action
from drlactors.domain.ids import SessionId
from drlactors.domain.permission import Rules
from drlactors.domain.session import ActionSelected, Answer, Command, End, EndReason, Outcome, Record, Report
from drlactors.domain.telemetry import Window
from drlactors.ports.bus import BusUnreachable, Delivery
from drlactors.sandboxes.cape.api import CapeApi
from drlactors.sandboxes.cape.follower import Follower
from drlactors.sandboxes.cape.note import Note, waiting
from drlactors.sandboxes.cape.run import Terms
from drlactors.sandboxes.sandbox import Sandbox
from drlactors.testing.memory_bus import MemoryBus, MemoryLink
from tests.unit.sandboxes.cape.fake import FakeCape, Task

QUICK = Terms(window_ms=40, poll_s=0.01, finish_s=5.0, status_s=5.0, status_every_s=0.02, settle_s=0.05, answers_s=5.0)
Policy = Callable[[Window], Action]


def bystander(window: Window) -> Action:
    return Action.CONTINUE


class Plane:
    """Answers each window once, by its policy, and each repeated one in the same way."""

    def __init__(self, policy: Policy = bystander) -> None:
        self.bus = MemoryBus()
        self.policy = policy
        self.silent = False
        self.declines = False
        self._changed = threading.Condition()
        self._commands: list[tuple[SessionId, Command]] = []
        self.bus.consume(0, self._deliver, credit=10_000)

    def of(self, session: SessionId) -> list[Command]:
        with self._changed:
            return [command for about, command in self._commands if about == session]

    def wait(self, condition: Callable[[], object]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, 20.0), [command for _, command in self._commands]

    def windows(self, session: SessionId) -> list[Window]:
        """Each once, as it came first."""
        found: dict[int, Window] = {}
        for command in self.of(session):
            if isinstance(command, Record):
                assert found.setdefault(command.window.seq, command.window) == command.window, "cut in two ways"
        return list(found.values())

    def answers(self, session: SessionId) -> list[Answer]:
        return [command for command in self.of(session) if isinstance(command, Answer)]

    def ended(self, session: SessionId) -> End | None:
        return next((command for command in self.of(session) if isinstance(command, End)), None)

    def report(self, session: SessionId) -> Report:
        return next(command for command in self.of(session) if isinstance(command, Report))

    def _deliver(self, batch: list[Delivery]) -> None:
        told: list[tuple[SessionId, bytes]] = []
        with self._changed:
            for delivery in batch:
                inbound = decode(delivery.kind, delivery.session, delivery.data, Rules(3, 1, 1, 0, 0))
                self._commands += [(delivery.session, command) for command in inbound.commands]
                decisions = [
                    Decision(2 * command.window.seq + 3, 1, self._selected(command.window), 1)
                    for command in inbound.commands
                    if isinstance(command, Record)
                ]
                if self.declines:
                    told.append((delivery.session, refusal(delivery.session, delivery.kind, "the session is over")))
                if decisions and not self.silent:
                    told.append((delivery.session, actions(delivery.session, decisions)))
            self._changed.notify_all()
        self.bus.publish(told)
        self.bus.replenish(len(batch))

    def _selected(self, window: Window) -> ActionSelected:
        return ActionSelected(window.seq, self.policy(window), (0.0,) * 5, 31, b"", "rules", "schema", (), 1.0)


class _Link(MemoryLink):
    def __init__(self, bus: MemoryBus, scene: "Scene") -> None:
        super().__init__(bus)
        self._scene = scene

    def listen(self, session: SessionId, on_actions: Callable[[bytes], None]) -> None:
        if self._scene.away:
            self._scene.away -= 1
            raise BusUnreachable("away")
        super().listen(session, on_actions)


class Scene:
    """CAPE, drlactors, and what stands between them."""

    def __init__(self, cape: FakeCape, plane: Plane) -> None:
        self.cape = cape
        self.plane = plane
        self.told: list[str] = []
        self.away = 0  # so often drlactors cannot be reached for a session that begins

    @contextmanager
    def following(self, terms: Terms = QUICK) -> Iterator[None]:
        """A follower, until it is stopped: what runs then is left to the next one."""
        stop = threading.Event()
        link = _Link(self.plane.bus, self)
        with Sandbox(link, "cape", journal=self.cape.root / "actions", resend_s=0.2) as sandbox:
            follower = Follower(sandbox, self.cape.spool, CapeApi(self.cape.url), terms, self.told.append)
            thread = threading.Thread(target=follower.follow, args=(stop,))
            thread.start()
            try:
                yield
            finally:
                stop.set()
                thread.join()
        link.close()

    def start(self, number: int, **options: str) -> tuple[Task, SessionId]:
        known = set(waiting(self.cape.spool))
        task = self.cape.start(number, **options)
        (path,) = set(waiting(self.cape.spool)) - known
        return task, Note.read(path).session

    def wait_told(self, text: str) -> None:
        until_s = time.monotonic() + 20
        while not any(text in line for line in self.told):
            assert time.monotonic() < until_s, self.told
            threading.Event().wait(0.01)

    def wait_windows(self, session: SessionId, least: int) -> list[Window]:
        self.plane.wait(lambda: len(self.plane.windows(session)) >= least)
        return self.plane.windows(session)

    def wait_ended(self, session: SessionId) -> tuple[Outcome, EndReason]:
        self.plane.wait(lambda: self.plane.ended(session))
        end = self.plane.ended(session)
        assert end is not None
        return self.plane.report(session).outcome, end.reason


def writes_in(windows: list[Window]) -> int:
    return sum(window.telemetry.file_write_count or 0 for window in windows)

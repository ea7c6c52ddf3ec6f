"""The SDK behind one door, whatever its transport and its style, and the plane's end of the bus in a test's hands."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, Self, TypeVar

from drlactors.bus.nats_bus import NatsBus
from drlactors.bus.streams import Limits
from drlactors.codec.inbound import decode
from drlactors.codec.outbound import Decision, actions
from drlactors.domain.action import Action
from drlactors.domain.ids import EpisodeId, SessionId
from drlactors.domain.permission import Rules
from drlactors.domain.session import ActionSelected, Answer, Artifact, Command, EndReason, Outcome, Record
from drlactors.domain.telemetry import Telemetry, Window
from drlactors.ports.bus import Delivery, SandboxLink
from drlactors.sandboxes.sdk import AsyncSandbox, AsyncSession, Done, Instruction, Sandbox, Session
from tests.contract.bus.kit import until

T = TypeVar("T")
CarryOut = Callable[[Instruction], Done]
ARTIFACT = Artifact("ab" * 32, "elf")


class AnySession(Protocol):
    """What a session of either style offers to a test that waits."""

    id: SessionId
    episode: EpisodeId

    def observe(self, telemetry: Telemetry) -> int: ...
    def send(self, windows: list[Window], traceparent: str = "") -> None: ...
    def report(self, outcome: Outcome, detail: str = "") -> None: ...
    def end(self, reason: EndReason = EndReason.FINISHED) -> None: ...
    def unanswered(self) -> int: ...
    def wait_answered(self, timeout_s: float) -> bool: ...
    @property
    def told(self) -> Session: ...


class AnySandbox(Protocol):
    def start(self, carry_out: CarryOut, **options: Any) -> AnySession: ...
    def flush(self, timeout_s: float) -> bool: ...
    def close(self) -> None: ...


class Plain:
    """The SDK of threads."""

    def __init__(self, link: SandboxLink, name: str, **options: Any) -> None:
        self._sandbox = Sandbox(link, name, **options)

    def start(self, carry_out: CarryOut, **options: Any) -> "PlainSession":
        return PlainSession(self._sandbox.start(ARTIFACT, carry_out, **options))

    def flush(self, timeout_s: float) -> bool:
        return self._sandbox.flush(timeout_s)

    def close(self) -> None:
        self._sandbox.close()


class PlainSession:
    def __init__(self, session: Session) -> None:
        self.told = session
        self.id, self.episode = session.id, session.episode
        self.observe, self.send, self.report, self.end = session.observe, session.send, session.report, session.end
        self.unanswered, self.wait_answered = session.unanswered, session.wait_answered


class Looping:
    """The SDK of an event loop, which runs on a thread of its own."""

    def __init__(self, link: SandboxLink, name: str, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

        async def make() -> AsyncSandbox:
            return AsyncSandbox(link, name, **options)

        self._sandbox = self.run(make())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def start(self, carry_out: CarryOut, **options: Any) -> "LoopingSession":
        async def carry(instruction: Instruction) -> Done:
            return await asyncio.to_thread(carry_out, instruction)  # it may wait for the test, and the loop goes on

        return LoopingSession(self, self.run(self._sandbox.start(ARTIFACT, carry, **options)))

    def flush(self, timeout_s: float) -> bool:
        return self.run(self._sandbox.flush(timeout_s))

    def close(self) -> None:
        if self._loop.is_closed():
            return
        self.run(self._sandbox.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class LoopingSession:
    def __init__(self, looping: Looping, session: AsyncSession) -> None:
        self._looping, self._session = looping, session
        self.told = session.told
        self.id, self.episode = session.id, session.episode
        self.observe, self.send, self.report, self.end = session.observe, session.send, session.report, session.end
        self.unanswered = session.unanswered

    def wait_answered(self, timeout_s: float) -> bool:
        return self._looping.run(self._session.wait_answered(timeout_s))


class Plane:
    """Reads everything that sandboxes said, and answers what and when a test wants."""

    def __init__(self, url: str, root: str) -> None:
        limits = Limits(sandbox_bytes=8 << 20, dead_bytes=1 << 20)  # the server sets it aside for each test
        self._bus = NatsBus(url, root=root, limits=limits, trim_interval_s=60.0)
        self._changed = threading.Condition()
        self._commands: list[tuple[SessionId, str, Command, str]] = []
        self._bus.identity()
        self._bus.consume(0, self._deliver, credit=1000)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bus.close()

    def commands(self, session: SessionId) -> list[Command]:
        with self._changed:
            return [command for about, _, command, _ in self._commands if about == session]

    def traces(self, session: SessionId) -> list[str]:
        with self._changed:
            return [trace for about, _, command, trace in self._commands if about == session]

    def seqs(self, session: SessionId) -> list[int]:
        return [command.window.seq for command in self.commands(session) if isinstance(command, Record)]

    def wait(self, condition: Callable[[], object], timeout_s: float = 20.0) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, timeout_s), [command for _, _, command, _ in self._commands]

    def answers(self, session: SessionId) -> list[Answer]:
        return [command for command in self.commands(session) if isinstance(command, Answer)]

    def wait_seqs(self, session: SessionId, seqs: list[int]) -> None:
        """Until these windows came, in this order; more may follow, as a window that has no answer is sent again."""
        self.wait(lambda: self.seqs(session)[: len(seqs)] == seqs)

    def wait_answers(self, session: SessionId, answers: int) -> None:
        self.wait(lambda: len(self.answers(session)) == answers)

    def answer(self, session: SessionId, seq: int, action: Action = Action.CONTINUE, *, attempt: int = 1) -> None:
        event = ActionSelected(seq, action, (0.0,) * 5, 31, b"", "rules", "schema", (), 1.0)
        self._bus.publish([(session, actions(session, [Decision(2 * seq + 3, 1, event, attempt)]))])

    def say(self, session: SessionId, data: bytes) -> None:
        self._bus.publish([(session, data)])

    def _deliver(self, batch: list[Delivery]) -> None:
        with self._changed:
            for delivery in batch:
                inbound = decode(delivery.kind, delivery.session, delivery.data, Rules(0, 0, 0, 0, 0))
                self._commands += [
                    (delivery.session, inbound.sandbox, command, delivery.traceparent) for command in inbound.commands
                ]
            self._changed.notify_all()
        self._bus.replenish(len(batch))


__all__ = ["ARTIFACT", "AnySandbox", "AnySession", "Looping", "Plain", "Plane", "until"]

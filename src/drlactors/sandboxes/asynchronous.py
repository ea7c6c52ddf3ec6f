"""The same sandbox for programs that live on an event loop."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

from drlactors.codec.sandbox import Instruction
from drlactors.domain.ids import EpisodeId, SessionId
from drlactors.domain.session import Artifact, EndReason, Outcome
from drlactors.domain.telemetry import Telemetry, Window
from drlactors.ports.bus import SandboxLink
from drlactors.sandboxes.journal import Carried
from drlactors.sandboxes.sandbox import Sandbox
from drlactors.sandboxes.session import Session

CarryOut = Callable[[Instruction], Awaitable[Carried]]


class AsyncSandbox:
    """``Sandbox``, where what waits is awaited and actions are carried out by coroutines of the loop that made it.

    Use as an asynchronous context manager, or ``close`` it. Options are those of ``Sandbox``.
    """

    def __init__(self, link: SandboxLink, name: str, **options: Any) -> None:
        self._loop = asyncio.get_running_loop()
        self._sandbox = Sandbox(link, name, **options)

    async def start(
        self,
        artifact: Artifact,
        carry_out: CarryOut,
        *,
        window_ms: int = 250,
        continues: EpisodeId | None = None,
        session: SessionId | None = None,
    ) -> "AsyncSession":
        """See ``Sandbox.start``; ``carry_out`` is awaited in this loop."""

        async def carry(instruction: Instruction) -> Carried:
            return await carry_out(instruction)

        def begin(instruction: Instruction) -> Future[Carried]:
            return asyncio.run_coroutine_threadsafe(carry(instruction), self._loop)

        opened = await asyncio.to_thread(
            self._sandbox.open, artifact, begin, window_ms=window_ms, continues=continues, session=session
        )
        return AsyncSession(opened)

    async def flush(self, timeout_s: float) -> bool:
        return await asyncio.to_thread(self._sandbox.flush, timeout_s)

    async def close(self) -> None:
        await asyncio.to_thread(self._sandbox.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class AsyncSession:
    """``Session``: what never waits is a plain call here as well."""

    def __init__(self, session: Session) -> None:
        self.told = session  # what it was told: refusals, warnings, selected, stopped, lost
        self.id = session.id
        self.episode = session.episode

    def observe(self, telemetry: Telemetry) -> int:
        return self.told.observe(telemetry)

    def send(self, windows: Iterable[Window], traceparent: str = "") -> None:
        self.told.send(windows, traceparent)

    def report(self, outcome: Outcome, detail: str = "") -> None:
        self.told.report(outcome, detail)

    def end(self, reason: EndReason = EndReason.FINISHED) -> None:
        self.told.end(reason)

    def unanswered(self) -> int:
        return self.told.unanswered()

    async def wait_answered(self, timeout_s: float) -> bool:
        return await asyncio.to_thread(self.told.wait_answered, timeout_s)

    async def leave(self) -> None:
        await asyncio.to_thread(self.told.leave)

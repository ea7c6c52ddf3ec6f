"""A sandbox program: any number of sessions on one link, and one thread that listens for all of them."""

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self
from uuid import uuid4

from drlactors.codec import sandbox as wire
from drlactors.codec.sandbox import Instruction
from drlactors.domain.ids import EpisodeId, SessionId, episode_of
from drlactors.domain.session import Artifact
from drlactors.ports.bus import BusUnreachable, Kind, SandboxLink
from drlactors.ports.clock import Clock, SystemClock
from drlactors.sandboxes.journal import Carried, Journal
from drlactors.sandboxes.session import Answer, Begin, Session

CarryOut = Callable[[Instruction], Carried]

#: How often it is looked whether the link takes more, and what has waited for an answer for too long.
TICK_S = 0.05
CLOSE_S = 5.0
#: Sessions that carry out an action at the same time.
CARRY_OUT_AT_ONCE = 4


class Sandbox:
    """Use as a context manager, or ``close`` it. The link is whoever's made it.

    ``journal`` names a file that remembers the actions that were carried out, for a sandbox that goes on with its
    sessions after it was killed.
    """

    def __init__(
        self,
        link: SandboxLink,
        name: str,
        *,
        clock: Clock | None = None,
        journal: Path | None = None,
        watch: Callable[[Answer], None] | None = None,
        resend_s: float = 2.0,
        resend_most_s: float = 60.0,
        buffer_windows: int = 10_000,
    ) -> None:
        """``watch`` hears of every answer; a window without one is sent again after ``resend_s``, then seldomer.

        ``buffer_windows``: of each session, while the connection is gone.
        """
        self.link = link
        self.name = name
        self.clock = clock or SystemClock()
        self.journal = Journal(journal)
        self.watch = watch
        self.resend_s = resend_s
        self.resend_most_s = resend_most_s
        self.buffer_windows = buffer_windows
        self.given_up = False
        self.obeys = True  # until it is closed: what comes after that is for whoever goes on with its sessions
        self._heard: SimpleQueue[tuple[Session, bytes] | threading.Event | None] = SimpleQueue()
        self._sessions: dict[SessionId, Session] = {}
        self._workers = ThreadPoolExecutor(CARRY_OUT_AT_ONCE, thread_name_prefix="carry-out")
        self._thread = threading.Thread(target=self._listen, name="sandbox", daemon=True)
        self._thread.start()

    def start(
        self,
        artifact: Artifact,
        carry_out: CarryOut,
        *,
        window_ms: int = 250,
        continues: EpisodeId | None = None,
        session: SessionId | None = None,
    ) -> Session:
        """Begin an episode, or go on with the one that it ``continues``, in stage 2. Raises BusUnreachable.

        ``carry_out`` is called on a thread of its own, for one action of a session at a time; what it raises is
        answered as a failure. ``session``: one that this sandbox started before, to go on with it.
        """

        def begin(instruction: Instruction) -> Future[Carried]:
            return self._workers.submit(carry_out, instruction)

        return self.open(artifact, begin, window_ms=window_ms, continues=continues, session=session)

    def open(
        self,
        artifact: Artifact,
        begin: Begin,
        *,
        window_ms: int,
        continues: EpisodeId | None,
        session: SessionId | None,
    ) -> Session:
        """As ``start``, for whoever carries actions out in another way."""
        id_ = session or SessionId(uuid4())
        opened = Session(self, id_, continues or episode_of(id_), window_ms, begin)
        self.link.listen(id_, lambda data: self._heard.put((opened, data)))
        self._sessions[id_] = opened
        stage = 1 if continues is None else 2
        opened.say(Kind.EPISODE, wire.start(id_, self.name, stage, artifact, window_ms, continues))
        return opened

    def flush(self, timeout_s: float) -> bool:
        """Wait until the bus has everything that was said; False when time is up."""
        until_s = self.clock.monotonic_s() + timeout_s
        for session in list(self._sessions.values()):
            session.wait_sent(max(0.0, until_s - self.clock.monotonic_s()))
        return self.link.flush(max(0.0, until_s - self.clock.monotonic_s()))

    def give_up(self) -> None:
        """The link is refused for good: whoever waits for it, in whatever session, waits no longer. From any thread."""
        self.given_up = True
        for session in list(self._sessions.values()):
            session.wake()

    def close(self) -> None:
        """Finish the actions that were begun, send what can be sent, and stop listening."""
        closing = threading.Event()
        self._heard.put(closing)
        closing.wait(CLOSE_S)
        for session in list(self._sessions.values()):
            session.wait_obeyed(CLOSE_S)
        self._workers.shutdown()
        with contextlib.suppress(BusUnreachable):  # told to whoever sent
            self.flush(0.0 if self.given_up else CLOSE_S)
        self._heard.put(None)
        self._thread.join()
        for id_ in list(self._sessions):
            self.leave(id_)
        self.journal.close()

    def leave(self, session: SessionId) -> None:
        if self._sessions.pop(session, None) is not None:
            self.link.forget(session)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _listen(self) -> None:
        looked_s = self.clock.monotonic_s()
        while True:
            try:
                heard = self._heard.get(timeout=TICK_S)
                if heard is None:
                    return
                if isinstance(heard, threading.Event):
                    self.obeys = False
                    heard.set()
                else:
                    heard[0].hear(heard[1])
            except Empty:
                pass
            now_s = self.clock.monotonic_s()
            if now_s - looked_s >= TICK_S:
                looked_s = now_s
                for session in list(self._sessions.values()):
                    if not session.tick(now_s):
                        self.leave(session.id)

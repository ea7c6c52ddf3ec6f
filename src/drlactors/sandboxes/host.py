"""A sandbox's end of the line: sends windows until they are answered, and carries out each action once."""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue
from typing import NamedTuple, Protocol

from drlactors.codec import sandbox as wire
from drlactors.codec.sandbox import Instruction
from drlactors.domain.action import Action
from drlactors.domain.ids import EpisodeId, SessionId
from drlactors.domain.session import Artifact, EndReason, Outcome
from drlactors.domain.telemetry import Window
from drlactors.ports.bus import Kind, SandboxLink
from drlactors.ports.clock import Clock


class Carried(Protocol):
    """What became of an action."""

    @property
    def success(self) -> bool: ...
    @property
    def outcome(self) -> str: ...
    @property
    def message(self) -> str: ...


class Done(NamedTuple):
    """A plain answer."""

    success: bool = True
    outcome: str = "done"
    message: str = ""


class Answer(NamedTuple):
    """An action as it arrived, for whoever watches."""

    session: SessionId
    instruction: Instruction
    latency_s: float  # since the window was sent first


CarryOut = Callable[[Action], Carried]


class Host:
    """A sandbox program with any number of sessions on one link, and one thread that listens for all of them.

    A window that is not answered within ``resend_s`` is sent again. More than ``buffer_windows`` unanswered ones of a
    session, and the oldest are given up and reported as lost.
    """

    def __init__(
        self,
        link: SandboxLink,
        sandbox: str,
        clock: Clock,
        *,
        resend_s: float = 2.0,
        buffer_windows: int = 4096,
        watch: Callable[[Answer], None] | None = None,
    ) -> None:
        self.link = link
        self.sandbox = sandbox
        self.clock = clock
        self.resend_s = resend_s
        self.buffer_windows = buffer_windows
        self.watch = watch
        self._heard: SimpleQueue[tuple[HostedSession, bytes] | None] = SimpleQueue()
        self._sessions: dict[SessionId, HostedSession] = {}
        self._thread = threading.Thread(target=self._listen, name="sandbox-host", daemon=True)
        self._thread.start()

    def open(
        self,
        session: SessionId,
        *,
        stage: int,
        artifact: Artifact,
        window_ms: int,
        carry_out: CarryOut,
        episode: EpisodeId | None = None,
    ) -> "HostedSession":
        """Start a session, or go on with one that this sandbox started before."""
        hosted = HostedSession(self, session, carry_out)
        self._sessions[session] = hosted
        self.link.listen(session, lambda data: self._heard.put((hosted, data)))
        self.link.send(Kind.EPISODE, session, wire.start(session, self.sandbox, stage, artifact, window_ms, episode))
        return hosted

    def close(self) -> None:
        """Stop listening. What was sent and not answered is left to the log: it has it, or the bus will bring it."""
        self._heard.put(None)
        self._thread.join()
        self.link.flush(timeout_s=5.0)

    def leave(self, session: SessionId) -> None:
        self._sessions.pop(session, None)
        self.link.forget(session)

    def _listen(self) -> None:
        look_s = self.clock.monotonic_s()
        while True:
            try:
                heard = self._heard.get(timeout=self.resend_s / 2)
                if heard is None:
                    return
                heard[0].hear(heard[1])
            except Empty:
                pass
            now_s = self.clock.monotonic_s()
            if now_s - look_s >= self.resend_s / 2:
                look_s = now_s
                for session in list(self._sessions.values()):
                    session.send_again(now_s)


class HostedSession:
    """One session as its sandbox sees it. Its methods may be called from any thread."""

    def __init__(self, host: Host, session: SessionId, carry_out: CarryOut) -> None:
        self.id = session
        self.refusals: deque[tuple[str, str]] = deque(maxlen=16)
        self.warnings: deque[str] = deque(maxlen=16)
        self.selected: dict[Action, int] = dict.fromkeys(Action, 0)
        self.stopped: Action | None = None  # by an action that was carried out
        self.policy = ""
        self._host = host
        self._carry_out = carry_out
        self._changed = threading.Condition()
        self._unanswered: dict[int, tuple[Window, float, float]] = {}  # by seq: window, sent first, sent last
        self._answers: dict[str, bytes] = {}  # by action id: the feedback, once the action was carried out

    def send(self, windows: Iterable[Window], traceparent: str = "") -> None:
        """Send windows in the order of their sequence numbers, as one message; ``traceparent`` where it is sampled."""
        batch = list(windows)
        now_s = self._host.clock.monotonic_s()
        with self._changed:
            for window in batch:
                self._unanswered[window.seq] = (window, now_s, now_s)
            surplus = sorted(self._unanswered)[: max(0, len(self._unanswered) - self._host.buffer_windows)]
            for seq in surplus:
                del self._unanswered[seq]
        if surplus:
            self._tell(Kind.EPISODE, wire.loss(self.id, self._host.sandbox, surplus[0], surplus[-1]))
        self._tell(Kind.TELEMETRY, wire.windows(self.id, self._host.sandbox, batch), traceparent)

    def report(self, outcome: Outcome, detail: str = "") -> None:
        self._tell(Kind.EPISODE, wire.report(self.id, self._host.sandbox, outcome, detail))

    def end(self, reason: EndReason) -> None:
        self._tell(Kind.EPISODE, wire.end(self.id, self._host.sandbox, reason))

    def leave(self) -> None:
        """Stop listening for this session."""
        self._host.leave(self.id)

    def wait_answered(self, timeout_s: float) -> bool:
        """Wait until every window was answered; False when time is up."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._unanswered, timeout_s)

    def unanswered(self) -> int:
        with self._changed:
            return len(self._unanswered)

    def hear(self, data: bytes) -> None:
        """Take an Actions message in: on the host's thread."""
        heard = wire.instructions(data)
        self.refusals += heard.refusals
        self.warnings += heard.warnings
        now_s = self._host.clock.monotonic_s()
        for instruction in heard.instructions:
            with self._changed:
                sent = self._unanswered.pop(instruction.seq, None)
                self._changed.notify_all()
            if sent is not None:
                self.selected[instruction.action] += 1
                self.policy = instruction.policy
                if self._host.watch is not None:
                    self._host.watch(Answer(self.id, instruction, now_s - sent[1]))
            if instruction.answer_expected:
                self._obey(instruction)

    def _obey(self, instruction: Instruction) -> None:
        """Carry out each action once, however often it is sent; answer it each time."""
        answer = self._answers.get(instruction.action_id)
        if answer is None:
            carried = self._carry_out(instruction.action)
            if carried.success and instruction.action.irreversible:
                self.stopped = instruction.action
            answer = self._answers[instruction.action_id] = wire.feedback(
                self.id,
                self._host.sandbox,
                instruction,
                success=carried.success,
                outcome=carried.outcome,
                message=carried.message,
            )
        self._tell(Kind.FEEDBACK, answer)

    def send_again(self, now_s: float) -> None:
        """Send again what has waited for an answer for too long: on the host's thread."""
        with self._changed:
            late = [
                (window, first_s)
                for window, first_s, last_s in self._unanswered.values()
                if now_s - last_s >= self._host.resend_s
            ]
            for window, first_s in late:
                self._unanswered[window.seq] = (window, first_s, now_s)
        for at in range(0, len(late), 64):
            batch = [window for window, _ in late[at : at + 64]]
            self._tell(Kind.TELEMETRY, wire.windows(self.id, self._host.sandbox, batch))

    def _tell(self, kind: Kind, data: bytes, traceparent: str = "") -> None:
        self._host.link.send(kind, self.id, data, traceparent)

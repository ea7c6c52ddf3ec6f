"""One session as its sandbox sees it: what it saw, what it was told, and what is still to be answered."""

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from itertools import islice
from typing import NamedTuple, Protocol

from drlactors.codec import sandbox as wire
from drlactors.codec.sandbox import Instruction
from drlactors.domain.action import Action
from drlactors.domain.ids import EpisodeId, SessionId
from drlactors.domain.session import EndReason, Outcome
from drlactors.domain.telemetry import Telemetry, Window
from drlactors.ports.bus import BusUnreachable, Kind, SandboxLink
from drlactors.ports.clock import Clock
from drlactors.sandboxes.journal import Carried, Done, Journal
from drlactors.sandboxes.outgoing import AT_ONCE, Letter, Outgoing

#: A session that has ended hears for so long still: its last action may come again, since the answer was lost.
LINGER_S = 20.0


class Answer(NamedTuple):
    """An action as it arrived, for whoever watches."""

    session: SessionId
    instruction: Instruction
    latency_s: float  # since the window was sent first


#: Begins to carry an action out; whoever finishes the future may do so on any thread.
Begin = Callable[[Instruction], Future[Carried]]


class Program(Protocol):
    """What sessions of one sandbox share."""

    link: SandboxLink
    name: str
    clock: Clock
    journal: Journal
    watch: Callable[[Answer], None] | None
    resend_s: float
    resend_most_s: float
    buffer_windows: int
    obeys: bool
    given_up: bool

    def leave(self, session: SessionId) -> None: ...


class Session:
    """Its methods may be called from any thread and never wait for the connection, unless they say so.

    What cannot be sent waits here; of more than ``buffer_windows`` windows the oldest are dropped, counted in ``lost``
    and reported. A window without an answer is sent again after a pause that grows while nothing is answered.
    """

    def __init__(self, program: Program, session: SessionId, episode: EpisodeId, window_ms: int, begin: Begin) -> None:
        self.id = session
        self.episode = episode
        self.refusals: deque[tuple[str, str]] = deque(maxlen=16)
        self.warnings: deque[str] = deque(maxlen=16)
        self.selected: dict[Action, int] = dict.fromkeys(Action, 0)
        self.stopped: Action | None = None  # by an action that was carried out
        self.policy = ""
        self._program = program
        self._window_ms = window_ms
        self._begin = begin
        self._changed = threading.Condition(threading.RLock())
        self._outgoing = Outgoing(session, program.name, program.buffer_windows)
        self._unanswered: dict[int, tuple[Window, float]] = {}  # handed over, by seq: window, when
        self._next_seq = 0
        self._lost_on_way = 0
        self._pause_s = program.resend_s
        self._resend_at_s = float("inf")
        self._to_do: deque[Instruction] = deque()  # the first is being carried out
        self._ended = False
        self._busy_s = program.clock.monotonic_s()

    @property
    def lost(self) -> int:
        """Windows that never reached the bus."""
        with self._changed:
            return self._outgoing.dropped + self._lost_on_way

    # What the sandbox says

    def observe(self, telemetry: Telemetry) -> int:
        """Send what was seen in the window that ends now; its sequence number."""
        with self._changed:
            seq = self._next_seq
            self.send([Window(seq, self._window_ms, self._program.clock.now_us(), telemetry)])
        return seq

    def send(self, windows: Iterable[Window], traceparent: str = "") -> None:
        """Send windows in the order of their sequence numbers; ``traceparent`` where they are sampled."""
        with self._changed:
            batch = list(windows)
            self._outgoing.see(batch, traceparent)
            self._next_seq = max(self._next_seq, max((window.seq for window in batch), default=-1) + 1)
            self.hand_over()

    def report(self, outcome: Outcome, detail: str = "") -> None:
        """Say what this stage concluded."""
        self.say(Kind.EPISODE, wire.report(self.id, self._program.name, outcome, detail))

    def end(self, reason: EndReason = EndReason.FINISHED) -> None:
        """Nothing more comes. Late answers are still heard, for some time."""
        self.say(Kind.EPISODE, wire.end(self.id, self._program.name, reason))
        with self._changed:
            self._ended = True

    def leave(self) -> None:
        """Stop listening at once. What was sent is left to the log: it has it, or the bus will bring it."""
        self._program.leave(self.id)

    def wait_answered(self, timeout_s: float) -> bool:
        """Wait until every window was answered and every action carried out; False when time is up."""
        return self._wait(lambda: not (self._outgoing or self._unanswered or self._to_do), timeout_s)

    def wait_sent(self, timeout_s: float) -> bool:
        """Wait until the link has taken everything that was said; False when time is up."""
        return self._wait(lambda: not self._outgoing, timeout_s)

    def _wait(self, done: Callable[[], bool], timeout_s: float) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: done() or self._program.given_up, timeout_s)
            return done()

    def wake(self) -> None:
        """Let those who wait look again."""
        with self._changed:
            self._changed.notify_all()

    def unanswered(self) -> int:
        with self._changed:
            return self._outgoing.windows + len(self._unanswered)

    # What the sandbox is told: on its program's thread

    def hear(self, data: bytes) -> None:
        """Take an Actions message in."""
        heard = wire.instructions(data)
        self.refusals += heard.refusals
        self.warnings += heard.warnings
        now_s = self._program.clock.monotonic_s()
        with self._changed:
            self._busy_s = now_s
            for first, last in heard.lost:
                gone = [seq for seq in self._unanswered if first <= seq <= last]
                self._lost_on_way += len(gone)
                for seq in gone:
                    del self._unanswered[seq]
            self._changed.notify_all()
        for instruction in heard.instructions:
            with self._changed:
                # An order comes on a person's word, not as the answer to a window.
                sent = self._unanswered.pop(instruction.seq, None) if instruction.values else None
                self._pause_s = self._program.resend_s
                self._resend_at_s = now_s + self._pause_s
                self._changed.notify_all()
            if sent is not None:
                self.selected[instruction.action] += 1
                self.policy = instruction.policy
                if self._program.watch is not None:
                    self._program.watch(Answer(self.id, instruction, now_s - sent[1]))
            if instruction.answer_expected and self._program.obeys:
                self._obey(instruction)

    def tick(self, now_s: float) -> bool:
        """Send what the link could not take before, and again what has no answer; False when there is no more to do."""
        with self._changed:
            self.hand_over()
            if self._unanswered and not self._outgoing and now_s >= self._resend_at_s:
                self._pause_s = min(2 * self._pause_s, self._program.resend_most_s)
                self._resend_at_s = now_s + self._pause_s
                oldest = [window for window, _ in islice(self._unanswered.values(), AT_ONCE)]
                self._offer_again(oldest)
            waits = self._outgoing or self._unanswered or self._to_do
            return not self._ended or bool(waits) or now_s - self._busy_s < LINGER_S

    def hand_over(self) -> None:
        """Give the link what it takes now."""
        with self._changed:
            try:
                windows = self._outgoing.hand_over(self._program.link)
            except BusUnreachable as error:  # of an earlier message; this one is offered again
                self.refusals.append(("message", str(error)))
                return
            self._changed.notify_all()
            now_s = self._program.clock.monotonic_s()
            if windows and not self._unanswered:
                self._resend_at_s = now_s + self._pause_s
            for window in windows:
                self._unanswered[window.seq] = (window, now_s)
            for seq in list(islice(self._unanswered, max(0, len(self._unanswered) - self._program.buffer_windows))):
                del self._unanswered[
                    seq
                ]  # the bus has it, or the link will bring it there: only its answer is given up

    def _offer_again(self, windows: list[Window]) -> None:
        """An answer may have been lost on its way: whoever asks for the oldest is told the next ones as well."""
        data = wire.windows(self.id, self._program.name, windows)
        with contextlib.suppress(BusUnreachable):
            self._program.link.offer(Kind.TELEMETRY, self.id, data)

    def say(self, kind: Kind, data: bytes) -> None:
        """Send a message behind everything that was said before; never dropped."""
        with self._changed:
            self._busy_s = self._program.clock.monotonic_s()
            self._outgoing.put(Letter(kind, data))
            self.hand_over()

    # Carrying out

    def _obey(self, instruction: Instruction) -> None:
        """Carry out each action once, one after the other, however often it is sent; answer it each time."""
        journal = self._program.journal
        with self._changed:
            if not journal.begun(instruction.action_id):
                journal.begin(instruction.action_id)
                self._to_do.append(instruction)
                if len(self._to_do) == 1:
                    self._carry_out(instruction)
            elif (carried := journal.result(instruction.action_id)) is not None:
                self._answer(instruction, carried)

    def wait_obeyed(self, timeout_s: float) -> bool:
        """Wait until every action that came was carried out; False when time is up."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._to_do, timeout_s)

    def _carry_out(self, instruction: Instruction) -> None:
        self._begin(instruction).add_done_callback(lambda future: self._carried(instruction, future))

    def _carried(self, instruction: Instruction, future: Future[Carried]) -> None:
        failure = future.exception()
        carried = Done(False, "failed", repr(failure)) if failure is not None else future.result()
        with self._changed:
            if carried.success and instruction.action.irreversible:
                self.stopped = instruction.action
            self._program.journal.end(instruction.action_id, carried)
            self._answer(instruction, carried)
            self._to_do.popleft()
            self._changed.notify_all()
            if self._to_do:
                self._carry_out(self._to_do[0])

    def _answer(self, instruction: Instruction, carried: Carried) -> None:
        answer = wire.feedback(
            self.id,
            self._program.name,
            instruction,
            success=carried.success,
            outcome=carried.outcome,
            message=carried.message,
        )
        self.say(Kind.FEEDBACK, answer)

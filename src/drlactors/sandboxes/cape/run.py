"""One run of one task: followed from its first process on, streamed window by window, acted upon, and concluded."""

import threading
from collections.abc import Callable
from typing import NamedTuple

from drlactors.codec.sandbox import Instruction
from drlactors.domain.action import Action
from drlactors.domain.session import EndReason, Outcome
from drlactors.domain.telemetry import Window
from drlactors.ports.bus import Kind
from drlactors.sandboxes.cape.api import CapeApi
from drlactors.sandboxes.cape.kept import Kept
from drlactors.sandboxes.cape.log import Called
from drlactors.sandboxes.cape.logs import Logs
from drlactors.sandboxes.cape.note import EPISODE_TAG, Note
from drlactors.sandboxes.cape.windows import Windows
from drlactors.sandboxes.errors import CapeRefused, CapeUnreachable
from drlactors.sandboxes.journal import Done
from drlactors.sandboxes.sandbox import Sandbox
from drlactors.sandboxes.session import Session

#: Read for one window: some 20,000 calls, which take less than a second. What is more is in the next ones.
WINDOW_BYTES = 4 << 20
#: The longest that a window may say it was: the follower was away.
MAX_WINDOW_MS = 600_000
ANSWER_S = 10.0
ENDED = "ended"
GIVEN_UP = "given up: its machine was dead"


class Rerun(NamedTuple):
    """Where what was judged clean runs once more; what is empty stays as it was the first time."""

    machine: str = ""
    route: str = ""
    timeout_s: int = 0


class Terms(NamedTuple):
    """How runs are followed here."""

    window_ms: int = 1000
    poll_s: float = 0.25  # how often it is looked whether a run has begun, has a first process, or has ended
    finish_s: float = 60.0  # the analyser has so long to end a run
    status_s: float = 120.0  # and CAPE to say what became of it, machine and memory dump included
    status_every_s: float = 5.0
    settle_s: float = 5.0  # for the last calls to be written, where CAPE says nothing
    answers_s: float = 3600.0  # drlactors may be away for so long at the end
    again_s: float = 5.0  # until it is tried again to reach it for a run that begins meanwhile
    rerun: Rerun | None = None  # None: there is no second stage


class Conclusion(NamedTuple):
    """What came of it."""

    note: Note
    outcome: Outcome
    detail: str
    windows: int
    rerun: tuple[int, ...] = ()  # tasks of the second stage


class Run:
    """``follow`` runs once, on a thread of its own."""

    def __init__(self, sandbox: Sandbox, note: Note, api: CapeApi, terms: Terms, tell: Callable[[str], None]) -> None:
        self._sandbox = sandbox
        self._note = note
        self._api = api
        self._terms = terms
        self._tell = tell
        self._kept = Kept(note.beside(".windows"))
        self._logs = Logs(note.storage / "logs")
        self._windows = Windows()
        self._session: Session | None = None
        self._processes = 0
        self._stop = threading.Event()
        self._lock = threading.Lock()  # of what is kept: actions come on other threads

    def follow(self, stop: threading.Event) -> Conclusion | None:
        """To the end of the run; None when ``stop`` was set before that: the next follower goes on."""
        self._stop = stop
        try:
            if self._kept.windows:
                self._resume()
            while not (why := self._over()):
                if stop.wait(self._pause_s()):
                    self._sandbox.flush(ANSWER_S)
                    return None
                if self._read() or self._session:
                    self._cut()
            return self._conclude(why)
        finally:
            with self._lock:
                self._kept.close()

    # Windows

    def _pause_s(self) -> float:
        return self._terms.window_ms / 1000 if self._session else self._terms.poll_s

    def _read(self) -> bool:
        """Take in what is new; whether anything was, once a process was seen."""
        if self._note.given_up:
            return False
        before = self._logs.marks
        for record in self._logs.read(WINDOW_BYTES):
            if isinstance(record, Called):
                self._windows.add(record)
            else:
                self._processes += 1
        return self._processes > 0 and self._logs.marks != before

    def _cut(self) -> None:
        now_us = self._sandbox.clock.now_us()
        last = self._kept.windows[-1] if self._kept.windows else None
        elapsed_ms = (now_us - last.observed_us) // 1000 if last else self._terms.window_ms
        # What a broken log would have said is lost: a number that is left out says so.
        seq = (last.seq + 1 if last else 0) + self._logs.newly_broken()
        window = Window(seq, min(max(1, elapsed_ms), MAX_WINDOW_MS), now_us, self._windows.close())
        with self._lock:
            self._kept.cut(window, self._logs.marks)
        self._begin().send([window])

    def _resume(self) -> None:
        self._processes = 1
        if not self._note.given_up:
            for record in self._logs.resume(self._kept.marks):
                if isinstance(record, Called):
                    self._windows.learn(record)
        self._begin().send(self._kept.windows)
        self._tell(f"task {self._note.task}: goes on behind window {self._kept.windows[-1].seq}")

    def _begin(self) -> Session:
        if self._session is None:
            self._session = self._sandbox.start(
                self._note.artifact,
                self._carry_out,
                window_ms=self._terms.window_ms,
                continues=self._note.episode,
                session=self._note.session,
            )
        return self._session

    # The end

    def _over(self) -> str:
        """Why there is nothing more to follow; empty while there is."""
        if self._note.given_up:
            return GIVEN_UP
        if self._note.ended:
            return ENDED
        return "CAPE itself ended while the task ran" if self._note.abandoned else ""

    def _conclude(self, why: str) -> Conclusion | None:
        status = self._settled() if why == ENDED else why
        if self._stop.is_set():
            return None
        while self._read():
            self._cut()
        session = self._begin()
        if not self._answered(session):
            return None
        outcome, detail = self._judged(why, status, session.unanswered())
        session.report(outcome, detail)
        session.end(self._reason(outcome))
        rerun = self._second_stage(session) if outcome is Outcome.BENIGN and self._note.episode is None else ()
        self._sandbox.flush(ANSWER_S)
        return Conclusion(self._note, outcome, detail, len(self._kept.windows), rerun)

    def _settled(self) -> str:
        """What CAPE says of the task once it no longer runs. Until then the last calls may still be written."""
        clock, until_s = self._sandbox.clock, self._sandbox.clock.monotonic_s() + self._terms.status_s
        while True:
            try:
                status = self._api.status(self._note.task)
            except (CapeRefused, CapeUnreachable) as error:
                self._stop.wait(self._terms.settle_s)
                return f"ended ({error})"
            if status == "pending" or self._note.given_up:
                return GIVEN_UP  # and waits for another machine, or has one
            if status != "running" or clock.monotonic_s() >= until_s or self._stop.wait(self._terms.status_every_s):
                return status
            if self._read():
                self._cut()

    def _answered(self, session: Session) -> bool:
        """Wait for the last answers, while drlactors may be away; False when it was stopped meanwhile.

        Windows that it declines, of a session that was silent for too long for example, are not answered any more.
        """
        clock, until_s = self._sandbox.clock, self._sandbox.clock.monotonic_s() + self._terms.answers_s
        while not session.wait_answered(self._terms.poll_s):
            if self._stop.is_set():
                return False
            declined = any(about == Kind.TELEMETRY for about, _ in session.refusals)
            if declined or clock.monotonic_s() >= until_s:
                break
        return True

    def _judged(self, why: str, status: str, unanswered: int) -> tuple[Outcome, str]:
        detail = f"what the policy concluded; CAPE task {self._note.task} on {self._note.machine}: {status}"
        if self._logs.passed_over:
            detail += f"; {self._logs.passed_over} records made no sense"
        if self._logs.restarts:
            detail += f"; logs were opened anew {self._logs.restarts} times"
        if self._kept.convicted is not None:
            return Outcome.MALICIOUS, detail
        if not self._processes:
            return Outcome.FAILED, f"no process was seen; CAPE task {self._note.task}: {status}"
        if why != ENDED or status == GIVEN_UP or status.startswith("failed"):
            return Outcome.FAILED, detail
        if broken := self._logs.broken():
            return Outcome.FAILED, f"{detail}; not all that it did was seen ({', '.join(broken[:3])})"
        if unanswered:
            return Outcome.FAILED, f"{detail}; {unanswered} windows were never answered"
        return Outcome.BENIGN, detail

    def _reason(self, outcome: Outcome) -> EndReason:
        if outcome is Outcome.FAILED:
            return EndReason.FAILED
        return EndReason.TERMINATED if self._kept.convicted is not None else EndReason.FINISHED

    def _second_stage(self, session: Session) -> tuple[int, ...]:
        """Have the sample run once more. At most once: who was killed while CAPE was asked does not ask again."""
        rerun = self._terms.rerun
        if rerun is None or self._kept.rerun:
            return ()
        fields = {
            "tags_tasks": f"drlactors,{EPISODE_TAG}{session.episode}",
            "package": self._note.package,
            "machine": rerun.machine,
            "route": rerun.route or self._note.route,
            "timeout": str(rerun.timeout_s or self._note.timeout_s or ""),
        }
        self._kept.ask_for_rerun()
        try:
            told = {name: value for name, value in fields.items() if value}
            return self._api.submit(self._note.storage / "binary", self._note.name, told)
        except (CapeRefused, CapeUnreachable, OSError) as error:
            self._tell(f"task {self._note.task}: no second stage: {error}")
            return ()

    # Actions: on threads of the sandbox

    def _carry_out(self, instruction: Instruction) -> Done:
        if instruction.undoes is not None:
            return Done(outcome="running", message="it was neither isolated nor paused")
        match instruction.action:
            case Action.ISOLATE:
                return Done(False, "unsupported", "CAPE has no way to change the route of a machine that runs")
            case Action.TERMINATE:
                return self._finish(instruction.action)
            case Action.QUARANTINE:
                finished = self._finish(instruction.action)
                return Done(False, "not-moved", f"{finished.message}; CAPE keeps the sample and its report")
            case Action.REVIEW:
                return Done(outcome="running", message="the task goes on meanwhile, until its time is up")
            case _:
                return Done(outcome="running")

    def _finish(self, action: Action) -> Done:
        """Answered when the run has ended: CAPE's own answer says nothing."""
        with self._lock:
            self._kept.convict(action)
        if self._over():
            return Done(outcome="over", message="the run had ended")
        clock, until_s = self._sandbox.clock, self._sandbox.clock.monotonic_s() + self._terms.finish_s
        try:
            self._api.finish(self._note.task)
        except (CapeRefused, CapeUnreachable) as error:
            return Done(False, "not-finished", str(error))
        while not self._over():
            if clock.monotonic_s() >= until_s:
                return Done(False, "still-running", f"told to finish, it still runs after {self._terms.finish_s:g} s")
            if self._stop.wait(self._terms.poll_s):
                return Done(False, "still-running", "told to finish; who watches it was stopped before it ended")
        return Done(outcome="terminated", message=f"task {self._note.task} was finished early")

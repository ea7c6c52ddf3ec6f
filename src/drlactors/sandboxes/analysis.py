"""One artifact in one session: started, streamed window by window, acted upon, and concluded."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from random import Random

from drlactors.codec.sandbox import Instruction
from drlactors.domain.action import Action
from drlactors.domain.ids import EpisodeId, SessionId
from drlactors.domain.session import Artifact, EndReason, Outcome
from drlactors.domain.telemetry import Window
from drlactors.sandboxes.decoys import Decoys
from drlactors.sandboxes.errors import NotStartedInside, ProgramNotStarted
from drlactors.sandboxes.hold import Execution
from drlactors.sandboxes.launch import Confines, find
from drlactors.sandboxes.linux import WINDOW_MS, Ended, LinuxSandbox
from drlactors.sandboxes.quarantine import Quarantine
from drlactors.sandboxes.sandbox import Sandbox
from drlactors.sandboxes.scratch import called, prepare
from drlactors.sandboxes.session import Session

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ANSWER_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Specimen:
    """A program to be run, and the file on which it is judged."""

    command: tuple[str, ...]  # the program by its absolute path
    file: Path
    sha256: str
    movable: bool  # whether quarantine may take the file: never a program of the system that runs something else

    @classmethod
    def of(cls, command: Sequence[str], file: Path | None = None) -> "Specimen":
        """``file``: where it is not the program itself. Raises ProgramNotStarted, and OSError where it is not there."""
        program = find(command[0], Path.cwd(), SEARCH_PATH)
        judged = (file or Path(program)).resolve(strict=True)
        with judged.open("rb") as content:
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
        movable = file is not None or "/" in command[0]
        return cls(command=(program, *command[1:]), file=judged, sha256=sha256, movable=movable)

    @property
    def artifact(self) -> Artifact:
        with self.file.open("rb") as content:
            begins = content.read(4)
        return Artifact(self.sha256, "elf" if begins == b"\x7fELF" else "script" if begins[:2] == b"#!" else "file")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How programs are run here."""

    window_ms: int = WINDOW_MS
    horizon_s: float = 60.0  # a program that runs longer is terminated; waiting for a person does not count
    review_s: float = 3600.0  # waiting for a person counts this far
    confines: Confines | None = field(default_factory=Confines)  # None: not contained
    folder: Path | None = None  # to work in; None: a new home full of decoys, which is thrown away
    env: Mapping[str, str] = field(default_factory=dict)
    output: int | None = None
    quarantine: Quarantine | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What came of it."""

    session: SessionId
    episode: EpisodeId
    outcome: Outcome
    stopped: Action | None
    ended: Ended | None  # None: it did not start
    detail: str
    decoys: int
    decoys_lost: int


class Analysis:
    """Runs once; what may be looked at from other threads meanwhile: ``session`` and ``windows``."""

    def __init__(
        self,
        sandbox: Sandbox,
        specimen: Specimen,
        terms: Terms,
        now: Callable[[], datetime],
        *,
        continues: EpisodeId | None = None,
    ) -> None:
        self.specimen = specimen
        self.stage = 1 if continues is None else 2
        self.session: Session | None = None
        self.windows = 0
        self._sandbox = sandbox
        self._terms = terms
        self._now = now
        self._continues = continues
        self._given_up = False
        self._acted: dict[int, Action] = {}  # by seq, what can be taken back
        self._why = ""

    def give_up(self) -> None:
        """The program is terminated at the end of its window."""
        self._given_up = True

    def run(self) -> Finding:
        """To the end. Raises StraceMissing, TracingForbidden, NoContainment and BusUnreachable."""
        with _home(self._terms.folder) as (folder, decoys):
            env = {"PATH": SEARCH_PATH, "HOME": str(folder), "LANG": "C.UTF-8", "USER": "user", **self._terms.env}
            confined = self._terms.confines is not None
            try:
                program = LinuxSandbox.start(
                    self.specimen.command,
                    cwd=folder,
                    env=env if confined else {**os.environ, **self._terms.env},
                    window_ms=self._terms.window_ms,
                    output=self._terms.output,
                    confines=self._confines(),
                    put_away=self._put_away if self._terms.quarantine and self.specimen.movable else None,
                )
            except (NotStartedInside, ProgramNotStarted) as refused:
                return self._failed(str(refused), decoys)
            with program:
                session = self._begin(program)
                self._stream(program, session, str(folder) if confined else "")
                return self._conclude(program, session, decoys)

    def _confines(self) -> Confines | None:
        confines = self._terms.confines
        if confines is None:
            return None
        return Confines(
            read=(*confines.read, self.specimen.file), reach=confines.reach, limits=confines.limits,
            builder=confines.builder,
        )  # fmt: skip

    def _begin(self, program: LinuxSandbox | None) -> Session:
        def carry_out(instruction: Instruction) -> Execution:
            assert program is not None
            return self._carry_out(program, instruction)

        self.session = self._sandbox.start(
            self.specimen.artifact, carry_out, window_ms=self._terms.window_ms, continues=self._continues
        )
        return self.session

    def _stream(self, program: LinuxSandbox, session: Session, home: str) -> None:
        ran_ms = paused_ms = 0
        for window in program.windows():
            session.send([_at_home(window, home) if home else window])
            self.windows += 1
            if program.paused:
                paused_ms += window.window_ms
            else:
                ran_ms += window.window_ms
            if self._given_up or ran_ms >= self._terms.horizon_s * 1000 or paused_ms >= self._terms.review_s * 1000:
                program.carry_out(Action.TERMINATE)

    def _carry_out(self, program: LinuxSandbox, instruction: Instruction) -> Execution:
        self._why = ", ".join(instruction.because)
        if instruction.undoes is not None:
            return program.take_back(self._acted.get(instruction.undoes, Action.REVIEW))
        self._acted[instruction.seq] = instruction.action
        return program.carry_out(instruction.action)

    def _put_away(self) -> str:
        assert self._terms.quarantine is not None
        session = str(self.session.id) if self.session else ""
        record = self._terms.quarantine.put_away(self.specimen.file, session=session, why=self._why, at=self._now())
        links = f"; {record.other_names} other names of it are left" if record.other_names else ""
        changed = "" if record.sha256 == self.specimen.sha256 else "; it had changed while it ran"
        return f"put away as {record.id}{links}{changed}"

    def _conclude(self, program: LinuxSandbox, session: Session, decoys: Decoys) -> Finding:
        session.wait_answered(ANSWER_S)
        stopped, unanswered = session.stopped, session.unanswered()
        # a policy that was not there has not let it pass
        outcome = Outcome.MALICIOUS if stopped else Outcome.FAILED if unanswered else Outcome.BENIGN
        lost = decoys.lost()
        concluded = "what the policy concluded" if outcome is not Outcome.FAILED else "nothing was concluded"
        detail = f"{concluded}; {program.containment}"
        if unanswered:
            detail += f"; {unanswered} windows were never answered"
        if decoys:
            detail += f"; {lost} of {len(decoys)} decoys lost"
        session.report(outcome, detail)
        over = EndReason.FAILED if outcome is Outcome.FAILED else EndReason.FINISHED
        session.end(EndReason.TERMINATED if stopped else over)
        return Finding(
            session=session.id, episode=session.episode, outcome=outcome, stopped=stopped, ended=program.ended,
            detail=detail, decoys=len(decoys), decoys_lost=lost,
        )  # fmt: skip

    def _failed(self, why: str, decoys: Decoys) -> Finding:
        session = self._begin(None)
        session.report(Outcome.FAILED, why)
        session.end(EndReason.FAILED)
        return Finding(
            session=session.id, episode=session.episode, outcome=Outcome.FAILED, stopped=None, ended=None,
            detail=why, decoys=len(decoys), decoys_lost=0,
        )  # fmt: skip


def _at_home(window: Window, home: str) -> Window:
    """As the policy has learned it: its home lies below /tmp, where much of what hides does."""
    paths = tuple(called(path, home) for path in window.telemetry.accessed_paths or ())
    return window._replace(telemetry=window.telemetry._replace(accessed_paths=paths))


@contextmanager
def _home(given: Path | None) -> Iterator[tuple[Path, Decoys]]:
    """The folder to work in, and the decoys in it; a given folder has none."""
    with tempfile.TemporaryDirectory(prefix="home-", ignore_cleanup_errors=True) as place:
        folder = Path(place).resolve()
        if given is not None:
            yield given.resolve(strict=True), Decoys(folder)
            return
        prepare(folder, Random().getrandbits(32))
        yield folder, Decoys(folder)

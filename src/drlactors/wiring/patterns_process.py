"""A process that makes patterns, beside the serving plane: what it computes never holds a window up.

It is handed its task on its standard input, says what it did on its standard output, line by line, and ends when its
input is closed: by whoever started it, or by that one's death.
"""

import json
import os
import select
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from drlactors.domain.ids import SessionId
from drlactors.patterns.follower import Away, Back, Full, Heard, PutBack, Queued, Stored
from drlactors.ports.log import LogAway, LogUnreachable
from drlactors.ports.observer import Observer
from drlactors.wiring.patterns import Task, following

#: After a process that ended by itself another one is started: at once, then later and later.
BACKOFF_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
#: A stop waits so long for the work in hand; what is cut off is done again by the next process.
STOP_S = 10.0
#: Characters that are noted of a line that was not understood.
SHOWN = 200
_KINDS: dict[str, type[Heard]] = {kind.__name__: kind for kind in (Stored, Queued, Away, Back, LogAway, Full, PutBack)}
_SKIPPED, _ASKED = "skipped", "asked"


def main() -> None:
    """The process itself."""
    task = Task(**json.loads(sys.stdin.readline()))
    os.nice(task.nice)

    def tell(*said: object) -> None:
        print(json.dumps(said), flush=True)

    def skipped(session: SessionId, why: str) -> None:
        tell(_SKIPPED, str(session), why)

    def hear(heard: Heard) -> None:
        tell(type(heard).__name__, *heard)

    def asked(seconds: float) -> None:
        tell(_ASKED, seconds)

    try:
        with following(task, hear, skipped, asked) as follower:
            more = True
            while not select.select([sys.stdin], [], [], 0.0 if more else task.follow_s)[0]:
                more = follower.turn()
    except LogUnreachable as error:  # from the beginning on; it is started again
        hear(LogAway(str(error)))
        sys.exit(1)


class PatternsProcess:
    """Starts the process, starts it again when it ends, and passes on what it says."""

    def __init__(self, task: Task, observer: Observer) -> None:
        self._task = task
        self._observer = observer
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._run, name="patterns", daemon=True)

    @property
    def pid(self) -> int | None:
        with self._lock:
            return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> "PatternsProcess":
        self._thread.start()
        return self

    def stop(self) -> None:
        with self._lock:
            self._stopping.set()
            process = self._process
            if process is not None and process.stdin is not None:
                process.stdin.close()
        if process is not None:
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
        self._thread.join()

    def _run(self) -> None:
        failures = 0
        while process := self._begin():
            began_s = time.monotonic()
            with suppress(BrokenPipeError), process:  # it may have ended without reading its task
                assert process.stdout is not None
                for line in process.stdout:
                    try:
                        self._hear(*json.loads(line))
                    except (LookupError, RecursionError, TypeError, ValueError):  # it is none of ours: a library's, say
                        self._observer.note("patterns.not-understood", line=line[:SHOWN])
            if time.monotonic() - began_s > BACKOFF_S[-1]:
                failures = 0  # what it says tells nothing: one that fails at each attempt to work says so first
            if not self._stopping.is_set():
                wait_s = BACKOFF_S[min(failures, len(BACKOFF_S) - 1)]
                failures += 1
                self._observer.note("patterns.process-ended", status=process.returncode, again_in_s=wait_s)
                self._stopping.wait(wait_s)

    def _begin(self) -> "subprocess.Popen[str] | None":
        with self._lock:
            if self._stopping.is_set():
                return None
            process = self._process = subprocess.Popen(
                [sys.executable, "-c", f"from {__name__} import main; main()"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,  # Ctrl-C is for us: we stop it
            )
            assert process.stdin is not None
            try:
                process.stdin.write(json.dumps(self._task._asdict()) + "\n")
                process.stdin.flush()
            except BrokenPipeError:
                pass  # it has ended already, which is seen where its output ends
            return process

    def _hear(self, kind: str, *fields: Any) -> None:
        observer = self._observer
        if kind == _ASKED:
            observer.patterns_asked(fields[0])
            return
        if kind == _SKIPPED:
            observer.note("patterns.skipped", session=fields[0], why=fields[1])
            return
        match heard := _KINDS[kind](*fields):
            case Stored(changes, seconds, waiting):
                observer.patterns(changes, seconds, waiting)
            case Queued(_, waiting):
                observer.patterns_waiting(waiting)
            case Away(waiting=waiting):
                observer.patterns_failed()
                observer.patterns_waiting(waiting)
                observer.note("patterns.away", **heard._asdict())
            case Back():
                observer.note("patterns.back", **heard._asdict())
            case LogAway():
                observer.note("patterns.log-away", **heard._asdict())
            case Full():
                observer.note("patterns.queue-full", **heard._asdict())
            case PutBack():
                observer.note("patterns.log-put-back", **heard._asdict())

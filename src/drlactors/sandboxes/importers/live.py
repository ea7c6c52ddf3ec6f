"""Plays runs that are over at a running system, window by window.

A finished run does not react: terminating it only stops the playing, isolating it changes nothing in what follows.
"""

import threading
from collections.abc import Callable

from drlactors.domain.action import Action
from drlactors.domain.session import EndReason
from drlactors.ports.bus import SandboxLink
from drlactors.ports.clock import Clock
from drlactors.sandboxes.importers.finished import Finished
from drlactors.sandboxes.sandbox import Sandbox
from drlactors.sandboxes.sdk import Done, Instruction

#: What was sent has so long to be answered before the session is concluded without the answers.
PATIENCE_S = 30.0
_OUTCOMES = {Action.CONTINUE: "resumed", Action.ISOLATE: "isolated", Action.REVIEW: "waiting"}


def play(run: Finished, link: SandboxLink, clock: Clock, *, speed: float, watch: Callable[[], object]) -> Action | None:
    """One run, at its own pace times ``speed``, or until an action stops it, which is returned. Raises BusUnreachable.

    ``watch`` is called after each window. A run that was cut off is begun again: what the system has, it passes over.
    """
    pause = threading.Event()
    with Sandbox(link, run.sandbox, clock=clock) as host:
        hosted = host.start(run.artifact, _carry_out, window_ms=run.window_ms, session=run.session)
        due_s = clock.monotonic_s()
        for window in run.windows:
            due_s += run.window_ms / 1000 / speed
            pause.wait(max(0.0, due_s - clock.monotonic_s()))
            if hosted.stopped is not None:
                break
            hosted.send([window])  # with the time of the run: it is not of today
            watch()
        hosted.wait_answered(PATIENCE_S)
        if run.outcome is not None:
            hosted.report(run.outcome, run.detail)
        hosted.end(run.reason if hosted.stopped is None else EndReason.TERMINATED)
        return hosted.stopped


def _carry_out(instruction: Instruction) -> Done:
    return Done(outcome=_OUTCOMES.get(instruction.action, "stopped"))

"""Recordings are played, a model learns from the log, is judged, and decides the next sessions."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, repeat
from pathlib import Path
from threading import Thread, main_thread

from rich.live import Live

from drlactors.actors.registrar import Registrar
from drlactors.cli.acts.scene import AUTHOR, Scene
from drlactors.cli.board import Board
from drlactors.cli.sandbox import chosen
from drlactors.domain.model import Authority
from drlactors.sandboxes.player import Played, Player
from drlactors.wiring import SystemClock

#: Why the demo promotes a candidate that the gate does not speak for.
REASON = "to see the next sessions decided by what the log has taught, whatever the evidence"
#: `python -m drlactors` that ends when its input does.
_BESIDE = (
    f"import runpy; from {__name__} import end_with_input; "
    "end_with_input(); runpy.run_module('drlactors', run_name='__main__')"
)


def show(scene: Scene, *, seconds: float, sessions: int, speed: float) -> tuple[list[Played], int]:
    """What was played, and the status of the learner; sessions begin for so many seconds under the new model."""
    says = "Recorded sandboxes play, and the rules decide. The learner follows the log in a process of its own."
    with scene.act("The loop", says), _learner(scene.config, scene.board) as learner:
        player = Player(scene.host, SystemClock(), speed=speed)
        played = _play(scene, player, learner, seconds, sessions)
    return played, learner.returncode


@contextmanager
def _learner(config: Path, board: Board) -> Iterator[subprocess.Popen[str]]:
    """`drlactors learn`, for one round; it ends with the context, and with this process when that is killed."""
    command = [sys.executable, "-c", _BESIDE, "learn", "--rounds", "1", "--config", str(config)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:

        def read() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                board.learner = line.strip()

        reader = Thread(target=read, name="learner-output")
        reader.start()
        try:
            yield process
        finally:
            process.terminate()
            process.wait()
            reader.join()


def end_with_input() -> None:
    """From now on this process gets SIGTERM when its standard input ends: by who started it, or by that one's death."""

    def wait() -> None:
        # Not by sys.stdin: Python could not end while a thread reads there.
        while os.read(0, 1):
            pass
        signal.pthread_kill(main_thread().ident or 0, signal.SIGTERM)

    Thread(target=wait, name="input", daemon=True).start()


def _play(scene: Scene, player: Player, learner: subprocess.Popen[str], seconds: float, sessions: int) -> list[Played]:
    """Play on a thread of its own, draw on this one; when the learner is done, put its candidate in charge."""
    found = chosen((), 0)
    endless = chain(
        [one for one in found if one.stage == 2], chain.from_iterable(repeat([o for o in found if o.stage == 1], 20))
    )
    played: list[Played] = []
    thread = Thread(target=lambda: played.extend(player.play(endless, at_once=sessions)), name="player")
    began_s = time.monotonic()
    thread.start()
    before_s, before, until_s = began_s, 0, float("inf")
    try:
        with Live(console=scene.console, refresh_per_second=4, transient=not scene.console.is_terminal) as live:
            while thread.is_alive():
                thread.join(0.25)
                now_s = time.monotonic()
                if until_s == float("inf") and learner.poll() is not None:
                    _promote(scene, learner.returncode)
                    until_s = now_s + seconds
                if now_s >= until_s:
                    player.stop()
                rate = (scene.board.windows - before) / max(now_s - before_s, 0.001)
                before_s, before = now_s, scene.board.windows
                live.update(scene.board.table(player.playing, rate, now_s - began_s))
    finally:  # interrupted as well: the player would go on, and hold up the end
        player.stop()
        thread.join()
    return played


def _promote(scene: Scene, status: int) -> None:
    """Tell what the gate found; where it does not speak for the candidate, promote it as a person."""
    registrar = Registrar(scene.system.log, SystemClock())
    models = registrar.charge().models
    if status or not models:
        scene.say(f"[red]The learner ended with status {status}: {scene.board.learner}")
        return
    sha256 = models[-1]
    life = registrar.life(sha256)
    assert life.trained is not None
    assert life.evaluated is not None
    scene.say(f"Learned: version {life.trained.version} ({sha256[:16]}) from {life.trained.sessions} sessions.")
    scene.say(f"The gate, on {life.evaluated.sessions} sessions held out, says: {life.evaluated.answer.value}")
    for reason in life.evaluated.reasons:
        scene.say(f"  {reason}")
    if registrar.charge().in_charge == sha256:
        scene.say("It is in charge by the gate's word.")
        return
    registrar.promote(
        sha256,
        configured=scene.system.serving.info.id,
        authority=Authority.PERSON,
        author=AUTHOR,
        reason=REASON,
    )
    scene.say(f"[bold]Not by evidence, but as {AUTHOR}, {REASON}: it is in charge now.[/]")

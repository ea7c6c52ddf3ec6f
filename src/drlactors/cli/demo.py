"""`drlactors demo`: both lines on this machine, on recorded telemetry, in front of your eyes."""

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from drlactors.cli.board import Board

if TYPE_CHECKING:
    from rich.console import Console

    from drlactors.sandboxes.player import Played, Player
    from drlactors.wiring import System

#: Who takes responsibility for a candidate that the gate does not speak for.
AUTHOR = "the person who runs the demo"
REASON = "to see the next sessions decided by what the log has taught, whatever the evidence"


def demo(
    *,
    seconds: float = 15.0,
    sessions: int = 40,
    speed: float = 3.0,
    learn_from: int = 200,
    data_dir: Path | None = None,
) -> int:
    """Show the whole loop: sessions are recorded, a model learns from the log, is judged, and decides the next ones.

    Starts NATS, PostgreSQL and the system as at a site that has no model yet, so that the rules decide; sandboxes play
    recorded sessions of both stages. The learner runs in a process of its own. The gate will rarely speak for a model
    after so few sessions: then it is promoted in your name, and the demo says so. Needs the extra "learner".

    Examples
    --------
    drlactors demo
    drlactors demo --seconds 30 --speed 1

    Parameters
    ----------
    seconds
        How long sessions begin once the new model is in charge.
    sessions
        So many play at the same time.
    speed
        Times as fast as recorded.
    learn_from
        Sessions that the log has to have before the learner begins.
    data_dir
        Where the servers keep their data; without it, in a folder that is gone afterwards.
    """
    from rich.console import Console

    from drlactors.cli.sandbox import settle
    from drlactors.config.load import load
    from drlactors.sandboxes.player import Player
    from drlactors.sandboxes.sdk import Sandbox
    from drlactors.wiring import System, SystemClock, sandbox_link

    console = Console()
    with tempfile.TemporaryDirectory(prefix="drlactors-") as scratch:
        folder = data_dir or Path(scratch)
        console.print("Starting NATS, PostgreSQL and the system ...")
        config = _configured(folder, Path(scratch), learn_from)
        with System(load(files=(config,))) as system:
            clock = SystemClock()
            link = sandbox_link("", "", folder)
            board = Board()
            host = Sandbox(link, "demo", watch=board.answered)
            player = Player(host, clock, speed=speed)
            console.print(f"Up: {system.addresses.nats_url}, {system.serving.info.id} decides. Playing recordings.")
            with _learner(config, board) as learner:
                played = _show(console, system, player, board, learner, seconds, sessions)
            unanswered = settle(played)
            system.wait_quiet(timeout_s=20.0)
            _summarise(console, system, played, board, unanswered)
            host.close()
            link.close()
            console.print("Stopping: finishing what is in flight.")
    console.print("Stopped cleanly.")
    return 1 if unanswered or learner.returncode else 0


def _configured(folder: Path, scratch: Path, learn_from: int) -> Path:
    """A site without a model, with a key of its own and a quick learner; a benign sample stopped is the worst to it."""
    from drlactors.signing import make_key

    key = scratch / "models.key"
    settings = {
        "server": {"data_dir": str(folder)},
        "logging": {"file": str(folder / "drlactors.log")},
        "metrics": {"port": 0},
        "model": {"path": str(folder / "none-yet.onnx")},
        "models": {"trusted_keys": [make_key(key)]},
        "learner": {"key": str(key), "sessions": learn_from, "updates": 600, "follow_s": 0.3, "nice": 5},
        "rewards": {"wrong_verdict": 10.0},
    }
    config = scratch / "demo.json"
    config.write_text(json.dumps(settings))
    return config


@contextmanager
def _learner(config: Path, board: Board) -> "Iterator[subprocess.Popen[str]]":
    """`drlactors learn`, for one round; it ends with the context."""
    command = [sys.executable, "-m", "drlactors", "learn", "--rounds", "1", "--config", str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:

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


def _show(
    console: "Console",
    system: "System",
    player: "Player",
    board: Board,
    learner: "subprocess.Popen[str]",
    seconds: float,
    sessions: int,
) -> "list[Played]":
    """Play on a thread of its own, draw on this one; when the learner is done, put its candidate in charge."""
    from itertools import chain, repeat

    from rich.live import Live

    from drlactors.cli.sandbox import chosen

    found = chosen((), 0)
    endless = chain(
        [one for one in found if one.stage == 2], chain.from_iterable(repeat([o for o in found if o.stage == 1], 20))
    )
    played: list[Played] = []
    thread = Thread(target=lambda: played.extend(player.play(endless, at_once=sessions)), name="player")
    began_s = time.monotonic()
    thread.start()
    before_s, before, until_s = began_s, 0, float("inf")
    with Live(console=console, refresh_per_second=4, transient=not console.is_terminal) as live:
        while thread.is_alive():
            thread.join(0.25)
            now_s = time.monotonic()
            if until_s == float("inf") and learner.poll() is not None:
                _promote(console, system, board, learner.returncode)
                until_s = now_s + seconds
            if now_s >= until_s:
                player.stop()
            rate = (board.windows - before) / max(now_s - before_s, 0.001)
            before_s, before = now_s, board.windows
            live.update(board.table(player.playing, rate, now_s - began_s))
    return played


def _promote(console: "Console", system: "System", board: Board, status: int) -> None:
    """Tell what the gate found; where it does not speak for the candidate, promote it as a person."""
    from drlactors.actors.registrar import Registrar
    from drlactors.domain.model import Authority
    from drlactors.wiring import SystemClock

    registrar = Registrar(system.log, SystemClock())
    models = registrar.charge().models
    if status or not models:
        console.print(f"[red]The learner ended with status {status}: {board.learner}")
        return
    sha256 = models[-1]
    life = registrar.life(sha256)
    assert life.trained is not None
    assert life.evaluated is not None
    console.print(f"Learned: version {life.trained.version} ({sha256[:16]}) from {life.trained.sessions} sessions.")
    console.print(f"The gate, on {life.evaluated.sessions} sessions held out, says: {life.evaluated.answer.value}")
    for reason in life.evaluated.reasons:
        console.print(f"  {reason}", soft_wrap=True)
    if registrar.charge().in_charge == sha256:
        console.print("It is in charge by the gate's word.")
        return
    registrar.promote(
        sha256,
        configured=system.serving.info.id,
        authority=Authority.PERSON,
        author=AUTHOR,
        reason=REASON,
    )
    console.print(f"[bold]Not by evidence, but as {AUTHOR}, {REASON}: it is in charge now.[/]", soft_wrap=True)


def _summarise(console: "Console", system: "System", played: "list[Played]", board: Board, unanswered: int) -> None:
    """Counted from the log, not from what was shown."""
    from drlactors.cli.board import by_policy
    from drlactors.cli.sandbox import summary
    from drlactors.domain.episode import EpisodeCompleted
    from drlactors.domain.session import ActionSelected, TelemetryLost, TelemetryRecorded

    verdicts: Counter[str] = Counter()
    actions: Counter[str] = Counter()
    policies: Counter[str] = Counter()
    events = windows = lost = after = 0
    while entries := system.log.read(after, 2000):
        after = entries[-1].position
        for entry in entries:
            events += len(entry.events)
            for event in entry.events:
                match event:
                    case EpisodeCompleted(verdict):
                        verdicts[verdict] += 1
                    case ActionSelected():
                        actions[event.action.name.lower()] += 1
                        policies[event.policy[:16]] += 1
                    case TelemetryRecorded():
                        windows += 1
                    case TelemetryLost(first, last, _):
                        lost += last - first + 1
    sent = sum(one.sent for one in played)
    console.print(summary(played))
    console.print(by_policy(played))
    console.print("The model has learned from some of the artifacts in this table; what the gate says rests on others.")
    console.print("Episodes by outcome: " + (_counted(verdicts) or "none"))
    console.print("Actions taken: " + _counted(actions))
    console.print("Windows decided by: " + ", ".join(f"{name} {count}" for name, count in policies.items()))
    console.print(f"Events stored: {events}. Windows sent: {sent}, recorded: {windows}, answered: {board.windows}.")
    console.print(
        f"Latency from publish to action: p50 {board.percentile_ms(0.5):.1f} ms, p99 {board.percentile_ms(0.99):.1f} ms"
    )
    console.print(f"Losses: {lost + (sent - windows) + unanswered}")


def _counted(counts: "Counter[Any]") -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))

"""`drlactors demo`: the whole fast line on this machine, on recorded telemetry, in front of your eyes."""

import tempfile
import time
from collections import Counter, deque
from pathlib import Path
from threading import Lock, Thread
from typing import Any


def demo(*, seconds: float = 30.0, sessions: int = 60, speed: float = 1.0, data_dir: Path | None = None) -> int:
    """Start NATS, PostgreSQL and the system, play recorded sessions of both stages at it, and show the decisions.

    Examples
    --------
    drlactors demo
    drlactors demo --seconds 10 --speed 3

    Parameters
    ----------
    seconds
        After so long no new session begins, and the running ones end.
    sessions
        So many play at the same time.
    speed
        Times as fast as recorded.
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
        settings = {"server.data_dir": str(folder), "logging.file": str(folder / "drlactors.log"), "metrics.port": 0}
        with System(load(overrides=settings)) as system:
            clock = SystemClock()
            link = sandbox_link("", "", folder)
            board = Board()
            host = Sandbox(link, "demo", watch=board.answered)
            player = Player(host, clock, speed=speed)
            console.print(
                f"Up: {system.addresses.nats_url}, model {system.serving.info.id}. Playing recorded sessions."
            )
            played = _show(console, player, board, seconds, sessions)
            unanswered = settle(played)
            system.wait_quiet(timeout_s=20.0)
            _summarise(console, system, played, board, unanswered)
            host.close()
            link.close()
            console.print("Stopping: finishing what is in flight.")
    console.print("Stopped cleanly.")
    return 1 if unanswered else 0


class Board:
    """What the sandboxes have seen so far: written by the host's thread, read by the display's."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.windows = 0
        self.actions: Counter[str] = Counter()
        self.latencies_ms: deque[float] = deque(maxlen=2000)
        self.latest: dict[Any, tuple[str, str, float]] = {}  # by session: action, policy, latency in ms

    def answered(self, answer: Any) -> None:
        with self._lock:
            action = answer.instruction.action.name.lower()
            self.windows += 1
            self.actions[action] += 1
            self.latencies_ms.append(answer.latency_s * 1000)
            self.latest[answer.session] = (action, answer.instruction.policy, answer.latency_s * 1000)

    def percentile_ms(self, share: float) -> float:
        with self._lock:
            ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def _show(console: Any, player: Any, board: Board, seconds: float, sessions: int) -> list[Any]:
    """Play on a thread of its own, draw on this one."""
    from itertools import chain, repeat

    from rich.live import Live

    from drlactors.cli.sandbox import chosen

    found = chosen((), 0)
    endless = chain(
        [one for one in found if one.stage == 2], chain.from_iterable(repeat([o for o in found if o.stage == 1], 20))
    )
    played: list[Any] = []
    thread = Thread(target=lambda: played.extend(player.play(endless, at_once=sessions)), name="player")
    began_s = time.monotonic()
    thread.start()
    before_s, before = began_s, 0
    with Live(console=console, refresh_per_second=4, transient=not console.is_terminal) as live:
        while thread.is_alive():
            thread.join(0.25)
            now_s = time.monotonic()
            if now_s - began_s >= seconds:
                player.stop()
            rate = (board.windows - before) / max(now_s - before_s, 0.001)
            before_s, before = now_s, board.windows
            live.update(_table(player, board, rate, now_s - began_s))
    return played


def _table(player: Any, board: Board, rate: float, elapsed_s: float) -> Any:
    from rich.table import Table

    table = Table(
        "session",
        "stage",
        "recording",
        "windows",
        "last action",
        "policy",
        "latency",
        title=f"{elapsed_s:.0f} s   {board.windows} windows   {rate:.0f} windows/s   "
        f"p50 {board.percentile_ms(0.5):.1f} ms   p99 {board.percentile_ms(0.99):.1f} ms",
        caption="  ".join(f"{name} {count}" for name, count in sorted(board.actions.items())),
    )
    for one in player.playing[-12:]:
        action, policy, latency_ms = board.latest.get(one.session, ("", "", 0.0))
        kind = "[red]malicious[/]" if one.recording.malicious else "benign"
        table.add_row(
            str(one.session)[:8],
            str(one.recording.stage),
            f"{one.recording.name} ({kind})",
            str(one.sent),
            action if one.stopped is None else f"[bold]{action}[/]",
            policy[:16],
            f"{latency_ms:.1f} ms",
        )
    return table


def _summarise(console: Any, system: Any, played: list[Any], board: Board, unanswered: int) -> None:
    """Counted from the log, not from what was shown."""
    from drlactors.cli.sandbox import summary
    from drlactors.domain.episode import EpisodeCompleted
    from drlactors.domain.session import ActionSelected, TelemetryLost, TelemetryRecorded

    verdicts: Counter[str] = Counter()
    actions: Counter[str] = Counter()
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
                    case TelemetryRecorded():
                        windows += 1
                    case TelemetryLost(first, last, _):
                        lost += last - first + 1
    sent = sum(one.sent for one in played)
    console.print(summary(played))
    console.print(
        "Episodes by outcome: " + (", ".join(f"{name} {n}" for name, n in sorted(verdicts.items())) or "none")
    )
    console.print("Actions taken: " + ", ".join(f"{name} {count}" for name, count in sorted(actions.items())))
    console.print(f"Events stored: {events}. Windows sent: {sent}, recorded: {windows}, answered: {board.windows}.")
    console.print(
        f"Latency from publish to action: p50 {board.percentile_ms(0.5):.1f} ms, p99 {board.percentile_ms(0.99):.1f} ms"
    )
    console.print(f"Losses: {lost + (sent - windows) + unanswered}")

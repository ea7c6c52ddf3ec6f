"""`drlactors sandbox play`: recorded sandboxes that stream to a running system."""

import time
from collections.abc import Sequence
from typing import Any

from drlactors.cli.link import LOCAL, Link
from drlactors.cli.numbers import AtOnce, Count, Speed, Windows
from drlactors.cli.telling import on, telling


def play(
    *recording: str,
    sessions: Count = 0,
    at_once: AtOnce = 50,
    speed: Speed = 1.0,
    batch: Windows = 1,
    sandbox: str = "player",
    link: Link = LOCAL,
) -> int:
    """Play recorded sessions at a running system, as live sandboxes over NATS or gRPC.

    Examples
    --------
    drlactors sandbox play
    drlactors sandbox play encrypt --speed 5

    Parameters
    ----------
    recording
        Only recordings whose name contains one of these.
    sessions
        Play so many of stage 1, from the beginning again if there are fewer; 0 for each once.
    at_once
        So many at the same time.
    speed
        Times as fast as recorded.
    batch
        Windows in one message.
    sandbox
        The name that this sandbox goes by.
    """
    from rich.console import Console

    from drlactors.sandboxes.player import Player
    from drlactors.sandboxes.sdk import Sandbox
    from drlactors.wiring import SystemClock

    console, clock = Console(), SystemClock()
    opened = link.open()
    host = Sandbox(opened, sandbox)
    player = Player(host, clock, speed=speed, batch=batch)
    try:
        with telling(host, on(console), player.stop):
            played = player.play(chosen(recording, sessions), at_once=at_once)
            unanswered = settle(played)
    except KeyboardInterrupt:
        player.stop()
        raise
    finally:
        host.close()
        opened.close()
    console.print(summary(played))
    if unanswered:
        console.print(f"[red]{unanswered} windows were not answered")
    return 1 if unanswered else 0


def chosen(names: Sequence[str], sessions: int) -> list[Any]:
    """The recordings to play: those named, and so many of stage 1 with the stage 2 that belongs to them."""
    from itertools import cycle, islice
    from random import Random

    from drlactors.sandboxes.recording import recordings

    found = [one for one in recordings() if not names or any(name in one.name for name in names)]
    if not found:
        raise SystemExit(f"no recording has a name with {', '.join(names)} in it")
    Random(0).shuffle(found)  # the collection is sorted by class; everybody sees the same mixture
    first = [one for one in found if one.stage == 1]
    second = [one for one in found if one.stage == 2]
    return [*(islice(cycle(first), sessions) if sessions else first), *second]


def settle(played: Sequence[Any], timeout_s: float = 30.0) -> int:
    """Wait for the last answers; how many windows have none."""
    until_s = time.monotonic() + timeout_s
    for one in played:
        one.hosted.wait_answered(max(0.0, until_s - time.monotonic()))
    return sum(one.hosted.unanswered() for one in played)


def summary(played: Sequence[Any]) -> Any:
    """What became of the sessions, by class and stage."""
    from rich.table import Table

    from drlactors.domain.action import Action

    groups = {
        f"stage {stage}\n{'malicious' if malicious else 'benign'}": some
        for stage in (1, 2)
        for malicious in (True, False)
        if (some := [one for one in played if one.recording.stage == stage and one.recording.malicious is malicious])
    }
    table = Table("", *groups)  # one column each: a terminal of 80 shows all of it
    table.add_row("run", *(str(len(some)) for some in groups.values()))
    table.add_row("stopped", *(str(sum(one.stopped is not None for one in some)) for some in groups.values()))
    table.add_row("windows", *(str(sum(one.sent for one in some)) for some in groups.values()))
    for action in Action:
        counts = (sum(one.hosted.selected[action] for one in some) for some in groups.values())
        table.add_row(action.name.lower(), *map(str, counts))
    return table

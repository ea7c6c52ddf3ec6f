"""`drlactors demo`: both lines on this machine, in front of your eyes."""

import json
import tempfile
from pathlib import Path

from drlactors.cli.numbers import AtOnce, Count, Seconds, Speed


def demo(
    *,
    seconds: Seconds = 15.0,
    sessions: AtOnce = 40,
    speed: Speed = 3.0,
    learn_from: Count = 200,
    data_dir: Path | None = None,
) -> int:
    """Show what there is: a live program stopped, a person asked, a model learned, a false negative found.

    Starts NATS, PostgreSQL and the system as at a site that has no model yet, so that the rules decide. The live
    program needs strace and a kernel that contains it; without them that act says what is missing, and the demo goes
    on. Then sandboxes play recorded sessions of both stages, and a learner runs in a process of its own. The gate will
    rarely speak for a model after so few sessions: then it is promoted in your name, and the demo says so. Needs the
    extra "learner".

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

    from drlactors.cli.acts import ending, false_negative, live, loop, review
    from drlactors.cli.acts.scene import Scene
    from drlactors.cli.board import Board
    from drlactors.cli.sandbox import settle
    from drlactors.config.load import load
    from drlactors.sandboxes.sdk import Sandbox
    from drlactors.wiring import System, sandbox_link

    console = Console()
    with tempfile.TemporaryDirectory(prefix="drlactors-") as scratch:
        folder = data_dir or Path(scratch)
        console.print("Starting NATS, PostgreSQL and the system ...")
        config = _configured(folder, Path(scratch), learn_from)
        with System(load(files=(config,))) as system:
            link = sandbox_link(folder)
            board = Board()
            host = Sandbox(link, "demo", watch=board.answered)
            scene = Scene(console=console, system=system, config=config, host=host, board=board)
            console.print(f"Up: {system.addresses.nats_shown}, {system.serving.info.id} decides.")
            live.show(scene)
            review.show(scene)
            played, learner = loop.show(scene, seconds=seconds, sessions=sessions, speed=speed)
            unanswered = settle(played) + scene.unanswered
            system.wait_quiet(timeout_s=20.0)
            false_negative.show(scene)
            ending.show(scene, played, unanswered)
            host.close()
            link.close()
            console.print("Stopping: finishing what is in flight.")
    console.print("Stopped cleanly.")
    return 1 if unanswered or learner else 0


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

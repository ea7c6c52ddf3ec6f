"""A live program behind walls, which makes documents unreadable until the policy stops it."""

import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rich.markup import escape

from drlactors.cli.acts.scene import Scene
from drlactors.sandboxes.analysis import SEARCH_PATH, Analysis, Finding, Specimen, Terms
from drlactors.sandboxes.containment.cgroup import sweep
from drlactors.sandboxes.decoys import Decoys
from drlactors.sandboxes.errors import SandboxError
from drlactors.sandboxes.plan import Artifact
from drlactors.sandboxes.recorder import install
from drlactors.sandboxes.scratch import prepare

#: Beside some fifty others: the rules call the change of more than 300 files a mass change.
DOCUMENTS = 500
#: What the sandbox answered last is on its way to the log for so long at most.
QUIET_S = 5.0
#: An emulation: reversible, and it works nowhere but in its scratch home.
ENCRYPTS = Artifact(
    family="ransomware",
    variant="demo",
    malicious=True,
    source="encrypt",
    options={"style": "replace", "pause_s": 0.004, "seconds": 12},
)


def show(scene: Scene) -> None:
    says = "An emulation of ransomware runs behind walls, in a home of its own; the rules decide, window by window."
    with scene.act("A live program, stopped", says), tempfile.TemporaryDirectory(prefix="home-") as place:
        home = Path(place).resolve()
        prepare(home, 1)
        for number in range(DOCUMENTS):
            (home / "Documents" / f"letter-{number}.txt").write_bytes(b"Dear reader,\n" * 100)
        documents = Decoys(home / "Documents")
        try:
            found = _run(scene, home)
        except SandboxError as refused:
            scene.say(f"[yellow]Left out: this machine cannot run it. {escape(str(refused))}[/]")
            return
        if found.ended is None:
            scene.say(f"[yellow]Left out: {escape(found.detail)}[/]")
            return
        scene.system.wait_quiet(QUIET_S)
        scene.say_actions(found.session)
        scene.say(f"  {documents.lost()} of {len(documents)} documents were lost; the program {found.ended}.")
        scene.say(f"  What held it, and whatever this machine lacks for that: {found.detail.partition('; ')[2]}.")


def _run(scene: Scene, home: Path) -> Finding:
    sweep()  # what a demo that was killed left behind
    command = install(ENCRYPTS, home)
    specimen = Specimen.of(command, home / "app" / "main.py")
    terms = replace(Terms(), folder=home, env={"SCRATCH": str(home), "PATH": SEARCH_PATH}, horizon_s=20.0)
    analysis = Analysis(scene.host, specimen, terms, lambda: datetime.now(UTC))
    found = analysis.run()
    scene.sent += analysis.windows
    if analysis.session is not None:
        scene.unanswered += analysis.session.unanswered()
    return found

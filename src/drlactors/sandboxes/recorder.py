"""Runs the artifacts of the plan in scratch homes and records what the sandbox sees."""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from random import Random

from drlactors.domain.telemetry import Window
from drlactors.sandboxes.linux import WINDOW_MS, LinuxSandbox
from drlactors.sandboxes.plan import STAGE_1_MS, STAGE_2_MS, Artifact
from drlactors.sandboxes.recording import Recorded, Recording
from drlactors.sandboxes.scratch import called, prepare
from drlactors.sandboxes.service import Service

#: Folders that every Linux has (the Filesystem Hierarchy Standard); others belong to one machine.
EVERYWHERE = frozenset(
    {"bin", "dev", "etc", "lib", "lib32", "lib64", "proc", "run", "sbin", "sys", "tmp", "usr", "var"}
)
_SEARCH_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
#: The interpreter of the system where there is one: its paths are the same everywhere.
PYTHON = shutil.which("python3", path=_SEARCH_PATH) or sys.executable
_BEHAVIOURS = Path(__file__).parent / "behaviours"
_SHELL = """\
[ -n "$SCRATCH" ] && [ "$HOME" = "$SCRATCH" ] && [ "$(pwd -P)" = "$SCRATCH" ] || exit 3
export ROUND=0
sleep {delay_s}
while [ $ROUND -lt {rounds} ]; do
{lines}
ROUND=$((ROUND + 1))
done
"""


def missing(artifact: Artifact) -> list[str]:
    """The commands this artifact needs that are not installed."""
    return [name for name in artifact.needs if shutil.which(name, path=_SEARCH_PATH) is None]


def record(
    plan: Sequence[Artifact], *, at_once: int, say: Callable[[str], None], now: Callable[[], datetime]
) -> Iterator[Recording]:
    """Both stages of every artifact, in the plan's order whatever runs at once; what cannot run is said and left out.

    The order of running is shuffled: what else the machine does in the meantime must not fall on one class.
    """
    possible = []
    for artifact in plan:
        if absent := missing(artifact):
            say(f"left out {artifact.name}: {', '.join(absent)} not installed")
        else:
            possible.append(artifact)
    runs = [(artifact, stage) for artifact in possible for stage in (1, 2)]
    order = list(range(len(runs)))
    Random(0).shuffle(order)
    with Service() as service, ThreadPoolExecutor(at_once) as pool:

        def run(index: int) -> Recording:
            artifact, stage = runs[index]
            done = run_once(artifact, stage=stage, port=service.port, at=now())
            say(f"{artifact.name} stage {stage}: {len(done.windows)} windows, {done.recorded.ended}")
            return done

        results = dict(zip(order, pool.map(run, order), strict=True))
    for index in range(len(runs)):
        yield results[index]


def run_once(artifact: Artifact, *, stage: int, port: int, at: datetime) -> Recording:
    """One session: a new scratch home, the program in it under strace, until it ends or the stage's time is over."""
    horizon_ms = STAGE_1_MS if stage == 1 else STAGE_2_MS
    seed = int.from_bytes(hashlib.sha256(f"{artifact.name} {stage}".encode()).digest()[:4])
    with tempfile.TemporaryDirectory(prefix="", ignore_cleanup_errors=True) as place:
        home = Path(place).resolve()
        prepare(home, seed)
        command = install(artifact, home)
        env = {
            "HOME": str(home), "SCRATCH": str(home), "PORT": str(port), "SEED": str(seed),
            "PATH": _SEARCH_PATH, "LANG": "C.UTF-8", "USER": "user",
        }  # fmt: skip
        windows: list[Window] = []
        with LinuxSandbox.start(command, cwd=home, env=env, output=subprocess.DEVNULL) as sandbox:
            for window in sandbox.windows():
                windows.append(_neutral(window, home))
                if len(windows) * WINDOW_MS >= horizon_ms:
                    break
            ended = sandbox.ended
        sha256 = hashlib.sha256(b"".join(path.read_bytes() for path in sorted((home / "app").glob("*.*"))))
    sha256.update(json.dumps(command[1:]).encode())
    return Recording(
        name=artifact.name,
        program=f"{artifact.source} {json.dumps(artifact.options)}",
        family=artifact.family,
        variant=artifact.variant,
        malicious=artifact.malicious,
        stage=stage,
        artifact_sha256=sha256.hexdigest(),
        artifact_type="shell script" if artifact.source == "shell" else "python script",
        window_ms=WINDOW_MS,
        recorded=Recorded(
            at=at.isoformat(timespec="seconds"),
            seed=seed,
            ended=ended.reason if ended else "horizon",
            status=ended.status if ended else None,
            lines=sandbox.parser.lines,
            rubbish=sandbox.parser.rubbish,
        ),
        windows=tuple(windows),
    )


def install(artifact: Artifact, home: Path) -> list[str]:
    """Puts the program into the scratch home under names that say nothing about it; the command that runs it."""
    app = home / "app"
    app.mkdir()
    if artifact.source == "shell":
        pause = f"\nsleep {artifact.options['pause_s']}\n"
        rounds = max(2, min(40, round(artifact.options["seconds"] / (artifact.options["pause_s"] + 0.2))))
        lines = pause.join([f"({line})" for line in artifact.options["lines"]] + [""])
        text = _SHELL.format(lines=lines, rounds=rounds, delay_s=artifact.options["delay_s"])
        (app / "main.sh").write_text(text, encoding="utf-8")
        return ["/bin/sh", "app/main.sh"]
    (app / "__init__.py").touch()
    shutil.copy(_BEHAVIOURS / "kit.py", app / "kit.py")
    shutil.copy(_BEHAVIOURS / f"{artifact.source}.py", app / "main.py")
    return [PYTHON, "-m", "app.main", json.dumps(artifact.options)]


def _neutral(window: Window, home: Path) -> Window:
    """The window without what names this machine: the scratch folder, control groups, folders of its own."""
    found = dict.fromkeys(_neutral_path(path, str(home)) for path in window.telemetry.accessed_paths)
    paths = tuple(path for path in found if path is not None)
    return window._replace(telemetry=window.telemetry._replace(accessed_paths=paths))


def _neutral_path(path: str, home: str) -> str | None:
    if path == home or path.startswith(f"{home}/"):
        return called(path, home)
    if path.startswith("/sys/fs/cgroup/"):
        parts = path.split("/")
        return "/".join((*parts[:5], parts[-1])) if len(parts) > 6 else path
    if path.endswith(".pth"):
        return None  # what this installation of Python was told to do at its start
    return path if path == "/" or path.split("/")[1] in EVERYWHERE else None

"""`drlactors sandbox run | watch`: real programs on this machine, behind walls, and a running system decides."""

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from drlactors.cli.bounds import USUAL, Bounds
from drlactors.cli.link import LOCAL, Link
from drlactors.cli.numbers import AtOnce
from drlactors.cli.telling import on, telling

if TYPE_CHECKING:
    from drlactors.sandboxes.sdk import Answer, Sandbox


def run(
    *command: str,
    artifact: Path | None = None,
    folder: Path | None = None,
    output: Path | None = None,
    uncontained: bool = False,
    continues: UUID | None = None,
    sandbox: str = "linux",
    bounds: Bounds = USUAL,
    link: Link = LOCAL,
) -> int:
    """Run a program behind walls, stream what it does to a running system, and carry out what that decides.

    The program sees system folders read-only and a home of its own, full of decoys, to write in; no process, socket or
    network but its own; and it has no more rights than an ordinary user. Isolation cuts its network, then takes most of
    its processor time and memory away, then freezes it. Terminate kills all that it ever started. Quarantine also moves
    the artifact into the encrypted store of the data directory. A review pauses it until a person has answered.

    This is not a virtual machine: the program uses this machine's kernel, and who knows a flaw in that may get out. Run
    what is dangerous in a virtual machine, and this inside it. It needs strace and a kernel that lets a user make
    namespaces; bubblewrap is used where it is installed; a control group is made where one may be, and the session's
    outcome says which limits it has.

    Examples
    --------
    drlactors sandbox run -- ./sample --its-option
    drlactors sandbox run --artifact sample.py --reach 127.0.0.1:8080 -- python3 sample.py
    drlactors sandbox run --continues 5b0e... -- ./sample
    drlactors sandbox run --uncontained -- tar czf /tmp/a.tgz /usr/share/doc

    Parameters
    ----------
    command
        The program and its arguments, after --. It is looked for in system folders only, unless it is named by a path.
    artifact
        The file that is judged and may be put in quarantine; without it, the program, if that is named by a path.
    folder
        To work in, and the only one that it can change; without it, a new home full of decoys, thrown away afterwards.
    output
        A file for what it prints; without it, that is thrown away.
    uncontained
        Without walls, with all your rights, in the current folder, on your terminal: for programs that you trust.
    continues
        The episode of which this is stage 2: the run that was stage 1 said its id. Without it, an episode begins.
    sandbox
        The name that this sandbox goes by.
    """
    from datetime import UTC, datetime

    from rich.console import Console

    from drlactors.domain.action import Action
    from drlactors.domain.ids import EpisodeId
    from drlactors.domain.session import Outcome
    from drlactors.sandboxes.analysis import Analysis, Specimen

    if not command:
        raise SystemExit("which program? drlactors sandbox run -- COMMAND")
    console = Console()

    def tell(answer: "Answer") -> None:
        instruction = answer.instruction
        if instruction.action is not Action.CONTINUE:
            why = ", ".join(instruction.because)
            console.print(f"window {instruction.seq}: [bold]{instruction.action.name.lower()}[/] ({why})")

    terms = bounds.terms(link.data_dir, folder, contained=not uncontained)
    with _printing_to(output) as printed, _connected(link, sandbox, tell) as connected:
        analysis = Analysis(
            connected,
            Specimen.of(command, artifact),
            replace(terms, output=printed),
            lambda: datetime.now(UTC),
            continues=EpisodeId(continues) if continues else None,
        )
        with telling(connected, on(console), analysis.give_up):
            found = analysis.run()
    console.print(f"session {found.session} of episode {found.episode}", soft_wrap=True)
    console.print(f"{found.outcome}: {found.detail}", soft_wrap=True)
    how = f"the program {found.ended}" if found.ended else "the program did not start"
    console.print(f"{'stopped by ' + found.stopped.name.lower() if found.stopped else 'not stopped'}: {how}")
    return 1 if found.outcome is Outcome.FAILED else 0


def watch(
    place: Path,
    *,
    at_once: AtOnce = 4,
    stages: Literal[1, 2] = 1,
    sandbox: str = "linux",
    bounds: Bounds = USUAL,
    link: Link = LOCAL,
) -> int:
    """Run many programs behind walls, some at a time, each in a session and a home of its own, and show how they fare.

    Walls, limits and what they are not: as for run.

    Examples
    --------
    drlactors sandbox watch samples/ --at-once 8 --stages 2
    drlactors sandbox watch commands.txt

    Parameters
    ----------
    place
        A folder, of which every file that may be executed is run; or a file with a command on each line.
    at_once
        How many at the same time.
    stages
        1, or 2: what stage 1 judged clean goes on to stage 2.
    sandbox
        The name that this sandbox goes by.
    """
    from datetime import UTC, datetime

    from rich.console import Console
    from rich.live import Live

    from drlactors.cli.watched import Watched

    terms = bounds.terms(link.data_dir)
    commands = list(_commands(place))
    if not commands:
        raise SystemExit(f"nothing in {place} can be run")
    with _connected(link, sandbox, None) as connected:
        watched = Watched(connected, commands, terms, stages, lambda: datetime.now(UTC))
        console = Console()
        with (
            Live(get_renderable=watched.table, console=console, refresh_per_second=4),
            telling(connected, on(console), watched.give_up),
        ):
            watched.run(at_once)
    return 1 if watched.failed else 0


def _commands(place: Path) -> Iterator[list[str]]:
    if place.is_dir():
        # by whole paths: "." gives bare names, which are looked for among the system's programs
        files = sorted(place.absolute().iterdir())
        yield from ([str(path)] for path in files if path.is_file() and os.access(path, os.X_OK))
        return
    for line in place.read_text(encoding="utf-8").splitlines():
        if words := shlex.split(line, comments=True):
            yield words


@contextmanager
def _printing_to(output: Path | None) -> Iterator[int | None]:
    if output is None:
        yield None
        return
    with output.open("wb") as file:
        yield file.fileno()


@contextmanager
def _connected(link: Link, name: str, watch: Any) -> Iterator["Sandbox"]:
    """A sandbox program on the link; what one that was killed left behind is cleared away first."""
    from drlactors.sandboxes.containment.cgroup import sweep
    from drlactors.sandboxes.sdk import Sandbox

    sweep()
    opened = link.open()
    try:
        with Sandbox(opened, name, watch=watch) as sandbox:
            yield sandbox
    finally:
        opened.close()

"""`drlactors train`: learns offline from recordings, a public set, an archive or the log."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drlactors.cli.whereabouts import HERE, Whereabouts

if TYPE_CHECKING:
    from rich.console import Console

    from drlactors.cli.courses import Source
    from drlactors.learner.course import Course
    from drlactors.learner.evaluation import Evaluation
    from drlactors.learner.methods import How
    from drlactors.learner.offline import Heard, Trained
    from drlactors.learner.transitions import Task


def train(
    *,
    out: Path,
    set_: str = "recordings",
    data: Path | None = None,
    archive: Path | None = None,
    log: bool = False,
    method: str = "",
    updates: int = 0,
    seed: int = 0,
    seeds: int = 1,
    version: int = 1,
    date: str = "",
    key: Path | None = None,
    where: Whereabouts = HERE,
) -> None:
    """Train a model on what was recorded, and say how good it is on sessions that were held out.

    A fifth of the artifacts is held out whole; nothing is chosen by them. OUT gets model.onnx with its metadata (and
    signature), figures.json, figures as SVG, and checkpoints: the same command goes on where it was cut off. The same
    data, configuration, seed and machine give the same bytes. Needs the extra "learner".

    Recorded behaviour does not react: in recordings every choice is known; in a log those that were made, and what
    stopping would have been worth. Nobody explores meanwhile: epsilon is what the agent would explore with.

    Examples
    --------
    drlactors train --out trained --seeds 5 --key ~/.config/drlactors/models.key
    drlactors train --out trained --set android-strace --data /data/android-strace-2018
    drlactors train --out trained --log

    Parameters
    ----------
    out
        The folder to write to.
    set_
        recordings (those of this program), machine-activity or android-strace.
    data
        Where the set lies: a file or folder of recordings, or the folder of the public set.
    archive
        Learn from the archive in this folder instead.
    log
        Learn from the log of a system instead (with its archive, where there is one).
    method
        Networks: fitted-q, bcq, cql or dqn (the specification's). Or stopping: trees and a boundary in time, which
        stops the share of benign sessions that is configured as gate.false_positive_rate, as far as can be chosen; it
        needs whole sessions, so not for a log or an archive. Without it what measured best: fitted-q for recordings,
        stopping for the public sets, bcq for a log or an archive.
    updates
        How many of a network's; without it, what the method takes.
    seed
        What training starts from, and which artifacts are held out.
    seeds
        So many trainings, each with the next seed, for the bands of the figures; the first one makes the model.
    version
        The number of the model's version.
    date
        Its date, ISO 8601 with an offset from UTC; without it, that of the newest session, or now where none has one.
    key
        A private key of `drlactors models keys` to sign the model with; one that nobody signed does not serve.
    """
    from rich.console import Console

    from drlactors.cli.files import writable
    from drlactors.files import write_whole
    from drlactors.inference.placing import place
    from drlactors.inference.signature import sign
    from drlactors.learner.course import HELD_OUT
    from drlactors.learner.evaluation import figures
    from drlactors.learner.export import export
    from drlactors.learner.hyperparameters import hyperparameters
    from drlactors.learner.methods import lasting
    from drlactors.learner.training_figures import drawn, plain
    from drlactors.signing import read_key
    from drlactors.wiring.access import settings_of
    from drlactors.wiring.learning import task_of

    # Each of these would else be found when all is trained.
    if seeds < 1 or updates < 0 or version < 1 or seed < 0:
        raise SystemExit("--seeds and --version are at least 1, --updates and --seed at least 0")
    _check_date(date)
    private = None if key is None else read_key(key)
    console = Console()
    settings = settings_of(*where)
    task = task_of(settings)
    with _source(task, set_, data, archive, log, where) as source:
        name = method or source.method
        how = lasting(name, updates, settings.gate.false_positive_rate)
        console.print(f"Learning from {source.words} by {name}", soft_wrap=True)
        writable(out)
        trained, sides = _train(console, source, task, how, out, range(seed, seed + seeds))
    made = export(
        trained[0].ranking,
        task.schema,
        figures(trained[0].played),
        version=version,
        date=date or source.date or datetime.now(UTC).isoformat(),
        episodes=sides[0].sessions,
        loss=trained[0].curve[-1].loss,
        hyperparameters=hyperparameters(how.hyperparameters() | {"seed": seed, "held_out": HELD_OUT}, task),
    )
    file = out / "model.onnx"
    metadata = made.metadata.to_json().encode()
    place(file, made.onnx, metadata, sign(made.onnx, metadata, private).encode() if private else None)
    found = plain(trained) | {"learned_from": source.words, "sessions": sides[0].sessions, "version": version}
    write_whole(out / "figures.json", (json.dumps(found, indent=1) + "\n").encode())
    for name, drawing in drawn(found).items():
        write_whole(out / name, drawing.encode())
    console.print(f"{file}: sha256 {made.metadata.sha256}", soft_wrap=True)
    console.print(_table(trained, sides, task))


def _check_date(date: str) -> None:
    try:
        whole = not date or datetime.fromisoformat(date).tzinfo is not None
    except ValueError as error:
        raise SystemExit(f"--date is {date}: ISO 8601 has 2026-11-30T00:00:00+00:00, for example") from error
    if not whole:
        raise SystemExit(f"--date is {date}: it needs its offset from UTC, such as {date}+00:00")


@contextmanager
def _source(
    task: "Task",
    name: str,
    data: Path | None,
    archive: Path | None,
    log: bool,
    where: Whereabouts,
) -> "Iterator[Source]":
    from drlactors.cli import courses

    if log + (archive is not None) + (data is not None or name != "recordings") > 1:
        raise SystemExit("--set with --data, --archive and --log each say what to learn from: give one of them")
    if log:
        with courses.of_log(where, task) as source:
            yield source
    else:
        yield courses.of_archive(archive, task) if archive else courses.of_set(name, data, task)


def _train(
    console: "Console", source: "Source", task: "Task", how: "How", out: Path, seeds: range
) -> "tuple[list[Trained], list[Course]]":
    """One training for each seed, each with a bar of its own."""
    from drlactors.learner.offline import Run

    trained, sides = [], []
    for seed in seeds:
        course = source.course(seed)
        with _bar(console, how, seed) as heard:
            trained.append(Run(task, how, seed, out / f"seed-{seed}").train(course, heard))
        sides.append(course)
    return trained, sides


@contextmanager
def _bar(console: "Console", how: "How", seed: int) -> "Iterator[Heard]":
    """Shows how far it is, with the newest loss, reward of held-out sessions, and epsilon; tells what goes wrong."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from drlactors.learner.agent import best_device
    from drlactors.learner.fitted_stopping import Stopping
    from drlactors.learner.occurrences import CheckpointWritten, Occurrence
    from drlactors.learner.offline import Point
    from drlactors.learner.reproducibility import fingerprint
    from drlactors.learner.trees import fingerprint as fingerprint_of_trees
    from drlactors.ports.learning import Step

    made_by = fingerprint_of_trees() if isinstance(how, Stopping) else fingerprint(best_device())
    console.print(f"seed {seed}, {made_by}", soft_wrap=True)
    shown = TextColumn("loss {task.fields[loss]}  reward {task.fields[reward]}  epsilon {task.fields[epsilon]}")
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), shown, TimeRemainingColumn()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(f"seed {seed}", total=how.length, loss="-", reward="-", epsilon="-")

        def heard(what: Occurrence | Step | Point) -> None:
            match what:
                case Step(updates, loss, epsilon):
                    explores = "-" if isnan(epsilon) else f"{epsilon:.2f}"
                    progress.update(task, completed=updates, loss=f"{loss:.4f}", epsilon=explores)
                case Point():
                    progress.update(task, completed=what.updates, reward=f"{what.held.mean_reward:+.3f}")
                case CheckpointWritten():
                    pass
                case _:
                    progress.console.print(str(what), soft_wrap=True)

        yield heard


def _table(trained: "list[Trained]", sides: "list[Course]", task: "Task") -> Any:
    """What each model did in its held-out sessions, and the rules in the same."""
    from rich.table import Table

    from drlactors.inference import RulePolicy
    from drlactors.learner.evaluation import evaluate, figures

    table = Table("held out", "sessions", "accuracy", "false positives", "false negatives", "stopped after", "reward")
    for number, (one, course) in enumerate(zip(trained, sides, strict=True)):
        rules = evaluate(RulePolicy(task.schema).rank, course.held, task)
        for name, found in ((f"model {number}", figures(one.played)), (f"rules {number}", rules)):
            table.add_row(name, *_cells(found))
    return table


def _cells(found: "Evaluation") -> tuple[str, ...]:
    return (
        str(found.sessions),
        f"{found.accuracy:.3f}",
        f"{found.false_positive_rate:.3f}",
        f"{found.false_negative_rate:.3f}",
        f"{found.mean_decision_s:.2f} s",
        f"{found.mean_reward:+.3f}",
    )

"""`drlactors import`: finished reports of other sandboxes become sessions, stored at once or played live."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from drlactors.cli.numbers import Speed, WindowMs
from drlactors.cli.whereabouts import HERE, Whereabouts

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from drlactors.ports.bus import SandboxLink
    from drlactors.sandboxes.importers.finished import Finished, Label, Report
    from drlactors.wiring.importing import Importer


def import_(
    *path: Path,
    labels: Path | None = None,
    verdicts: bool = False,
    window_ms: WindowMs = 1000,
    look: bool = False,
    live: bool = False,
    speed: Speed = 1.0,
    where: Whereabouts = HERE,
) -> int:
    """Import finished reports: what a file is, is told by its content; packed with gzip or not.

    Each run becomes a session and an episode, whose ids follow from the report's bytes: what is stored already is not
    stored again, and an import that was cut off goes on where it stood when it is repeated. All of a report is stored,
    or nothing. Reports that cannot be read are named with the place, and the others are imported.

    Without --live, the rule policy decides on every window, and nothing is done: all but going on is withheld. A run
    has no outcome unless you say where it comes from; one that shows no call of any process failed to run. Sessions
    bear the time of the import; patterns of them also say when the sample ran by its guest's clock, and are found so
    (`drlactors patterns query --ran-since`).

    Examples
    --------
    drlactors import reports/ --labels labels.csv
    drlactors import --look report.json.gz
    drlactors import --live --speed 20 report.json

    Parameters
    ----------
    path
        Reports, or folders of them. A link that is named here is followed; those found in folders are skipped.
    labels
        A CSV table with a column label (malicious, benign or unknown), and file or sha256: the runs' outcomes.
    verdicts
        Take the report's own verdict for the outcome. It was reached when all was over, may be wrong, and only
        malicious is taken: with no benign run to compare with, confidences of patterns come out high.
    window_ms
        The length of a window.
    look
        Only show what would be stored: processes, calls, windows.
    live
        Play them at the running system, which decides; stopped by it, a run ends there.
    speed
        With --live, times as fast as it was.
    """
    from rich.console import Console

    if labels is not None and verdicts:
        raise SystemExit("--labels and --verdicts both say what a run was: give one of them")
    if not path:
        raise SystemExit("name reports, or folders of them")
    if not 100 <= window_ms <= 600_000:
        raise SystemExit(f"--window-ms {window_ms}: 100 to 600,000 are allowed")
    if speed <= 0:
        raise SystemExit("--speed has to be above 0")
    work = _Work(Console(), window_ms, _label(labels, verdicts=verdicts))
    files = list(found(path))
    if look:
        return work.all(files, _Look())
    from drlactors.wiring import SystemClock, reading, sandbox_link
    from drlactors.wiring.importing import Importer

    with reading(*where) as (log, settings):
        importer = Importer(log, settings, SystemClock())
        if not live:
            return work.all(files, _Store(importer))
        with closing(sandbox_link(where.data_dir)) as link:
            return work.all(files, _Play(importer, link, speed))


def found(paths: tuple[Path, ...]) -> Iterator[tuple[Path, bool]]:
    """The files to import, in order, and whether each was named. Those in folders were not, nor the links there."""
    for path in paths:
        if not path.is_dir():
            yield path, True
            continue
        errors: list[OSError] = []
        for folder, folders, names in os.walk(path, onerror=errors.append):
            folders.sort()
            links = [name for name in folders if (Path(folder) / name).is_symlink()]  # to other folders
            yield from ((Path(folder) / name, False) for name in sorted((*names, *links)))
        yield from ((Path(error.filename), True) for error in errors)  # to be named: it holds nobody knows what


def _label(labels: Path | None, *, verdicts: bool) -> "Label":
    from drlactors.sandboxes.importers import finished
    from drlactors.sandboxes.importers.labels import read

    if labels is not None:
        return finished.by_labels(read(labels))
    return finished.by_verdict if verdicts else finished.without


class _Fate(Protocol):
    """What becomes of a report."""

    done: str  # in the past tense

    def there(self, path: Path) -> bool:
        """Whether nothing is left to do about a report. Raises as reading it does."""

    def take(self, report: "Report", runs: "list[Finished]", progress: "Progress") -> "list[str] | None":
        """What is to be said of each run; None where nothing was left to do: another import was quicker, say."""
        ...


class _Look:
    done = "readable"

    def there(self, _: Path) -> bool:
        return False

    def take(self, _report: "Report", runs: "list[Finished]", _progress: "Progress") -> list[str]:
        return [""] * len(runs)


class _Store:
    done = "imported"

    def __init__(self, importer: "Importer") -> None:
        self._importer = importer

    def there(self, path: Path) -> bool:
        from drlactors.sandboxes.importers import finished

        return self._importer.has(finished.digest(path))

    def take(self, report: "Report", runs: "list[Finished]", _progress: "Progress") -> list[str] | None:
        return [""] * len(runs) if self._importer.store(report.sha256, runs) else None


class _Play:
    """What was begun before and is not over is played again: the system passes over what it has."""

    done = "played"

    def __init__(self, importer: "Importer", link: "SandboxLink", speed: float) -> None:
        self._importer = importer
        self._link = link
        self._speed = speed

    def there(self, _: Path) -> bool:
        return False  # that is known of all its runs when it was read

    def take(self, _report: "Report", runs: "list[Finished]", progress: "Progress") -> list[str] | None:
        from drlactors.sandboxes.importers.live import play
        from drlactors.wiring import SystemClock

        over = {run.session for run in runs if self._importer.over(run.session)}
        if len(over) == len(runs):
            return None
        told: list[str] = []
        for run in runs:
            if run.session in over:
                told.append("it was over already")
                continue
            with _shown(progress, f"playing {run.session}", max(1, len(run.windows))) as task:
                watch = partial(progress.update, task, advance=1)
                stopped = play(run, self._link, SystemClock(), speed=self._speed, watch=watch)
            told.append("" if stopped is None else f"the system stopped it: {stopped.name.lower()}")
        return told


class _Work:
    """One report after the other: read, taken, told."""

    def __init__(self, console: "Console", window_ms: int, label: "Label") -> None:
        self._console = console
        self._window_ms = window_ms
        self._label = label
        self._counts: Counter[str] = Counter()

    def all(self, files: list[tuple[Path, bool]], fate: _Fate) -> int:
        from rich.progress import Progress

        from drlactors.codec.inbound import Malformed
        from drlactors.sandboxes.errors import BrokenReport, UnknownReport

        with Progress(console=self._console, transient=True) as progress:
            for number, (path, named) in enumerate(files, start=1):
                try:
                    file = Path(os.path.realpath(path)) if named else path
                    self._one(path, file, fate, progress, f"{number} of {len(files)}")
                except UnknownReport as error:
                    self._tell("broken" if named else "skipped", path, _reason(error))
                except BrokenReport as error:
                    self._tell("broken", path, _reason(error))
                except Malformed as error:
                    self._tell("broken", path, str(error))
        self._console.print(", ".join(f"{number} {what}" for what, number in self._counts.items()) or "nothing there")
        return 1 if self._counts["broken"] else 0

    def _one(self, path: Path, file: Path, fate: _Fate, progress: "Progress", counted: str) -> None:
        """``path``: what it is called; ``file``: where it lies, which no link leads to any more."""
        from drlactors.sandboxes.importers import finished

        if fate.there(file):
            self._tell("there already", path)
            return
        with _shown(progress, f"{counted}: {_plain(path.name)[:40]}", _size(file)) as task:
            watch = partial(_reached, progress, task)
            report = finished.read(file, window_ms=self._window_ms, watch=watch)
        runs = finished.sessions(path, report, self._label)
        notes = fate.take(report, runs, progress)
        if notes is None:
            self._tell("there already", path)
            return
        for built, run, note in zip(report.runs, runs, notes, strict=True):
            part = f" ({built.part})" if built.part else ""
            told = f"{run.sandbox}, {_ran(run)}, {len(run.windows)} windows, {run.outcome or 'no outcome'}"
            self._print(fate.done, f"{path}{part}: session {run.session}: {told}; {finished.described(built)}")
            if note:
                self._print("", f"    {note}")
            for what, number in built.passed:
                self._print("", f"    passed over: {number:,} {what}")
            if isinstance(fate, _Look):
                self._console.print(_processes(built))
        self._counts[fate.done] += 1

    def _tell(self, what: str, path: Path, why: str = "") -> None:
        self._counts[what] += 1
        self._print(what, f"{path}" + (f": {why}" if why else ""))

    def _print(self, what: str, told: str) -> None:
        from rich.text import Text

        style = {"broken": "red", "skipped": "yellow", "there already": "dim"}.get(what, "green")
        self._console.print(Text.assemble((what, style), " " if what else "", _plain(told)), soft_wrap=True)


@contextmanager
def _shown(progress: "Progress", what: str, total: int) -> "Iterator[TaskID]":
    """A line of the progress, for as long as it takes, however that ends."""
    task = progress.add_task(what, total=total)
    try:
        yield task
    finally:
        progress.remove_task(task)


def _ran(run: "Finished") -> str:
    from drlactors.cli.dossier import instant
    from drlactors.domain.pattern import seen_us
    from drlactors.ports.clock import SystemClock

    first_us, _ = seen_us(run.windows, SystemClock().now_us())
    return "when it ran is not known" if first_us is None else f"ran {instant(first_us)}"


def _size(path: Path) -> int:
    """For the progress; of a file that has gone meanwhile, reading it says so."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _reached(progress: "Progress", task: "TaskID", byte: int) -> None:
    progress.update(task, completed=byte)


def _plain(told: str) -> str:
    """Names come from strangers: nothing in them moves a cursor."""
    return "".join(character if character.isprintable() else "?" for character in told)


def _reason(error: Exception) -> str:
    """The place and what is wrong; the file stands before."""
    details = [str(part) for part in error.args[1:]]
    return ": ".join(details) if details else " ".join((type(error).__doc__ or "").split())


def _processes(built: Any) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table("pid", "parent", "process", "calls", "whose")
    for process, calls in built.processes:
        whose = "target" if process.target else "in its tree" if process.in_tree else ""
        if process.injected_by:
            whose = f"{whose} injected by {process.injected_by}".strip()
        table.add_row(str(process.pid), str(process.parent or ""), Text(_plain(process.name)), f"{calls:,}", whose)
    return table

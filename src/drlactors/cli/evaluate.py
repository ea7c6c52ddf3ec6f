"""`drlactors evaluate`: the report an expert expects, of our policy and of what it has to be better than."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from drlactors.learner.corpus import Corpus
    from drlactors.learner.report.detection import Figures
    from drlactors.learner.report.seeds import Found
    from drlactors.learner.stopping import Boundary


def evaluate(
    set_: str = "recordings",
    /,
    *,
    out: Path | None = None,
    data: Path | None = None,
    split: Literal["artifact", "date"] = "artifact",
    seeds: int = 0,
    quick: bool = False,
    config: tuple[Path, ...] = (),
) -> None:
    """Judge our policy and the baselines on recorded sessions: the same splits, sessions and clock for all.

    A fifth of the artifacts is tested on, a fifth chooses thresholds, the rest is learned from, anew for every seed.
    Recorded behaviour does not react to actions: this is off-policy replay, and no figure of it says how a sample
    would have answered. OUT gets report.html (one page that needs nothing else), report.json and the figures as SVG.
    Needs the extra "learner".

    Examples
    --------
    drlactors evaluate --quick
    drlactors evaluate machine-activity --data /data/machine-activity-2017 --out report
    drlactors evaluate android-strace --data /data/android-strace-2018 --split date --out report

    Parameters
    ----------
    set_
        recordings (those of this program), machine-activity or android-strace.
    out
        The folder to write to; the terminal has the three tables that say most.
    data
        Where the set lies; without it, in the folder that DRLACTORS_DATA names.
    split
        date learns from what was recorded first and is tested on what came later.
    seeds
        How many, at least 1; without it 10, quick 2.
    quick
        A small run of some seconds: it shows that all works, and its figures mean little.
    config
        Configuration files, as for up: rules, rewards, what stands for a missing feature.
    """
    from functools import lru_cache

    from rich.console import Console

    from drlactors.cli.corpora import CORPORA, corpus
    from drlactors.cli.files import writable
    from drlactors.learner.report import seeds as report_seeds
    from drlactors.wiring.access import settings_of
    from drlactors.wiring.evaluating import QUICK, WHOLE, study

    console = Console()
    effort = QUICK if quick else WHOLE
    numbers = range(seeds or effort.seeds)
    if seeds < 0:
        raise SystemExit(f"seeds is how many, at least 1 (0: as many as is usual); {seeds} is none")
    if set_ not in CORPORA:
        raise SystemExit(f"there is no set {set_!r}; there are: {', '.join(CORPORA)}")
    # One at a time: a set is large, and is not read twice only because its sessions are counted first.
    draw: Callable[[int], Corpus] = lru_cache(1)(lambda seed: corpus(set_, data, seed=seed))
    samples = draw(0).samples
    if not samples:
        raise SystemExit(f"no sessions of {set_} lie in {data}")
    malicious = sum(sample.malicious for sample in samples)
    judged = study(settings_of(config, None), set_, draw, by_date=split == "date", effort=effort)
    if out is not None:
        writable(out)
    with _bar(console, len(numbers)) as advance:
        found = [advance(one) for one in report_seeds.found(judged, numbers, effort.resamples)]
    words = (
        f"{len(samples)} sessions ({malicious} malicious), split by {split}; {len(numbers)} seeds, "
        f"{judged.rotations if split == 'artifact' else 1} of 5 parts tested on with each; interquartile means, with "
        f"95 % intervals from {effort.resamples} resamples of artifacts and seeds."
    )
    command = f"drlactors evaluate {set_}" + (" --split date" if split == "date" else "")
    command += (f" --seeds {seeds}" if seeds else "") + (" --quick" if quick else "")
    _tell(console, _report(set_ if split == "artifact" else f"{set_} by date", command, words, found), out)


def _report(name: str, command: str, words: str, found: "list[Found]") -> "Figures":
    from drlactors.learner.report.page import LIMITS
    from drlactors.learner.report.seeds import together
    from drlactors.learner.report.verdict import verdicts

    figures = together(found)
    return {
        "name": name,
        "command": command,
        "words": words,
        "limits": LIMITS,
        "verdicts": verdicts(figures),
        "boundaries": [
            {fpr: [_plain(boundary) for boundary in of] for fpr, of in one.boundaries.items()} for one in found
        ],
        "found": figures,
    }


def _plain(boundary: "Boundary") -> dict[str, float | None]:
    """JSON knows no infinity."""
    return {name: round(value, 4) if isfinite(value) else None for name, value in boundary._asdict().items()}


def _tell(console: "Console", report: "Figures", out: Path | None) -> None:
    from rich.table import Column, Table

    from drlactors.files import write_whole
    from drlactors.learner.report.drawing import drawn
    from drlactors.learner.report.page import page
    from drlactors.learner.report.tables import AT, chosen, matched, reached

    console.print(report["words"])
    console.print(report["limits"])
    methods = report["found"]["detection"]["methods"]
    for table in (reached(report), matched(methods, AT), chosen(methods)):
        shown = Table(Column(table.head[0], no_wrap=True), *table.head[1:], title=table.title, caption=table.says)
        for row in table.rows:
            shown.add_row(*row)
        console.print(shown)
    if out is None:
        return
    figures = drawn(report)
    for name, svg in figures.items():
        write_whole(out / name, svg.encode())
    write_whole(out / "report.json", (json.dumps(report, separators=(",", ":")) + "\n").encode())
    write_whole(out / "report.html", page(report, figures).encode())
    console.print(f"{out / 'report.html'}, report.json and {len(figures)} figures", soft_wrap=True)


@contextmanager
def _bar(console: "Console", seeds: int) -> "Iterator[Callable[[Found], Found]]":
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("seeds"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=seeds)

        def advance(found: "Found") -> "Found":
            at = found.figures["detection"]["methods"]["stopping policy"]["0.05"]["chosen"]
            told = f"TPR {at['tpr']:.3f}, FPR {at['fpr']:.3f} after {at['mean_s']:.2f} s"
            progress.update(task, advance=1, description=told)
            return found

        yield advance

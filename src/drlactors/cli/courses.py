"""Where `drlactors train` finds what to learn from: a set of recordings, an archive, or the log."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from drlactors.cli.whereabouts import Whereabouts

if TYPE_CHECKING:
    from drlactors.learner.course import Course
    from drlactors.learner.logged import Streams
    from drlactors.learner.transitions import Task
    from drlactors.ports.decisions import Recorded


class Source(NamedTuple):
    words: str
    date: str  # of the newest session, ISO 8601; empty where no session has one
    method: str  # that suits it
    course: "Callable[[int], Course]"  # by seed, which says what is held out


def of_set(name: str, data: Path | None, task: "Task") -> Source:
    """A set that ``cli.corpora`` knows. Raises CorpusUnfit and SandboxError as that does."""
    from drlactors.cli.corpora import corpus
    from drlactors.learner.course import of_samples
    from drlactors.sandboxes.recording import recordings

    found = corpus(name, data)
    days = [datetime.combine(sample.day, time(), UTC).isoformat() for sample in found.samples if sample.day]
    dates = [one.recorded.at for one in recordings(data)] if name == "recordings" else days
    return Source(
        f"{len(found.samples)} sessions of {name}",
        max(dates, default=""),
        "fitted-q" if name == "recordings" else "stopping",
        lambda seed: of_samples(corpus(name, data, seed=seed).samples, task, seed),
    )


def of_archive(folder: Path, task: "Task") -> Source:
    from drlactors.wiring import archive

    kept = archive(folder=folder)
    kept.check_there()
    if not kept.manifest.parts:
        raise SystemExit(f"the archive in {folder} is empty")
    return _of_decisions(f"the archive in {folder}", kept.recorded(task.schema.id), kept, task)


@contextmanager
def of_log(where: Whereabouts, task: "Task") -> Iterator[Source]:
    """Of the running system, or of servers started for as long as it takes."""
    from drlactors.wiring import past

    with past(*where) as (history, _):
        recorded = history.recorded(task.schema.id)
        yield _of_decisions(f"the log up to position {history.log.head()}", recorded, history.log, task)


def _of_decisions(words: str, recorded: "Recorded", streams: "Streams", task: "Task") -> Source:
    from drlactors.learner.course import of_log as of_decisions

    began_us = recorded.sessions.started_us
    date = datetime.fromtimestamp(int(began_us.max()) / 1_000_000, UTC).isoformat() if len(began_us) else ""
    return Source(words, date, "bcq", lambda seed: of_decisions(recorded, streams, task, seed))

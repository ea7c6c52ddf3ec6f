"""Runs that are over, as sessions: their ids, what they concluded, and what a live sandbox would have said of them.

The ids follow from the report's bytes, unpacked: importing it again, under whatever name, finds what is there.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from uuid import UUID, uuid5

from drlactors.codec import sandbox as wire
from drlactors.domain.ids import EpisodeId, SessionId, episode_of
from drlactors.domain.session import Artifact, EndReason, Outcome
from drlactors.domain.telemetry import Window
from drlactors.ports.bus import Kind
from drlactors.sandboxes.errors import BrokenReport, UnknownReport
from drlactors.sandboxes.importers.building import Built, build
from drlactors.sandboxes.importers.formats import detected, wrapped
from drlactors.sandboxes.importers.report import Format
from drlactors.sandboxes.importers.source import NoFile, Source, Unreadable, opened

_IMPORTED = UUID("b6f0c1c7-2a57-5c0e-8d0c-5f4f2f3f9a11")
#: Windows in one message.
AT_ONCE = 64

#: What is held to be true of a run, and why; nothing where it has no label.
Label = Callable[[Path, Built], tuple[Outcome, str] | None]


class Finished(NamedTuple):
    """One run."""

    session: SessionId
    sandbox: str
    artifact: Artifact
    window_ms: int
    windows: tuple[Window, ...]
    outcome: Outcome | None
    detail: str

    @property
    def episode(self) -> EpisodeId:
        return episode_of(self.session)

    @property
    def reason(self) -> EndReason:
        return EndReason.FAILED if self.outcome is Outcome.FAILED else EndReason.FINISHED

    def said(self) -> Iterator[tuple[Kind, bytes]]:
        """The messages of a live session, in order."""
        yield Kind.EPISODE, wire.start(self.session, self.sandbox, 1, self.artifact, self.window_ms)
        for first in range(0, len(self.windows), AT_ONCE):
            yield Kind.TELEMETRY, wire.windows(self.session, self.sandbox, self.windows[first : first + AT_ONCE])
        if self.outcome is not None:
            yield Kind.EPISODE, wire.report(self.session, self.sandbox, self.outcome, self.detail)
        yield Kind.EPISODE, wire.end(self.session, self.sandbox, self.reason)


class Report(NamedTuple):
    """A file that was read to its end."""

    sha256: str  # of its bytes, unpacked
    format: str
    window_ms: int
    runs: tuple[Built, ...]


def session_of(sha256: str, run: int = 0) -> SessionId:
    """The session of a report's n-th run: where the first one is stored, all are."""
    return SessionId(uuid5(_IMPORTED, f"{sha256}:{run}"))


def digest(path: Path) -> str:
    """The SHA-256 of a report's bytes, unpacked: ten times as fast as reading it. Raises BrokenReport, UnknownReport.

    What is no report is not read to its end: beside reports lie memory dumps.
    """
    with _opened(path) as (source, _):
        source.drain()
        return source.sha256


def read(path: Path, *, window_ms: int, watch: Callable[[int], None] | None = None) -> Report:
    """A report, whole. ``watch`` is told how many bytes of the file were read. Raises BrokenReport, UnknownReport."""
    with _opened(path) as (source, found):
        source.watch = watch
        runs = tuple(build(found.read(source), window_ms=window_ms))
        source.drain()
        return Report(source.sha256, found.name, window_ms, runs)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Source, Format]]:
    try:
        with opened(path) as source:
            if not source.head:
                raise Unreadable("the file itself", "it is empty")
            found = detected(source)
            if found is None:
                raise UnknownReport(path, *filter(None, [wrapped(source)]))
            yield source, found
    except NoFile as error:
        raise UnknownReport(path, error.why) from error
    except Unreadable as error:
        raise BrokenReport(path, error.place, error.why) from error
    except OSError as error:
        raise BrokenReport(path, error.strerror) from error


def sessions(path: Path, report: Report, label: Label) -> list[Finished]:
    """The runs of a report as sessions.

    A run that showed nothing is missing telemetry: the sample failed to run, whatever its label, and is never benign.
    """
    found: list[Finished] = []
    for number, run in enumerate(report.runs):
        labelled = label(path, run)
        if not run.windows:
            labelled = Outcome.FAILED, "the report shows no call of any process"
        outcome, because = labelled or (None, "")
        found.append(
            Finished(
                session_of(report.sha256, number),
                run.about.tool or report.format,
                Artifact(run.about.sha256 or report.sha256, run.about.kind or "file"),
                report.window_ms,
                run.windows,
                outcome,
                f"imported: {because}; {described(run)}",
            )
        )
    return found


def described(run: Built) -> str:
    """Whose doing the calls were, in words."""
    own = [traced.process for traced in run.processes if traced.process.in_tree]
    injected = [traced.process for traced in run.processes if traced.process.injected_by]
    calls = run.calls
    if not own:
        return f"{len(run.processes)} processes, the sample's not known, {len(injected)} injected; {calls:,} calls"
    share = f"{100 * sum(run.outside) / max(1, calls):.0f} % of {calls:,} calls by others"
    return f"{len(run.processes)} processes, {len(own)} the sample's, {len(injected)} injected; {share}"


def by_labels(labels: Mapping[str, Outcome]) -> Label:
    """By the name of the file, or by the artifact's sha256."""

    def label(path: Path, run: Built) -> tuple[Outcome, str] | None:
        outcome = labels.get(path.name) or labels.get(run.about.sha256)
        return None if outcome is None else (outcome, f"labelled {outcome}")

    return label


def by_verdict(_: Path, run: Built) -> tuple[Outcome, str] | None:
    """By the report's own verdict."""
    return None if run.about.verdict is None else (run.about.verdict, run.about.because)


def without(_path: Path, _run: Built) -> None:
    """By nothing."""

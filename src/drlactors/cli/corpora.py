"""The corpora that commands name: which rooms read them, and where they lie."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from drlactors.learner.corpus import Corpus, CorpusUnfit
from drlactors.learner.transitions import Sample
from drlactors.sandboxes.importers import android_strace, machine_activity
from drlactors.sandboxes.importers.run import Run
from drlactors.sandboxes.recording import recordings

#: The folder of the sets that others recorded; a path given with a command comes before it.
VARIABLE = "DRLACTORS_DATA"


def corpus(name: str, path: Path | None = None, *, seed: int = 0) -> Corpus:
    """The corpus of that name, from ``path`` or from where it lies.

    ``seed`` draws what a corpus leaves to chance: the second at which a run of machine activity begins. Raises
    CorpusUnfit for a name that nobody knows and where neither a path nor the variable says where it lies, and
    SandboxError for recordings that are missing or broken.
    """
    if name not in CORPORA:
        raise CorpusUnfit(f"no corpus is called {name!r}: there are {', '.join(CORPORA)}")
    return CORPORA[name](path, seed)


def _recordings(path: Path | None, _: int) -> Corpus:
    return Corpus(
        "recordings",
        tuple(
            Sample(session.windows, session.malicious, session.artifact_sha256, session.stage)
            for session in recordings(path)
            if session.windows
        ),
    )


def _machine_activity(path: Path | None, seed: int) -> Corpus:
    runs = machine_activity.runs(_place(path, "machine-activity-2017"), seed=seed)
    return _of_runs("machine-activity", runs, stages_s=(20, 40))


def _android_strace(path: Path | None, _: int) -> Corpus:
    runs = android_strace.runs(_place(path, "android-strace-2018"))
    return _of_runs("android-strace", runs, stages_s=(10, 30))


def _place(path: Path | None, folder: str) -> Path:
    if path is not None:
        return path
    if not (data := os.environ.get(VARIABLE)):
        raise CorpusUnfit(f"say where {folder} lies: by a path, or by {VARIABLE} for the folder that holds it")
    return Path(data) / folder


def _of_runs(name: str, runs: Iterable[Run], *, stages_s: tuple[int, int]) -> Corpus:
    samples, insufficient = [], []
    for run in runs:
        if run.malicious is None:
            insufficient.append(run.windows)
        else:
            samples.append(Sample(run.windows, run.malicious, run.artifact_sha256, day=run.day))
    return Corpus(name, tuple(samples), tuple(insufficient), stages_s)


CORPORA: dict[str, Callable[[Path | None, int], Corpus]] = {
    "recordings": _recordings,
    "machine-activity": _machine_activity,
    "android-strace": _android_strace,
}

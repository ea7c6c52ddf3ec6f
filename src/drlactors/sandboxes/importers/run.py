"""A run of a set that others recorded, and what both importers need to read one."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from drlactors.domain.telemetry import Window
from drlactors.sandboxes.errors import RecordingsMissing

WINDOW_MS = 1000
#: Nothing later is shown: in the one set jobs of the guest follow, whose phase tells the class.
HORIZON_S = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What was seen in the first seconds of one run of one artifact.

    Nothing of where, when and in which order it was recorded is in the windows: they begin at second 0 of a clock of
    their own. ``day`` is for splits by date, and never for a feature.
    """

    artifact_sha256: str  # of the file; of the run itself where the set does not name the file
    artifact_type: str
    malicious: bool | None  # None: too little was seen to say so, which is a case for a person and never benign
    day: date | None
    windows: tuple[Window, ...]


def inside(path: Path, name: str) -> Path:
    """The file itself, or the one of that name in the folder. Raises RecordingsMissing."""
    file = path / name if path.is_dir() else path
    if not file.is_file():
        raise RecordingsMissing(file)
    return file

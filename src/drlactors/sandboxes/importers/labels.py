"""What others hold for true of artifacts: a table of labels, in CSV."""

import csv
from pathlib import Path

from drlactors.domain.session import Outcome
from drlactors.sandboxes.errors import BrokenRecording

#: Columns that name the artifact by its sha256, and the one that names the report.
_BY_SHA256 = ("sha256", "target_sha256", "artifact_sha256", "artifact_hash")
_BY_FILE = "file"
_WORDS = {
    "malicious": Outcome.MALICIOUS, "1": Outcome.MALICIOUS,
    "benign": Outcome.BENIGN, "0": Outcome.BENIGN,
    "unknown": None, "": None,
}  # fmt: skip


def read(file: Path) -> dict[str, Outcome]:
    """By sha256 and by the report's file name, without folders. Rows whose label is unknown are left out.

    The table has a column ``label`` (malicious, benign, unknown; 1, 0), and ``file`` or one for the sha256. Raises
    BrokenRecording with the line.
    """
    found: dict[str, Outcome] = {}
    with file.open(encoding="utf-8", newline="") as text:
        rows = csv.DictReader(text)
        try:
            for row in rows:
                outcome = _WORDS[row["label"].strip().lower()]
                names = [row[column].strip().lower() for column in _BY_SHA256 if row.get(column)]
                names += [Path(row[_BY_FILE].strip()).name] if row.get(_BY_FILE) else []
                if not names:
                    raise ValueError("neither a file nor a sha256")
                if outcome is not None:
                    found |= dict.fromkeys(names, outcome)
        except (KeyError, AttributeError, ValueError, csv.Error) as error:
            raise BrokenRecording(file, f"line {rows.line_num}", repr(error)) from error
    return found

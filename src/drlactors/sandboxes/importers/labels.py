"""What others hold for true of artifacts: a table of labels, in CSV."""

import csv
from pathlib import Path

from drlactors.domain.session import Outcome
from drlactors.sandboxes.errors import BrokenLabels

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
    BrokenLabels with the line, also where a name was labelled otherwise before: CAPE calls all reports report.json.
    """
    found: dict[str, Outcome | None] = {}
    with file.open(encoding="utf-8-sig", newline="") as text:  # spreadsheets write a mark of the encoding
        rows = csv.DictReader(text)
        try:
            for row in rows:
                outcome = _outcome(row)
                artifacts = [row[column].strip().lower() for column in _BY_SHA256 if row.get(column)]
                files = [Path(row[_BY_FILE].strip()).name] if row.get(_BY_FILE) else []
                if not artifacts and not files:
                    raise ValueError("neither a file nor a sha256")
                for name in (*files, *(artifacts if outcome else ())):  # of an artifact another run may tell more
                    if found.setdefault(name, outcome) is not outcome:
                        raise ValueError(f"{name} has another label before")
        except (ValueError, csv.Error) as error:
            raise BrokenLabels(file, f"line {rows.line_num}", str(error)) from error
    return {name: outcome for name, outcome in found.items() if outcome is not None}


def _outcome(row: dict[str, str | None]) -> Outcome | None:
    if "label" not in row:
        raise ValueError("there is no column label")
    word = row["label"]
    if word is None:
        raise ValueError("the line is cut off before the label")
    if word.strip().lower() not in _WORDS:
        raise ValueError(f"the label {word[:40]!r} is none of malicious, benign and unknown")
    return _WORDS[word.strip().lower()]

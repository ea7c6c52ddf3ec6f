"""Reads machine activity (Rhode, Burnap, Jones 2018): ten counters of a Windows machine, once a second.

What of it has a place in telemetry:

- ``cpu_usage``: user and system together. The set has them as a share of the machine.
- ``memory_usage``: what the machine uses more than in the first second shown; 0 when it uses less.
- ``bytes_sent``, ``bytes_received``: what the interface's counters grew by.
- ``child_processes``: by how many there are more processes than a second ago. One that came while another went is not
  seen: this is the least that was created.

Packets, swap and the highest process id have no field and are left out. All else was not measured and stays missing.

What would give the class away instead of the behaviour, measured, is kept out:

- Counters count from the first second shown: their values before that tell 72 % of the classes.
- A window is one second long whatever the clock said. The true step (1.00 to 1.03 s) depends on the recording
  machine's load and alone tells the classes with an AUC of .97.
- Every run begins at a second of its own, drawn from 0 to 10, because jobs of the guest come at a phase that depends
  on the class; and it ends ``HORIZON_S`` later, so that all are of one length. A run too short for that, wherever it
  begins, is insufficient: its length would show.
- Order and labels are in no name: a run's id is a digest of its counters.
"""

import math
from collections.abc import Iterator
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from drlactors.domain.telemetry import Telemetry, Window
from drlactors.sandboxes.errors import BrokenRecording, RecordingsMissing
from drlactors.sandboxes.importers.run import HORIZON_S, WINDOW_MS, Run, inside

FILE = "runs.txt"
LATEST_START_S = 10
#: Rows of which every choice of a start shows the same number.
_ENOUGH = LATEST_START_S + HORIZON_S + 1


class _Row(NamedTuple):
    number: float  # within the run: 1, 2, 3, ...
    seconds: float  # since the run's start
    malicious: float
    processes: float
    highest_pid: float
    cpu_user: float  # share of the machine
    cpu_system: float
    memory_bytes: float
    swap_bytes: float
    received_packets: float
    sent_packets: float
    received_bytes: float
    sent_bytes: float


def runs(path: Path, *, seed: int = 0) -> Iterator[Run]:
    """The runs of the file (or of ``runs.txt`` in the folder), one by one; ``seed`` draws where each begins.

    Raises BrokenRecording with file and line, and RecordingsMissing where there is none.
    """
    file = inside(path, FILE)
    first: list[_Row] = []
    last: _Row | None = None
    digest = sha256()
    for where, row in _rows(file):
        if last is not None and row.number == 1:
            yield _run(first, digest.hexdigest(), seed)
            first, last, digest = [], None, sha256()
        if fault := _fault(row, last):
            raise BrokenRecording(file, f"line {where}", fault)
        digest.update(repr(row._replace(malicious=0)).encode())
        if len(first) < _ENOUGH:
            first.append(row)
        last = row
    if last is None:
        raise RecordingsMissing(file)
    yield _run(first, digest.hexdigest(), seed)


def _rows(file: Path) -> Iterator[tuple[int, _Row]]:
    with file.open("rb") as lines:
        for where, line in enumerate(lines, start=1):
            fields = line.replace(b",", b" ").split()
            if len(fields) != len(_Row._fields):
                raise BrokenRecording(file, f"line {where}", f"{len(fields)} numbers instead of {len(_Row._fields)}")
            try:
                row = _Row(*map(float, fields))
            except ValueError as error:
                raise BrokenRecording(file, f"line {where}", str(error)) from error
            yield where, row


def _fault(row: _Row, last: _Row | None) -> str:
    """What is wrong with this row after the one before it in the same run; nothing when all is well."""
    if not all(map(math.isfinite, row)):
        return "not all numbers are finite"
    if min(row) < 0:
        return "a number is negative"
    if row.malicious not in (0, 1):
        return f"the label is {row.malicious:g}, neither 0 nor 1"
    if last is None:
        return "" if row.number == 1 else f"a run begins with row {row.number:g} instead of 1"
    if row.number != last.number + 1:
        return f"row {row.number:g} follows row {last.number:g}"
    if row.seconds <= last.seconds:
        return f"second {row.seconds:g} follows second {last.seconds:g}"
    return "" if row.malicious == last.malicious else "the label changes within a run"


def _run(rows: list[_Row], digest: str, seed: int) -> Run:
    start = int(sha256(f"{seed}:{digest}".encode()).hexdigest(), 16) % (LATEST_START_S + 1)
    shown = rows[start : start + HORIZON_S + 1]
    windows = tuple(
        Window(
            seq=seq,
            window_ms=WINDOW_MS,
            observed_us=(seq + 1) * WINDOW_MS * 1000,
            telemetry=Telemetry(
                bytes_sent=_growth(before.sent_bytes, after.sent_bytes),
                bytes_received=_growth(before.received_bytes, after.received_bytes),
                child_processes=max(0, int(after.processes - before.processes)),
                cpu_usage=after.cpu_user + after.cpu_system,
                memory_usage=max(0.0, after.memory_bytes - shown[0].memory_bytes),
            ),
        )
        for seq, (before, after) in enumerate(pairwise(shown))
    )
    return Run(
        artifact_sha256=digest,
        artifact_type="exe",
        malicious=bool(rows[0].malicious) if len(rows) == _ENOUGH else None,
        day=None,
        windows=windows,
    )


def _growth(before: float, after: float) -> int | None:
    """None where a counter fell back: it was reset, and what it counted is not known."""
    return int(after - before) if after >= before else None

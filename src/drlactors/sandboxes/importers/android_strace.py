"""Reads system calls of Android apps, counted by the second (AppAnalysis-BGSU/DynamicAnalysis, 2018).

How a second becomes telemetry; a key that is left out of the file is a count of 0:

- ``syscall_count`` is ``n``; ``syscall_types`` the names in ``h``, most frequent first.
- ``file_read_count``, ``file_write_count``, ``file_delete_count`` are ``file_read``, ``file_write``, ``file_delete``.
- ``accessed_paths`` are ``paths``, with whole numbers in them (descriptors, processes, users) written ``N``.
- ``network_connections``, ``contacted_ips``, ``bytes_sent``, ``bytes_received`` are ``net_connect``, ``ips``,
  ``net_tx_bytes``, ``net_rx_bytes``; what apps say to each other on the machine (``ipc_*``) is no network.
- ``child_processes`` is ``process_create``.
- ``memory_usage`` stands for the bytes mapped less those unmapped so far; 0 when that is negative.
- ``privilege_escalation_attempt``: something looked for root (``root_probe``). ``code_injection_detected``: memory was
  mapped writable and executable at once (``wx_map``). Mapping a file to execute it (``exec_map``) is not taken for it:
  that is how every library is loaded, in more than half of the runs of either class.

CPU and the registry were not seen and stay missing. Latencies are left out: they show the recording machine.

Only active seconds are in the file. One that is not, before the last that is, was silent: a window with counts of 0.
A run ends with its last active second, or after ``HORIZON_S``. Runs of fewer than 500 calls are failed detonations.
Clock, order, folder and user ids are not read. The label, one antivirus engine or more, is noisy.
"""

import csv
import gzip
import re
import zlib
from collections.abc import Iterator, Mapping
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import msgspec

from drlactors.domain.telemetry import MAX_CHARACTERS, MAX_ENTRIES, Telemetry, Window
from drlactors.sandboxes.errors import BrokenRecording, RecordingsMissing
from drlactors.sandboxes.importers.run import HORIZON_S, WINDOW_MS, Run

FILES = "windows_*.jsonl.gz"
DAYS = "labels.csv"
#: Calls in a whole run; with fewer the app did not start.
LEAST_CALLS = 500

Count = Annotated[int, msgspec.Meta(ge=0)]
_NUMBER = re.compile(r"(?<=/)\d+(?=/|$)")


class _Second(msgspec.Struct, frozen=True):
    t: Count
    n: Count
    h: dict[str, Count]
    file_read: Count = 0
    file_write: Count = 0
    file_delete: Count = 0
    paths: tuple[tuple[str, str], ...] = ()  # the call, and what it named
    net_connect: Count = 0
    net_tx_bytes: Count = 0
    net_rx_bytes: Count = 0
    ips: tuple[str, ...] = ()
    process_create: Count = 0
    mmap_bytes: Count = 0
    munmap_bytes: Count = 0
    root_probe: Count = 0
    wx_map: Count = 0


class _Line(msgspec.Struct, frozen=True):
    artifact_hash: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    label: Annotated[int, msgspec.Meta(ge=0, le=1)]
    artifact_type: str
    windows: tuple[_Second, ...]


_DECODER = msgspec.json.Decoder(_Line)


def runs(path: Path) -> Iterator[Run]:
    """The runs of the file (or of all ``windows_*.jsonl.gz`` in the folder), one by one.

    Their days are taken from ``labels.csv`` beside them, where there is one. Raises BrokenRecording with file and
    line, and RecordingsMissing where there is none.
    """
    files = sorted(path.glob(FILES)) if path.is_dir() else [path]
    if not files or not all(file.is_file() for file in files):
        raise RecordingsMissing(path)
    days = _days(files[0].parent / DAYS)
    for file in files:
        empty = True
        for number, text in _lines(file):
            empty = False
            try:
                line = _DECODER.decode(text)
            except ValueError as error:  # not UTF-8, not JSON, or not such an object
                raise BrokenRecording(file, f"line {number}", str(error)) from error
            if any(later.t <= earlier.t for earlier, later in pairwise(line.windows)):
                raise BrokenRecording(file, f"line {number}", "the seconds are not in order")
            yield _run(line, days)
        if empty:
            raise RecordingsMissing(file)


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    number = 0
    try:
        with gzip.open(file, "rb") as lines:
            for number, text in enumerate(lines, start=1):
                yield number, text
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BrokenRecording(file, f"line {number + 1}", str(error)) from error


def _days(file: Path) -> dict[str, date]:
    """The day of each run, by artifact; runs without one are left out."""
    if not file.is_file():
        return {}
    found: dict[str, date] = {}
    with file.open(encoding="utf-8", newline="") as text:
        rows = csv.DictReader(text)
        try:
            for row in rows:
                if row["run_date_utc"]:
                    found[row["artifact_hash"]] = date.fromisoformat(row["run_date_utc"])
        except (KeyError, TypeError, ValueError, csv.Error) as error:
            raise BrokenRecording(file, f"line {rows.line_num}", repr(error)) from error
    return found


def _run(line: _Line, days: Mapping[str, date]) -> Run:
    calls = sum(second.n for second in line.windows)
    return Run(
        artifact_sha256=line.artifact_hash,
        artifact_type=line.artifact_type,
        malicious=bool(line.label) if calls >= LEAST_CALLS else None,
        day=days.get(line.artifact_hash),
        windows=tuple(_windows(line.windows)),
    )


def _windows(seconds: tuple[_Second, ...]) -> Iterator[Window]:
    active = {second.t: second for second in seconds if second.t < HORIZON_S}
    mapped_bytes = 0
    for t in range(max(active, default=-1) + 1):
        second = active.get(t) or _Second(t=t, n=0, h={})
        mapped_bytes += second.mmap_bytes - second.munmap_bytes
        yield Window(
            seq=t,
            window_ms=WINDOW_MS,
            observed_us=(t + 1) * WINDOW_MS * 1000,
            telemetry=_telemetry(second, max(0, mapped_bytes)),
        )


def _telemetry(second: _Second, memory_bytes: int) -> Telemetry:
    types = sorted(second.h, key=lambda name: (-second.h[name], name))
    return Telemetry(
        syscall_count=second.n,
        syscall_types=tuple(types[:MAX_ENTRIES]),
        file_read_count=second.file_read,
        file_write_count=second.file_write,
        file_delete_count=second.file_delete,
        accessed_paths=tuple(dict.fromkeys(_NUMBER.sub("N", path[:MAX_CHARACTERS]) for _, path in second.paths)),
        network_connections=second.net_connect,
        bytes_sent=second.net_tx_bytes,
        bytes_received=second.net_rx_bytes,
        contacted_ips=tuple(dict.fromkeys(_without_port(address) for address in second.ips)),
        child_processes=second.process_create,
        memory_usage=float(memory_bytes),
        privilege_escalation_attempt=second.root_probe > 0,
        code_injection_detected=second.wx_map > 0,
    )


def _without_port(address: str) -> str:
    """``192.0.2.1:80`` and ``[2001:db8::1]:80``; an address without a port stays as it is."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.partition(":")[0] if address.count(":") == 1 else address

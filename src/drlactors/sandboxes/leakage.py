"""How well a single feature of a recorded session tells its class: the collection is good when none does."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drlactors.sandboxes.recording import Recording, recordings

Vector = NDArray[np.float64]
NUMBERS = (
    "syscall_count", "file_read_count", "file_write_count", "file_delete_count", "network_connections", "bytes_sent",
    "bytes_received", "child_processes", "cpu_usage", "memory_usage",
)  # fmt: skip
BOOLEANS = ("privilege_escalation_attempt", "code_injection_detected")
LISTS = ("syscall_types", "accessed_paths", "contacted_ips")
_AGGREGATES: Mapping[str, Callable[[Vector], float]] = {
    "mean": lambda values: float(values.mean()),
    "max": lambda values: float(values.max()),
    "sum": lambda values: float(values.sum()),
    "first": lambda values: float(values[0]),
    "last": lambda values: float(values[-1]),
    "spread": lambda values: float(values.std()),
}
FOLDS = 5
#: A name that fewer sessions have than this cannot carry a class.
RARE_SESSIONS = 5


class Score(NamedTuple):
    """What one feature reaches."""

    feature: str
    balanced_accuracy: float  # of the best rule with two thresholds, on sessions of artifacts it was not fitted on


def scores(sessions: Sequence[Recording]) -> list[Score]:
    """Every feature's score, the most telling first.

    For each feature a band (one or two thresholds, either side malicious) is fitted on four fifths of the artifacts
    and judged on the other fifth; both sessions of an artifact are always on the same side.
    """
    malicious = np.array([session.malicious for session in sessions])
    fold = np.array([int(sha256(session.name.encode()).hexdigest(), 16) % FOLDS for session in sessions])
    found = [Score(name, _judge(values, malicious, fold)) for name, values in features(sessions)]
    return sorted(found, key=lambda score: (-score.balanced_accuracy, score.feature))


def features(sessions: Sequence[Recording]) -> Iterator[tuple[str, Vector]]:
    """Name and one value a session: aggregates, booleans, run length, every system call and part of a path."""
    for field in NUMBERS:
        series = [_series(session, field) for session in sessions]
        for name, aggregate in _AGGREGATES.items():
            yield f"{field} {name}", np.array([aggregate(values) for values in series])
    for field in BOOLEANS:
        series = [_series(session, field) for session in sessions]
        yield f"{field} ever", np.array([values.max() for values in series])
        yield f"{field} windows", np.array([values.sum() for values in series])
    for field in LISTS:
        lengths = [np.array([len(getattr(w.telemetry, field)) for w in session.windows], float) for session in sessions]
        yield f"{field} mean length", np.array([values.mean() for values in lengths])
        yield f"{field} max length", np.array([values.max() for values in lengths])
    yield "windows", np.array([len(session.windows) for session in sessions], float)
    yield "duration", np.array([sum(w.window_ms for w in session.windows) for session in sessions], float)
    yield "idle windows", np.array([(_series(session, "syscall_count") == 0).mean() for session in sessions])
    yield "ended", np.array([session.recorded.ended == "horizon" for session in sessions], float)
    yield "artifact type", np.array([session.artifact_type.startswith("shell") for session in sessions], float)
    yield from _names("system call", [_calls(session) for session in sessions])
    yield from _names("path part", [_path_parts(session) for session in sessions])


def table(found: Sequence[Score], most: int = 25) -> str:
    """The most telling features as a Markdown table."""
    rows = (f"| {score.feature} | {score.balanced_accuracy:.3f} |" for score in found[:most])
    return "\n".join(("| feature | balanced accuracy |", "| --- | --- |", *rows))


def _series(session: Recording, field: str) -> Vector:
    return np.array([float(getattr(window.telemetry, field) or 0) for window in session.windows])


def _calls(session: Recording) -> Counter[str]:
    return Counter(name for window in session.windows for name in window.telemetry.syscall_types)


def _path_parts(session: Recording) -> Counter[str]:
    parts = Counter[str]()
    for window in session.windows:
        seen = set[str]()
        for path in window.telemetry.accessed_paths:
            seen.update(path.split("/")[1:])
            seen.add("." + path.rpartition(".")[2] if "." in path else "")
        parts.update(seen - {""})
    return parts


def _names(kind: str, counted: Sequence[Counter[str]]) -> Iterator[tuple[str, Vector]]:
    """In how many windows of a session a name occurs."""
    sessions = Counter(name for counter in counted for name in counter)
    for name in sorted(name for name, among in sessions.items() if among >= RARE_SESSIONS):
        yield f"{kind} {name}", np.array([counter[name] for counter in counted], float)


def _judge(values: Vector, malicious: NDArray[np.bool_], fold: NDArray[np.int_]) -> float:
    said = np.zeros(len(values), bool)
    for number in range(FOLDS):
        held_out = fold == number
        low, high, inside = _fit(values[~held_out], malicious[~held_out])
        said[held_out] = ((values[held_out] >= low) & (values[held_out] < high)) == inside
    return float((said[malicious].mean() + (~said[~malicious]).mean()) / 2)


def _fit(values: Vector, malicious: NDArray[np.bool_]) -> tuple[float, float, bool]:
    """The band [low, high) whose inside or outside tells the malicious best."""
    levels, level_of = np.unique(values, return_inverse=True)
    weight = np.where(malicious, 1 / max(malicious.sum(), 1), -1 / max((~malicious).sum(), 1))
    gains = np.bincount(level_of, weight, len(levels))
    best, low, high, inside = -1.0, -np.inf, np.inf, True
    for sign in (1.0, -1.0):
        start, total, begin = 0, 0.0, 0
        for index, gain in enumerate(sign * gains):
            if total <= 0:
                total, begin = 0.0, index
            total += gain
            if total > best:
                best, start, end, inside = total, begin, index, sign > 0
                low = -np.inf if start == 0 else float((levels[start - 1] + levels[start]) / 2)
                high = np.inf if end + 1 == len(levels) else float((levels[end] + levels[end + 1]) / 2)
    return low, high, inside


if __name__ == "__main__":
    collection = list(recordings(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
    print(f"{len(collection)} sessions, {sum(session.malicious for session in collection)} malicious\n")
    print(table(scores(collection)))

"""An observer for tests: it keeps what it was told, and says nothing."""

from collections import Counter
from collections.abc import Sequence
from typing import Any


class RecordingObserver:
    """Keeps totals by name, and each note and error with its fields."""

    def __init__(self) -> None:
        self.totals: Counter[str] = Counter()
        self.notes: list[tuple[str, dict[str, Any]]] = []
        self.durations_s: dict[str, list[float]] = {"decided": [], "appended": [], "patterns": [], "patterns asked": []}
        self.errors: list[tuple[str, Exception, dict[str, Any]]] = []

    def windows(self, recorded: int) -> None:
        self.totals["windows"] += recorded

    def decided(self, counts: Sequence[int], policy: str, seconds: float) -> None:
        self.durations_s["decided"].append(seconds)
        self.totals["decided"] += sum(counts)
        self.totals[f"decided by {policy}"] += sum(counts)

    def appended(self, rows: int, events: int, seconds: float) -> None:
        self.durations_s["appended"].append(seconds)
        self.totals["rows"] += rows
        self.totals["events"] += events

    def conflict(self) -> None:
        self.totals["conflict"] += 1

    def lost(self, cause: str, windows: int) -> None:
        self.totals[f"lost by {cause}"] += windows

    def defaulted(self, field: str, times: int) -> None:
        self.totals[f"defaulted {field}"] += times

    def redelivered(self, windows: int) -> None:
        self.totals["redelivered"] += windows

    def refused(self, reason: str) -> None:
        self.totals[f"refused: {reason}"] += 1

    def dead_letter(self, reason: str) -> None:
        self.totals[f"dead letter: {reason}"] += 1

    def retried(self) -> None:
        self.totals["retried"] += 1

    def failed(self) -> None:
        self.totals["failed"] += 1

    def feedback(self, success: bool) -> None:
        self.totals[f"feedback {success}"] += 1

    def restarted(self, actor: str) -> None:
        self.totals[f"restarted {actor}"] += 1

    def sessions(self, awake: int, open: int) -> None:  # noqa: A002  # as the port says
        self.totals["awake"], self.totals["open"] = awake, open

    def policy(self, policy: str, result: str) -> None:
        self.totals[f"policy {result}: {policy}"] += 1

    def gateway(self, streams: int, waiting: int) -> None:
        self.totals["streams"], self.totals["waiting"] = streams, waiting

    def overflowed(self, windows: int) -> None:
        self.totals["overflowed"] += windows

    def patterns(self, stored: int, seconds: float, waiting: int) -> None:
        self.durations_s["patterns"].append(seconds)
        self.totals["patterns"] += stored
        self.patterns_waiting(waiting)

    def patterns_waiting(self, waiting: int) -> None:
        self.totals["patterns waiting"] = waiting

    def patterns_asked(self, seconds: float) -> None:
        self.durations_s["patterns asked"].append(seconds)

    def patterns_failed(self) -> None:
        self.totals["patterns failed"] += 1

    def note(self, event: str, **fields: Any) -> None:
        self.notes.append((event, fields))

    def error(self, event: str, error: Exception, **fields: Any) -> None:
        self.errors.append((event, error, fields))

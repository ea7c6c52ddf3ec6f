"""All behaviour logs of one run, read together."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from drlactors.sandboxes.cape.log import Began, Called, Mark, ProcessLog

#: Read from one log before the next one has its turn.
TURN_BYTES = 1 << 18
#: The guest may send logs of processes that are none: with more than this, the others are not read.
MOST_LOGS = 1024


class Logs:
    """Reads what is new in ``logs/*.bson``. Not for threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._logs: dict[int, ProcessLog] = {}
        self._too_many = False
        self._told_broken = 0

    def resume(self, marks: Mapping[int, Mark]) -> Iterator[Began | Called]:
        """Go on where the logs were left; what stands there up to then. What is broken was told."""
        self._look()
        for pid, mark in marks.items():
            if pid in self._logs:
                yield from self._logs[pid].resume(mark)
        self._told_broken = len(self.broken())

    def read(self, most_bytes: int) -> Iterator[Began | Called]:
        """What is new: about so many bytes at most, of each log in turn. The rest waits for the next time."""
        self._look()
        waiting = list(self._logs.values())
        while waiting and most_bytes > 0:
            for log in tuple(waiting):
                before = log.offset
                try:
                    yield from log.read(min(TURN_BYTES, most_bytes))
                except FileNotFoundError:  # CAPE has put the folder away
                    waiting.remove(log)
                    continue
                if log.offset <= before:
                    waiting.remove(log)
                most_bytes -= max(0, log.offset - before)

    @property
    def marks(self) -> dict[int, Mark]:
        """Up to where each log was read."""
        return {pid: log.mark for pid, log in self._logs.items()}

    @property
    def passed_over(self) -> int:
        """Records that made no sense."""
        return sum(log.passed_over for log in self._logs.values())

    @property
    def restarts(self) -> int:
        """How often a log was opened anew: a second of it at most may have gone unread."""
        return sum(log.restarts for log in self._logs.values())

    def broken(self) -> list[str]:
        """What cannot be read, and why."""
        found = [f"process {pid}: {log.broken}" for pid, log in self._logs.items() if log.broken]
        return [*found, f"more than {MOST_LOGS:,} logs"] if self._too_many else found

    def newly_broken(self) -> bool:
        """Whether there is more of it than when this was asked last."""
        before, self._told_broken = self._told_broken, len(self.broken())
        return self._told_broken > before

    def _look(self) -> None:
        for path in self._folder.glob("*.bson"):
            if not (path.stem.isascii() and path.stem.isdecimal()) or int(path.stem) in self._logs:
                continue
            if len(self._logs) >= MOST_LOGS:
                self._too_many = True
                return
            self._logs[int(path.stem)] = ProcessLog(path)

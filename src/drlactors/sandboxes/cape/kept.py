"""What the follower of one run would need to go on with it after a kill, one line of JSON at a time.

A line is written before what it says is done, so that a window is never cut in two ways: whoever goes on sends the
windows again that stand here, and reads each log from where the last one ended. It is not forced to the disk: a kill
loses nothing, a power cut may lose the last lines, and then the session takes the windows that it has for those.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drlactors.domain.action import Action
from drlactors.domain.telemetry import Telemetry, Window
from drlactors.sandboxes.cape.log import Mark
from drlactors.sandboxes.errors import BadNote


class Kept:
    """Reads what is there, and goes on behind it."""

    def __init__(self, path: Path) -> None:
        """Raises BadNote where a whole line is damaged, and OSError."""
        self.windows: list[Window] = []
        self.marks: dict[int, Mark] = {}  # of the logs, by process
        self.convicted: Action | None = None  # what the policy would have done about it that ends it
        self.rerun = False  # was asked for, whatever became of that
        whole_bytes = self._read(path)
        self._file = path.open("ab", buffering=0)
        self._file.truncate(whole_bytes)

    def cut(self, window: Window, marks: Mapping[int, Mark]) -> None:
        seen = {name: value for name, value in window.telemetry._asdict().items() if value not in (None, ())}
        self.windows.append(window)
        self.marks = dict(marks)
        self._write({"window": [window.seq, window.window_ms, window.observed_us, seen], "marks": self.marks})

    def convict(self, action: Action) -> None:
        """Once the run is concluded this changes nothing any more."""
        if not self._file.closed:
            self.convicted = action
            self._write({"convicted": action.value})

    def ask_for_rerun(self) -> None:
        self.rerun = True
        self._write({"rerun": True})

    def close(self) -> None:
        self._file.close()

    def _write(self, entry: Mapping[str, object]) -> None:
        self._file.write(json.dumps(entry).encode() + b"\n")

    def _read(self, path: Path) -> int:
        """How many bytes are whole lines. What comes behind was cut off by a kill: nothing of it was done."""
        if not path.exists():
            return 0
        whole_bytes = 0
        with path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                try:
                    self._take(json.loads(line))
                except (AttributeError, KeyError, TypeError, ValueError) as error:
                    raise BadNote(path, repr(error)) from error
                whole_bytes += len(line)
        return whole_bytes

    def _take(self, entry: dict[str, Any]) -> None:
        if "window" in entry:
            seq, window_ms, observed_us, seen = entry["window"]
            told: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in seen.items()}
            self.windows.append(Window(seq, window_ms, observed_us, Telemetry(**told)))
            self.marks = {int(pid): Mark(*mark) for pid, mark in entry["marks"].items()}
        self.rerun = entry.get("rerun", self.rerun)
        if "convicted" in entry:
            self.convicted = Action(entry["convicted"])

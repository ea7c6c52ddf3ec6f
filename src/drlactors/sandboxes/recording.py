"""Recorded sessions, as they lie in the collection: one JSON object a line, compressed with gzip."""

import gzip
import importlib.resources
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from drlactors.domain.telemetry import MAX_COUNT, Telemetry, Window
from drlactors.sandboxes.errors import BrokenRecording

_LISTS = ("syscall_types", "accessed_paths", "contacted_ips")
_KINDS: dict[str, tuple[type, ...]] = {
    **{name: (int,) for name, kind in Telemetry.__annotations__.items() if kind == int | None},
    **{name: (int, float) for name, kind in Telemetry.__annotations__.items() if kind == float | None},
    **{name: (bool,) for name, kind in Telemetry.__annotations__.items() if kind == bool | None},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """How a session was recorded, and how it ended."""

    at: str  # ISO 8601, UTC
    seed: int  # of the scratch folder and of the program's dice
    ended: str  # exited, killed, terminated (by an action), horizon (still running when its time was over)
    status: int | None
    lines: int  # of strace's log
    rubbish: int  # of them unreadable


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One session of one artifact in one stage, window by window."""

    name: str  # of the artifact: its family and variant
    program: str  # what it runs, in words
    family: str
    variant: str
    malicious: bool
    stage: int  # 1 or 2
    artifact_sha256: str
    artifact_type: str
    window_ms: int
    recorded: Recorded
    windows: tuple[Window, ...]


def recordings(path: Path | None = None) -> Iterator[Recording]:
    """The sessions of a collection (a file, or a folder of ``*.jsonl.gz``; None: the one that is shipped), one by one.

    Unknown keys are passed over. Raises BrokenRecording with file and line.
    """
    if path is not None:
        yield from _folder(path)
        return
    with importlib.resources.as_file(importlib.resources.files("drlactors.sandboxes") / "recordings") as shipped:
        yield from _folder(shipped)


def write(path: Path, sessions: Iterable[Recording]) -> int:
    """Writes a collection as one file; how many sessions it holds. The same sessions give the same bytes."""
    count = 0
    with path.open("wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed:
        for session in sessions:
            packed.write(line(session).encode() + b"\n")
            count += 1
    return count


def line(session: Recording) -> str:
    """A session as one line of JSON; what a window did not see is left out."""
    plain = {field.name: getattr(session, field.name) for field in fields(Recording)}
    plain["recorded"] = asdict(session.recorded)
    plain["windows"] = [_window_out(window) for window in session.windows]
    return json.dumps(plain, separators=(",", ":"), ensure_ascii=False)


def parse(text: str) -> Recording:
    """The session of one line. Raises KeyError, TypeError or ValueError where it is none."""
    plain = json.loads(text)
    if plain["stage"] not in (1, 2):
        raise ValueError(f"stage {plain['stage']}")
    if not isinstance(plain["malicious"], bool):
        raise TypeError(f"malicious {plain['malicious']}")
    own = {field.name: plain[field.name] for field in fields(Recording) if field.name not in ("recorded", "windows")}
    recorded = Recorded(**{field.name: plain["recorded"][field.name] for field in fields(Recorded)})
    windows = tuple(_window_in(seq, window) for seq, window in enumerate(plain["windows"]))
    return Recording(**own, recorded=recorded, windows=windows)


def _folder(path: Path) -> Iterator[Recording]:
    for file in sorted(path.glob("*.jsonl.gz")) if path.is_dir() else [path]:
        number = 1
        try:
            with gzip.open(file, "rt", encoding="utf-8") as lines:
                for text in lines:
                    yield parse(text)
                    number += 1
        except (KeyError, TypeError, ValueError, AttributeError, EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise BrokenRecording(file, f"line {number}", repr(error)) from error


def _window_out(window: Window) -> dict[str, Any]:
    seen = {key: value for key, value in window.telemetry._asdict().items() if value is not None and value != ()}
    return {"window_ms": window.window_ms, "observed_us": window.observed_us, **seen}


def _window_in(seq: int, plain: dict[str, Any]) -> Window:
    """What serving would not take is not learned from either."""
    for name in ("window_ms", "observed_us"):
        if type(plain[name]) is not int or plain[name] < 1:
            raise ValueError(f"{name} {plain[name]}")
    seen: dict[str, Any] = {}
    for key, value in plain.items():
        if key in _LISTS:
            seen[key] = tuple(value)
            if isinstance(value, str) or not all(isinstance(each, str) for each in value):
                raise TypeError(f"{key} {value}")
        elif key in _KINDS:
            seen[key] = value
            # NaN is not between any two.
            if value is not None and (type(value) not in _KINDS[key] or not 0 <= value <= MAX_COUNT):
                raise ValueError(f"{key} {value}")
    return Window(seq=seq, window_ms=plain["window_ms"], observed_us=plain["observed_us"], telemetry=Telemetry(**seen))

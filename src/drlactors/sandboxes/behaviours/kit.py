"""What every recorded program starts with: its scratch folder, its pace and its dice."""

import hashlib
import http.client
import json
import os
import shutil
import socket
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

#: No program runs longer or writes more, whatever its parameters say.
MAX_SECONDS = 20.0
MAX_WRITTEN_BYTES = 64 << 20
MAX_ROUNDS = 5_000
LOOPBACK = "127.0.0.1"


class OutsideScratch(SystemExit):
    """This program runs only in a scratch folder below the temporary folder that is its home and its current folder."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


@dataclass
class Task:
    """What a program may use, and how fast it goes."""

    home: Path
    port: int  # of the service on loopback
    seconds: float
    pause_s: float
    dice: Random
    options: dict[str, Any]
    written_bytes: int = 0
    began_s: float = field(default_factory=time.monotonic)

    def rounds(self) -> Iterator[int]:
        """Counts up, with pauses between, until the time is over."""
        for number in range(min(int(self.options.get("rounds", MAX_ROUNDS)), MAX_ROUNDS)):
            if self.left_s() <= 0:
                return
            yield number
            self.rest()

    def rest(self) -> None:
        """One pause, a little shorter or longer each time."""
        if self.pause_s > 0:
            time.sleep(max(0.0, min(self.pause_s * self.dice.uniform(0.7, 1.3), self.left_s())))

    def left_s(self) -> float:
        """Seconds until the program has to end."""
        return self.began_s + self.seconds - time.monotonic()

    def files(self, *endings: str) -> list[Path]:
        """The documents of the scratch home, in an order of their own; never the program itself or hidden files."""
        every = (path for path in self.home.rglob("*") if path.is_file())
        found = sorted(path for path in every if self._is_document(path) and (not endings or path.suffix in endings))
        self.dice.shuffle(found)
        return found

    def _is_document(self, path: Path) -> bool:
        inside = path.relative_to(self.home).parts
        return inside[0] != "app" and not any(part.startswith(".") for part in inside)

    def write(self, path: Path, content: bytes) -> None:
        """Writes inside the scratch folder, and not without end."""
        if not path.resolve().is_relative_to(self.home):
            raise OutsideScratch
        self.written_bytes += len(content)
        if self.written_bytes > MAX_WRITTEN_BYTES:
            raise SystemExit("wrote enough")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def connect(self) -> socket.socket:
        """A connection to the service; it sends back as many bytes as the line it is sent asks for."""
        return socket.create_connection((LOOPBACK, self.port), timeout=2)

    def ask(self, path: str, body: bytes | None = None) -> bytes:
        """One HTTP request to the service: what it answers."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=2)
        connection.request("GET" if body is None else "POST", path, body)
        answer = connection.getresponse().read()
        connection.close()
        return answer


def begin() -> Task:
    """Checks where it is, waits or works first if the parameters say so, and hands out the task."""
    home = scratch()
    options: dict[str, Any] = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
    task = Task(
        home=home,
        port=int(os.environ.get("PORT", "0")),
        seconds=min(float(options.get("seconds", 5.0)), MAX_SECONDS),
        pause_s=float(options.get("pause_s", 0.05)),
        dice=Random(int(os.environ.get("SEED", "0"))),
        options=options,
    )
    _PRELUDES[str(options.get("first", "nothing"))](task, float(options.get("delay_s", 0.0)))
    return task


def scratch() -> Path:
    """The scratch folder. Raises OutsideScratch unless it is home, current folder and below the temporary folder."""
    named = os.environ.get("SCRATCH")
    if not named:
        raise OutsideScratch
    home, temporary = Path(named).resolve(), Path(tempfile.gettempdir()).resolve()
    if home == temporary or not home.is_relative_to(temporary) or Path.cwd() != home:
        raise OutsideScratch
    if Path(os.environ.get("HOME", "/")).resolve() != home:
        raise OutsideScratch
    return home


def _nothing(_task: Task, _delay_s: float) -> None:
    """Starts at once."""


def _sleep(task: Task, delay_s: float) -> None:
    time.sleep(min(delay_s, task.seconds))


def _busy(_task: Task, delay_s: float) -> None:
    until_s, digest = time.monotonic() + delay_s, b""
    while time.monotonic() < until_s:
        digest = hashlib.sha256(digest).digest()


def _naps(_task: Task, delay_s: float) -> None:
    until_s = time.monotonic() + delay_s
    while time.monotonic() < until_s:
        Path("/proc/uptime").read_text()
        time.sleep(0.05)


def _tidy(task: Task, delay_s: float) -> None:
    """Ordinary work: reads documents, packs them, keeps copies."""
    until_s = time.monotonic() + delay_s
    for path in task.files():
        if time.monotonic() > until_s:
            return
        content = path.read_bytes()
        task.write(task.home / "packed" / f"{path.name}.z", zlib.compress(content))
        shutil.copy(path, task.home / "packed" / path.name)
        time.sleep(0.02)


_PRELUDES = {"nothing": _nothing, "sleep": _sleep, "busy": _busy, "naps": _naps, "tidy": _tidy}

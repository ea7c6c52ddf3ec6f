"""A real system in a process of its own, sandboxes beside it, and the audit of what the log holds afterwards."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from drlactors.config.share import share
from drlactors.domain.action import Action
from drlactors.domain.ids import SessionId
from drlactors.domain.session import ActionSelected, Artifact, EndReason, Outcome, TelemetryLost, TelemetryRecorded
from drlactors.domain.telemetry import Window
from drlactors.ports.bus import SandboxLink
from drlactors.ports.log import Category, Stream
from drlactors.sandboxes.recording import Recording, recordings
from drlactors.sandboxes.sdk import Done, Instruction, Sandbox, Session
from drlactors.store.log import PostgresEventLog
from drlactors.testing.servers import EmbeddedNats, EmbeddedPostgres

UP_S = 180.0


def wait_for(condition: Callable[[], object], timeout_s: float, what: str) -> None:
    """Look until it is so; there is no other way to see into another process."""
    until_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > until_s:
            raise AssertionError(f"after {timeout_s:.0f} s still not: {what}")
        threading.Event().wait(0.02)


class SystemProcess:
    """``drlactors up`` on given servers, killed as often as one likes."""

    def __init__(self, folder: Path, nats_url: str, dsn: str, **settings: Any) -> None:
        self.folder = folder
        self.log_path = folder / "up.log"
        folder.mkdir(parents=True, exist_ok=True)
        config: dict[str, dict[str, Any]] = {
            "server": {"data_dir": str(folder)},
            "nats": {"url": nats_url},
            "postgres": {"url": dsn},
            "metrics": {"port": 0},
            "logging": {"level": "warning"},
        }
        for key, value in settings.items():
            section, _, name = key.partition("__")
            config.setdefault(section, {})[name] = value
        self.config = folder / "config.json"
        self.config.write_text(json.dumps(config))
        self._process: subprocess.Popen[bytes] | None = None

    def configure(self, section: str, **values: Any) -> None:
        """Change the file as an editor does, so that nobody reads half of it."""
        told = json.loads(self.config.read_text())
        told.setdefault(section, {}).update(values)
        beside = self.config.with_suffix(".new")
        beside.write_text(json.dumps(told))
        beside.replace(self.config)

    def start(self, *, crash_at: str = "", after: int = 0, wait: bool = True) -> Self:
        """Start; with ``crash_at`` it kills itself at that point, the ``after``-th time that it comes there."""
        (self.folder / "run.json").unlink(missing_ok=True)
        program = [sys.executable, "-m", "drlactors", "up", "--config", str(self.config)]
        if crash_at:
            crashing = Path(__file__).with_name("crashing.py")
            program = [sys.executable, str(crashing), crash_at, str(after), str(self.config)]
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(program, stdout=log, stderr=log)
        if wait:
            wait_for(lambda: self.up() or not self.alive(), UP_S, "the system is up")
            if not self.alive():
                raise AssertionError(f"the system did not start: {self.log_path.read_text()[-2000:]}")
        return self

    def up(self) -> bool:
        return (self.folder / "run.json").exists()

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def wait_dead(self, timeout_s: float) -> int:
        assert self._process is not None
        return self._process.wait(timeout_s)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """End it as an operator would; its exit status."""
        if not self.alive():
            return 0
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(180)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.alive():
            self.kill()


class Crowd:
    """Sandboxes that play windows and count what they are told to do."""

    def __init__(self, host: Sandbox, sessions: int, windows: int) -> None:
        self.windows = windows
        self.carried: Counter[tuple[SessionId, Action]] = Counter()
        self._templates = _templates(sessions, windows)
        self.sessions: list[Session] = [self._open(host) for _ in range(sessions)]

    def _open(self, host: Sandbox) -> Session:
        session = SessionId(uuid4())

        def carry_out(instruction: Instruction) -> Done:
            self.carried[session, instruction.action] += 1
            return Done()

        return host.start(Artifact("ab" * 32, "elf"), carry_out, session=session)

    def play(self, first: int, last: int) -> None:
        """Send windows ``first`` to ``last`` - 1 of every session, one message each."""
        for seq in range(first, last):
            for session, template in zip(self.sessions, self._templates, strict=True):
                session.send([template[seq]])

    def unanswered(self) -> int:
        return sum(session.unanswered() for session in self.sessions)

    def finish(self, timeout_s: float = 180.0) -> int:
        """End all sessions once they are answered; how many windows never were."""
        until_s = time.monotonic() + timeout_s
        for session in self.sessions:
            session.wait_answered(max(0.1, until_s - time.monotonic()))
        for session in self.sessions:
            session.report(Outcome.BENIGN)
            session.end(EndReason.FINISHED)
        return self.unanswered()


def _templates(sessions: int, windows: int) -> list[list[Window]]:
    """Real windows, malicious ones among them, so that actions other than going on are selected."""
    some = sorted((one for one in recordings() if len(one.windows) >= 8), key=lambda one: not one.malicious)
    return [[_window(some[number % len(some)], seq) for seq in range(windows)] for number in range(sessions)]


def _window(recording: Recording, seq: int) -> Window:
    return recording.windows[seq % len(recording.windows)]._replace(seq=seq)


def audit(dsn: str, crowd: Crowd) -> list[str]:
    """Everything that is not as it should be: each window recorded once and answered once, each action done once."""
    faults: list[str] = []
    log = PostgresEventLog(dsn, schema_dir=share("eventstore"))
    for session in crowd.sessions:
        recorded: Counter[int] = Counter()
        selected: Counter[int] = Counter()
        expected: Counter[Action] = Counter()
        version = 0
        for entry in log.stream(Stream(Category.SESSION, session.id)):
            if entry.first_version != version + 1:
                faults.append(f"{session.id}: version {entry.first_version} follows {version}")
            version = entry.version
            for event in entry.events:
                match event:
                    case TelemetryRecorded(window):
                        recorded[window.seq] += 1
                    case ActionSelected(seq=seq, action=action):
                        selected[seq] += 1
                        if action.carried_out:
                            expected[action] += 1
                    case TelemetryLost():
                        faults.append(f"{session.id}: {event}")
        wanted = Counter(range(crowd.windows))
        if recorded != wanted or selected != wanted:
            faults.append(
                f"{session.id}: recorded {dict(recorded - wanted)} too many, {dict(wanted - recorded)} missing"
            )
        done = Counter(
            {action: crowd.carried[session.id, action] for action in Action if crowd.carried[session.id, action]}
        )
        if done != expected:
            faults.append(f"{session.id}: carried out {dict(done)}, selected {dict(expected)}")
    log.close()
    return faults


def readiness(url: str) -> str:
    """What a system says of itself at ``/readyz``."""
    try:
        with urllib.request.urlopen(f"{url}/readyz") as answer:
            return str(answer.read().decode().strip())
    except urllib.error.HTTPError as error:
        return error.read().decode().strip()


def servers(folder: Path) -> Iterator[tuple[EmbeddedNats, EmbeddedPostgres]]:
    with EmbeddedNats(folder / "nats") as nats, EmbeddedPostgres(folder / "postgres") as postgres:
        yield nats, postgres


def sandbox_on(link: SandboxLink) -> Iterator[Sandbox]:
    """A crowd's program, which sends again early; the link is closed with it."""
    with contextlib.closing(link), Sandbox(link, "crowd", resend_s=1.0) as sandbox:
        yield sandbox


def cpu_s(pid: int) -> float:
    """The time that a process and those that it started have used, as far as they are still there."""
    found: dict[int, tuple[int, int]] = {}  # by process: its parent, and ticks
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            fields = file.read_text().rpartition(")")[2].split()
            found[int(file.parent.name)] = int(fields[1]), int(fields[11]) + int(fields[12])
    wanted = {pid}
    for _ in found:
        more = {one for one, (parent, _) in found.items() if parent in wanted} - wanted
        if not more:
            break
        wanted |= more
    return sum(found[one][1] for one in wanted if one in found) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """The memory of a process, in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6

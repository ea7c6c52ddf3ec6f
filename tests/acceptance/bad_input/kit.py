"""Messages of each kind, what the log has of a session, and what the system has counted."""

import json
import re
import urllib.request
from uuid import UUID

from drlactors.codec import sandbox as wire
from drlactors.codec.sandbox import Instruction
from drlactors.domain.action import Action
from drlactors.domain.ids import SessionId
from drlactors.domain.session import Event, TelemetryRecorded
from drlactors.domain.telemetry import Telemetry, Window
from drlactors.ports.bus import Kind
from drlactors.ports.log import Category, Stream
from drlactors.store.log import PostgresEventLog
from tests.acceptance.harness import SystemProcess
from tests.acceptance.raw import ARTIFACT, SANDBOX


def of_each_kind(session: SessionId) -> dict[Kind, bytes]:
    seen = [Window(0, 250, 1, Telemetry(syscall_count=3))]
    return {
        Kind.TELEMETRY: wire.windows(session, SANDBOX, seen),
        Kind.FEEDBACK: feedback(session, 0),
        Kind.EPISODE: wire.start(session, SANDBOX, 1, ARTIFACT, 250),
    }


def feedback(session: SessionId, seq: int, *, success: bool = True) -> bytes:
    action = Instruction(f"{session}:3", seq, Action.ISOLATE, True, 1, "", (), ())
    return wire.feedback(session, SANDBOX, action, success=success, outcome="done", message="")


def events(log: PostgresEventLog, session: UUID) -> list[Event]:
    return [event for entry in log.stream(Stream(Category.SESSION, session)) for event in entry.of_session]


def recorded(log: PostgresEventLog, session: UUID) -> list[int]:
    return [event.window.seq for event in events(log, session) if isinstance(event, TelemetryRecorded)]


def counted(system: SystemProcess, name: str) -> int:
    """The sum of a metric over its labels."""
    return int(sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", metrics(system), re.MULTILINE)))


def gauge(system: SystemProcess, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", metrics(system), re.MULTILINE)
    assert found, name
    return float(found[1])


def metrics(system: SystemProcess) -> str:
    url = json.loads((system.folder / "run.json").read_text())["metrics_url"]
    with urllib.request.urlopen(f"{url}/metrics", timeout=30) as answer:
        text: str = answer.read().decode()
        return text

"""From what a sandbox says to a message for the bus: as much is looked at as is needed to know where it belongs."""

from typing import Any, NamedTuple

from drlactors.domain.ids import SessionId, named
from drlactors.gateway.errors import forbidden, invalid
from drlactors.gateway.intake import Seqs
from drlactors.ports.bus import Kind
from drlactors.wire.v1 import episode_pb2, feedback_pb2, telemetry_pb2

Told = telemetry_pb2.Windows | feedback_pb2.Feedback | episode_pb2.Episode


class Message(NamedTuple):
    """What is published, and what is known of it."""

    kind: Kind
    session: SessionId
    sandbox: str
    data: bytes
    seqs: Seqs | None  # where it has windows


def read(told: Told, most_bytes: int) -> Message:
    """Raises Declined."""
    seqs: Seqs | None = None
    about: Any = told  # has session_id and sandbox_id
    match told:
        case telemetry_pb2.Windows():
            kind = Kind.TELEMETRY
            if not told.windows:
                raise invalid("windows", "none")
            numbers = [window.seq for window in told.windows]
            seqs = Seqs(min(numbers), max(numbers), len(numbers))
        case feedback_pb2.Feedback():
            kind = Kind.FEEDBACK
        case _:
            kind, name = Kind.EPISODE, told.WhichOneof("event")
            if name is None:
                raise invalid("event", "none")
            about = getattr(told, name)
    data = told.SerializeToString()
    if len(data) > most_bytes:
        raise invalid(kind, f"{len(data)} bytes; {most_bytes} are allowed")
    return Message(kind, session(about.session_id), about.sandbox_id, data, seqs)


def check_sandbox(caller: str, sandbox: str) -> None:
    """Raises Declined when a message speaks for another sandbox than its caller."""
    if not sandbox:
        raise invalid("sandbox_id", "missing")
    if caller and sandbox != caller:
        raise forbidden(f"this is {caller}: it does not speak for {sandbox}", "FOREIGN_SANDBOX", sandbox_id=sandbox)


def session(text: str) -> SessionId:
    """A UUID in its one canonical spelling. Raises Declined."""
    found = named(text)
    if found is None:
        raise invalid("session_id", "a UUID in small letters is wanted")
    return found

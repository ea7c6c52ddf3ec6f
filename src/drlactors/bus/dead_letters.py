"""Dead letters as they lie in their stream."""

import base64
from typing import Any, NamedTuple

from drlactors.bus.api import NO_MESSAGE_FOUND, STREAM_NOT_FOUND, ApiRefused, ask
from drlactors.bus.client import DirectClient, header
from drlactors.bus.connection import Connection
from drlactors.bus.credentials import Credentials
from drlactors.bus.notices import Notices
from drlactors.bus.publisher import Message
from drlactors.bus.subjects import ROOT, Subjects
from drlactors.ports.bus import DeadLetter

SUBJECT = "Drl-Subject"
SEQUENCE = "Drl-Sequence"
REASON = "Drl-Reason"
#: A reason is a sentence; what quotes a message in it must not grow past what a header may take.
REASON_LENGTH = 1024
CONNECT_TIMEOUT_S = 5.0


class Buried(NamedTuple):
    """A dead letter and when it was buried."""

    at: str  # RFC 3339, UTC, as the server writes it
    letter: DeadLetter


def write(subjects: Subjects, letter: DeadLetter, identity: str) -> Message:
    """The same message buried twice, after a crash, is one dead letter."""
    kind, _ = subjects.read(letter.subject.encode())
    return Message(
        subjects.dead(kind),
        letter.data,
        f"{identity}.{letter.sequence}",
        lane=letter.sequence,
        headers={SUBJECT: letter.subject, SEQUENCE: str(letter.sequence), REASON: letter.reason[:REASON_LENGTH]},
    )


async def newest(client: DirectClient, subjects: Subjects, limit: int) -> list[Buried]:
    """At most ``limit``, oldest first. Raises ApiRefused, also where there is no stream."""
    stream = subjects.dead_stream()
    state = (await ask(client, f"STREAM.INFO.{stream}"))["state"]
    found: list[Buried] = []
    sequence = state["last_seq"]
    while len(found) < limit and sequence >= max(1, state["first_seq"]):
        try:
            found.append(_read((await ask(client, f"STREAM.MSG.GET.{stream}", {"seq": sequence}))["message"]))
        except ApiRefused as refused:
            if refused.code != NO_MESSAGE_FOUND:  # expired while we looked
                raise
        sequence -= 1
    return found[::-1]


def look(url: str, credentials: Credentials, limit: int) -> list[Buried]:
    """The newest, seen from outside a running system: declares no stream, consumes nothing.

    None where no system has run yet. Raises BusUnreachable.
    """
    connection = Connection(url, "drlactors-reader", credentials, Notices())

    async def read() -> list[Buried]:
        try:
            return await newest(await connection.client(), Subjects(ROOT), limit)
        except ApiRefused as refused:
            if refused.code == STREAM_NOT_FOUND:
                return []
            raise

    connection.open([], CONNECT_TIMEOUT_S)
    try:
        return connection.ask(read())
    finally:
        connection.close()


def _read(message: dict[str, Any]) -> Buried:
    headers = base64.b64decode(message.get("hdrs", ""))
    letter = DeadLetter(
        header(headers, SUBJECT.encode()) or message["subject"],
        int(header(headers, SEQUENCE.encode()) or "0"),
        header(headers, REASON.encode()),
        base64.b64decode(message.get("data", "")),
    )
    return Buried(message["time"], letter)

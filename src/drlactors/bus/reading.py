"""A look at the dead letters from outside a running system: declares no stream, consumes nothing."""

import base64
from typing import Any, NamedTuple

from drlactors.bus import dead_letters
from drlactors.bus.api import NO_MESSAGE_FOUND, STREAM_NOT_FOUND, ApiRefused, ask
from drlactors.bus.connection import Connection
from drlactors.bus.credentials import Credentials
from drlactors.bus.notices import Notices
from drlactors.bus.subjects import ROOT, Subjects
from drlactors.ports.bus import DeadLetter

CONNECT_TIMEOUT_S = 5.0


class Buried(NamedTuple):
    """A dead letter and when it was buried."""

    at: str  # RFC 3339, UTC, as the server writes it
    letter: DeadLetter


def newest_dead_letters(url: str, credentials: Credentials, limit: int, root: str = ROOT) -> list[Buried]:
    """At most ``limit``, oldest first; none where no system has run yet. Raises BusUnreachable."""
    connection = Connection(url, "drlactors-reader", credentials, Notices())
    stream = Subjects(root).dead_stream()

    async def look() -> list[Buried]:
        client = await connection.client()
        try:
            state = (await ask(client, f"STREAM.INFO.{stream}"))["state"]
        except ApiRefused as refused:
            if refused.code == STREAM_NOT_FOUND:
                return []
            raise
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

    connection.open([], CONNECT_TIMEOUT_S)
    try:
        return connection.ask(look())
    finally:
        connection.close()


def _read(message: dict[str, Any]) -> Buried:
    lines = base64.b64decode(message.get("hdrs", "")).decode("ascii", "replace").split("\r\n")
    headers = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    letter = DeadLetter(
        headers.get(dead_letters.SUBJECT, message["subject"]),
        int(headers.get(dead_letters.SEQUENCE) or "0"),
        headers.get(dead_letters.REASON, ""),
        base64.b64decode(message.get("data", "")),
    )
    return Buried(message["time"], letter)

"""Dead letters as they lie in their stream."""

import base64
from typing import Any

from nats.aio.client import Client

from drlactors.bus.api import NO_MESSAGE_FOUND, ApiRefused, ask
from drlactors.bus.publisher import Message
from drlactors.bus.subjects import Subjects
from drlactors.ports.bus import DeadLetter

SUBJECT = "Drl-Subject"
SEQUENCE = "Drl-Sequence"
REASON = "Drl-Reason"
#: A reason is a sentence; what quotes a message in it must not grow past what a header may take.
REASON_LENGTH = 1024


def write(subjects: Subjects, letter: DeadLetter, identity: str) -> Message:
    """The same message buried twice, after a crash, is one dead letter."""
    reason = letter.reason[:REASON_LENGTH].encode("ascii", "backslashreplace").decode()
    message = Message(
        subjects.dead(subjects.kind(letter.subject)),
        letter.data,
        f"{identity}.{letter.sequence}",
        lane=letter.sequence,
    )
    # A subject holds neither blanks nor line ends; a reason may quote what a sandbox wrote (nats-py folds line ends).
    message.headers |= {SUBJECT: letter.subject, SEQUENCE: str(letter.sequence), REASON: reason}
    return message


async def newest(client: Client, subjects: Subjects, limit: int) -> list[DeadLetter]:
    stream = subjects.dead_stream()
    state = (await ask(client, f"STREAM.INFO.{stream}"))["state"]
    found: list[DeadLetter] = []
    for sequence in range(state["last_seq"], max(0, state["first_seq"] - 1), -1):
        if len(found) >= limit:
            break
        try:
            found.append(_read((await ask(client, f"STREAM.MSG.GET.{stream}", {"seq": sequence}))["message"]))
        except ApiRefused as refused:
            if refused.code != NO_MESSAGE_FOUND:  # expired while we looked
                raise
    return found[::-1]


def _read(message: dict[str, Any]) -> DeadLetter:
    lines = base64.b64decode(message.get("hdrs", "")).decode("ascii", "replace").split("\r\n")
    headers = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return DeadLetter(
        headers.get(SUBJECT, message["subject"]),
        int(headers.get(SEQUENCE, "0")),
        headers.get(REASON, ""),
        base64.b64decode(message.get("data", "")),
    )

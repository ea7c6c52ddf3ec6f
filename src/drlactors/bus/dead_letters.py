"""Dead letters as they lie in their stream."""

import base64
from typing import Any

from drlactors.bus.api import NO_MESSAGE_FOUND, ApiRefused, ask
from drlactors.bus.client import DirectClient, header
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
    kind, _ = subjects.read(letter.subject.encode())
    return Message(
        subjects.dead(kind),
        letter.data,
        f"{identity}.{letter.sequence}",
        lane=letter.sequence,
        headers={SUBJECT: letter.subject, SEQUENCE: str(letter.sequence), REASON: letter.reason[:REASON_LENGTH]},
    )


async def newest(client: DirectClient, subjects: Subjects, limit: int) -> list[DeadLetter]:
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
    headers = base64.b64decode(message.get("hdrs", ""))
    return DeadLetter(
        header(headers, SUBJECT.encode()),
        int(header(headers, SEQUENCE.encode()) or "0"),
        header(headers, REASON.encode()),
        base64.b64decode(message.get("data", "")),
    )

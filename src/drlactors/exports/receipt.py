"""A receipt: all events of a session, chained and signed, for whoever has to believe what was decided and why.

A text file, a JSON object a line: a first line that names the session, its events, and a closing line. Each ends with a
``link``: the SHA-256, in hexadecimal, of the link of the line before followed by this line's text up to ``,"link"``.
The first line follows ``BEGINS``. The closing line has a signature behind its link: Ed25519 over ``PURPOSE`` and that
link. So nothing can be changed, left out, added or moved that ``examination.examine`` does not see, and what stands in
the file is what was signed, byte for byte: no other program has to write JSON as this one does.

What an event's line has beside the event: ``kind`` as it is stored, ``stored`` (the SHA-256 of its stored bytes, by
which it can be compared with a log), when it was decided, and what caused it. Masks are named; all else is as stored.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

from drlactors.domain.ids import SessionId
from drlactors.domain.session import ActionSelected, ActionWithheld
from drlactors.exports.plain import actions, compact, instant, plain
from drlactors.ports.log import Kept
from drlactors.signing import PrivateKey, public_key

FORMAT = 1
BEGINS = "drlactors receipt 1"
PURPOSE = b"drlactors receipt, signature 1\n"


def receipt(session: SessionId, instance: str, events: Iterable[Kept], private: PrivateKey) -> Iterator[str]:
    """The lines, each with its line break; the same ones for the same events and key."""
    link, line = _linked(BEGINS, {"receipt": FORMAT, "session": str(session), "instance": instance})
    yield line + "}\n"
    count = 0
    for kept in events:
        link, line = _linked(link, described(session, kept))
        count += 1
        yield line + "}\n"
    link, line = _linked(link, {"closes": str(session), "events": count, "key": public_key(private)})
    yield f'{line},"signature":"{private.sign(message(link)).hex()}"}}\n'


def described(session: SessionId, kept: Kept) -> dict[str, Any]:
    """What a line says of an event."""
    return {
        "version": kept.version,
        "kind": kept.kind,
        "at": instant(kept.at_us),
        "event": _readable(kept),
        "session": str(session),
        "position": kept.position,
        "at_us": kept.at_us,
        "causation": kept.causation,
        "traceparent": kept.traceparent,
        "stored": hashlib.sha256(kept.fields).hexdigest(),
    }


def linked(before: str, body: bytes) -> str:
    """The link of a line, from that of the line before and its own text up to ``,"link"``."""
    return hashlib.sha256(before.encode() + body).hexdigest()


def message(link: str) -> bytes:
    """What is signed of a receipt with this last link."""
    return PURPOSE + link.encode()


def _linked(before: str, body: dict[str, Any]) -> tuple[str, str]:
    """The line's link, and its text up to the end of it."""
    text = compact(body)[:-1]
    link = linked(before, text.encode())
    return link, f'{text},"link":"{link}"'


def _readable(kept: Kept) -> Any:
    shown = plain(kept.event)
    match kept.event:
        case ActionSelected(mask=mask):
            shown["mask"] = actions(mask)
        case ActionWithheld(left=left):
            shown["left"] = actions(left)
    return shown

"""Sessions with everything in them, and receipts of them."""

from io import BytesIO

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from drlactors.domain.action import Action
from drlactors.domain.guard import Reason
from drlactors.domain.ids import OrderId, SessionId
from drlactors.domain.order import ActionOrdered, OrderAnswered, Undone
from drlactors.domain.session import (
    ActionFailed,
    ActionWithheld,
    Ended,
    EndReason,
    FeedbackReceived,
    LossCause,
    Outcome,
    OutcomeReported,
    TelemetryLost,
)
from drlactors.exports.examination import Examined, examine
from drlactors.exports.receipt import receipt
from drlactors.ports.log import Append, Event, Stream
from drlactors.signing import public_key
from drlactors.store.memory import MemoryEventLog
from drlactors.testing.given import started
from tests.contract.store.given import AT_US, TRACEPARENT, recorded, selected, session

OURS, THEIRS = (Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2))
TRUSTED = frozenset({public_key(OURS)})
#: One row each; what a session may hold.
ROWS: tuple[tuple[Event, ...], ...] = (
    (started(),),
    (recorded(0), selected(0), recorded(1), selected(1, Action.ISOLATE)),
    (FeedbackReceived(1, True, "isolated", "network closed"),),
    (TelemetryLost(2, 3, LossCause.GAP), recorded(4)),
    (ActionWithheld(4, Action.TERMINATE, Reason.PER_HOUR, 0b00011), selected(4, Action.REVIEW)),
    (ActionFailed(4, 3, "no answer"),),
    (ActionOrdered(OrderId(session().id), 4, Action.CONTINUE, Undone(4, Action.REVIEW), True, "person:ann", "fine"),),
    (OrderAnswered(OrderId(session().id), True, "resumed", 'a "quoted" \u2028 {"link":"x"}'),),
    (OutcomeReported(Outcome.MALICIOUS, "encrypted 40 files"),),
    (Ended(EndReason.TERMINATED),),
)


def logged(*streams: Stream, rows: tuple[tuple[Event, ...], ...] = ROWS) -> MemoryEventLog:
    """A log that has these rows for each of the sessions."""
    log = MemoryEventLog()
    after = 0
    for events in rows:
        log.append([Append(stream, after, events, AT_US, "message-1", TRACEPARENT) for stream in streams])
        after += len(events)
    return log


def written(stream: Stream, log: MemoryEventLog, key: Ed25519PrivateKey = OURS) -> list[bytes]:
    """The lines of a receipt."""
    return [line.encode() for line in receipt(SessionId(stream.id), "local", log.kept(stream), key)]


def examined(lines: list[bytes], trusted: frozenset[str] = TRUSTED) -> Examined:
    """What is found in a file of these bytes."""
    return examine(BytesIO(b"".join(lines)), trusted)

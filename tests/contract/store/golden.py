"""One row for each version of each event, as it was stored once: it has to be readable for ever.

``python -m tests.contract.store.golden`` writes the missing ones; it never touches one that is there.
"""

import json
from enum import Enum
from typing import Any
from uuid import UUID

from drlactors.domain import episode, guard, instance, model, order, registry, review, session
from drlactors.domain.action import Action
from drlactors.domain.ids import EpisodeId, OrderId, SessionId
from drlactors.domain.permission import Rules
from drlactors.domain.session import Artifact, EndReason, LossCause, Outcome
from drlactors.ports.log import Append, Event, Stream
from drlactors.store.catalogue import CATALOGUE, Kind
from drlactors.store.mapper import Mapper
from drlactors.store.shape import shape
from tests.contract.store.given import AT_US, SCHEMA_DIR, TRACEPARENT, recorded, selected

GOLDEN_DIR = SCHEMA_DIR / "golden"
STREAM_ID = UUID("11111111-2222-4333-8444-555555555555")
OTHER_ID = UUID("66666666-7777-4888-9999-aaaaaaaaaaaa")
ARTIFACT = Artifact(sha256="0123456789abcdef" * 4, kind="elf")
SAMPLES: tuple[Event, ...] = (
    session.Started("linux-1", 1, EpisodeId(OTHER_ID), ARTIFACT, 1_000, Rules(3, 1, 2, 4, 8, 0.25)),
    recorded(7),
    session.TelemetryLost(8, 40, LossCause.OVERFLOW),
    selected(7, Action.REVIEW),
    session.FeedbackReceived(7, True, "isolated", "network closed"),
    session.ActionFailed(7, 3, "no answer within 4 s"),
    session.OutcomeReported(Outcome.MALICIOUS, "encrypted 40 files"),
    session.Ended(EndReason.TERMINATED),
    session.SessionLost(30_000),
    order.ActionOrdered(
        OrderId(OTHER_ID), 9, Action.CONTINUE, order.Undone(7, Action.REVIEW), True, "person:ann", "an installer"
    ),
    session.ActionWithheld(9, Action.TERMINATE, guard.Reason.PER_HOUR, 0b11011),
    order.OrderAnswered(OrderId(OTHER_ID), True, "resumed", ""),
    order.OrderFailed(OrderId(OTHER_ID), 4, "no answer within 5 s"),
    episode.StageEntered(2, SessionId(OTHER_ID), ARTIFACT),
    episode.StageConcluded(2, SessionId(OTHER_ID), None),
    episode.StageMissed(2),
    episode.StageRefused(2, SessionId(OTHER_ID), episode.Refusal.OTHER_ARTIFACT),
    episode.EpisodeCompleted(episode.Verdict.FALSE_NEGATIVE),
    episode.VerdictCorrected(episode.Verdict.BENIGN, "analyst-2", "an installer, signed by its vendor"),
    instance.ConfigurationReloaded(("inference.late_ms", "rules.reviews"), ""),
    instance.PolicyActivated("sha256:" + "ab" * 32, "the configured model changed"),
    instance.PolicyRefused("models/first.onnx", "its checksum is another"),
    model.Trained("ab" * 32, 7, "2026-11-24T00:00:00+00:00", "features-1", 210, "the log up to 90000", "a2V5"),
    model.Evaluated(
        "cd" * 32,
        "52 sessions that nobody learned from",
        52,
        (model.Figure("false positive rate", 0.02, 0.0, 0.05),),
        model.Answer.INSUFFICIENT,
        ("26 benign sessions are too few",),
    ),
    model.Shadowed("cd" * 32, 60_000, (model.Pairing(Action.CONTINUE, Action.ISOLATE, 12),), 3, 1),
    model.Promoted(4, "cd" * 32, model.Authority.PERSON, "ann", "the old one misses beacons"),
    model.Rejected("gate", ("it stops one benign session in five",)),
    model.Retired(5, "ef" * 32),
    model.RolledBack(6, "ann", "it stops backups"),
    registry.ModelEntered("ab" * 32),
    registry.ModelWithdrawn("ab" * 32),
    registry.ChargePassed(4, "ab" * 32, "", "rules-1", model.Authority.GATE, "gate", ""),
    registry.ChargeReturned(5, "", "ab" * 32, "ann", "it stops backups"),
    review.ReviewOpened(
        SessionId(OTHER_ID), 7, EpisodeId(OTHER_ID), ARTIFACT, Action.QUARANTINE, AT_US, review.Ruling.CONTINUE
    ),
    review.ReviewDecided(review.Ruling.RELEASE, "ann", "an installer", True),
    review.ReviewLapsed(review.Ruling.CONTINUE),
    review.ReviewClosed(),
    guard.ActionAdmitted(SessionId(OTHER_ID), 7, Action.QUARANTINE, AT_US),
    guard.RowBroken(SessionId(OTHER_ID)),
)


def plain(value: Any) -> Any:
    """An event as JSON shows it: fields by name, bytes in hexadecimal."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, UUID):
        return str(value)
    if hasattr(value, "_fields"):
        return {name: plain(field) for name, field in value._asdict().items()}
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    return value


def append_of(event: Event) -> Append:
    stream = Stream(CATALOGUE.by_type[type(event)].category, STREAM_ID)
    return Append(stream, 4, (event,), AT_US, "message-1", TRACEPARENT)


def golden(kind: Kind, event: Event) -> dict[str, Any]:
    row = Mapper().row(append_of(event))
    assert row.topic == str(kind)
    return {"topic": row.topic, "shape": shape(kind.type), "state": row.state.hex(), "event": plain(event)}


if __name__ == "__main__":
    for sample in SAMPLES:
        kind = CATALOGUE.by_type[type(sample)]
        path = GOLDEN_DIR / f"{kind.name}.v{kind.version}.json"
        if not path.exists():
            path.write_text(json.dumps(golden(kind, sample), indent=2) + "\n")
            print(path.name)

"""From decisions to the wire."""

from collections.abc import Iterable
from struct import unpack
from typing import NamedTuple

from drlactors.domain.ids import SessionId
from drlactors.domain.session import ActionSelected
from drlactors.wire.v1 import action_pb2


class Decision(NamedTuple):
    """A recorded choice, with the log's name for it."""

    version: int  # of the event in the session's stream: with the session's id, the action's identity
    selected_us: int
    event: ActionSelected
    attempt: int = 1


def action_id(session: SessionId, version: int) -> str:
    """The identity of an action: where its event stands in the log."""
    return f"{session}:{version}"


def actions(session: SessionId, decisions: Iterable[Decision]) -> bytes:
    """An Actions message with all of these decisions."""
    message = action_pb2.Actions(session_id=str(session))
    for version, selected_us, event, attempt in decisions:
        message.decisions.add(
            action_id=action_id(session, version),
            seq=event.seq,
            action=event.action,
            answer_expected=event.action != 0,
            attempt=attempt,
            q_values=event.values,
            state=unpack(f"<{len(event.state_vector) // 4}f", event.state_vector),
            feature_schema=event.schema,
            rationale=event.because,
            policy=event.policy,
            selected_us=selected_us,
        )
    return message.SerializeToString()


def refusal(session: SessionId, about: str, reason: str) -> bytes:
    """An Actions message that says what was not taken."""
    message = action_pb2.Actions(session_id=str(session))
    message.refusals.add(about=about, reason=reason)
    return message.SerializeToString()


def warning(session: SessionId, warnings: Iterable[str]) -> bytes:
    """An Actions message that says what was defaulted."""
    return action_pb2.Actions(session_id=str(session), warnings=warnings).SerializeToString()

"""From decisions to the wire."""

from collections.abc import Iterable
from typing import NamedTuple

from drlactors.domain.ids import SessionId, spelled
from drlactors.domain.order import ActionOrdered
from drlactors.domain.session import ActionSelected
from drlactors.wire.v1 import action_pb2

#: Field ``state``, length-delimited; the length that follows is one byte: a vector has at most 31 floats.
_STATE_TAG = bytes((action_pb2.Decision.STATE_FIELD_NUMBER << 3 | 2,))


class Decision(NamedTuple):
    """A recorded choice, with the log's name for it."""

    version: int  # of the event in the session's stream: with the session's id it is the action's identity
    selected_us: int
    event: ActionSelected | ActionOrdered
    attempt: int = 1


def actions(session: SessionId, decisions: Iterable[Decision]) -> bytes:
    """An Actions message with all of these decisions."""
    name = spelled(session)
    message = action_pb2.Actions(session_id=name)
    for version, selected_us, event, attempt in decisions:
        if isinstance(event, ActionOrdered):
            _add_order(message, name, selected_us, event, attempt)
            continue
        decision = message.decisions.add(
            action_id=f"{name}:{version}",
            seq=event.seq,
            action=event.action,
            answer_expected=event.action != 0,
            attempt=attempt,
            q_values=event.values,
            feature_schema=event.schema,
            rationale=event.because,
            policy=event.policy,
            selected_us=selected_us,
        )
        # The stored vector is what packed floats look like on the wire: merged in C, in a fifth of the time of a list.
        decision.MergeFromString(_STATE_TAG + bytes((len(event.state_vector),)) + event.state_vector)
    return message.SerializeToString()


def _add_order(message: action_pb2.Actions, name: str, selected_us: int, event: ActionOrdered, attempt: int) -> None:
    """An order is known by its own id: a window's number would not tell it from the policy's action."""
    message.decisions.add(
        action_id=f"{name}:{event.order}",
        seq=event.seq,
        action=event.action,
        answer_expected=True,
        attempt=attempt,
        rationale=(event.why,),
        policy=event.policy,
        selected_us=selected_us,
        undoes=event.undoes.seq if event.undoes else None,
    )


def refusal(session: SessionId, about: str, reason: str) -> bytes:
    """An Actions message that says what was not taken."""
    message = action_pb2.Actions(session_id=str(session))
    message.refusals.add(about=about, reason=reason)
    return message.SerializeToString()


def warning(session: SessionId, warnings: Iterable[str]) -> bytes:
    """An Actions message that says what was defaulted."""
    return action_pb2.Actions(session_id=str(session), warnings=warnings).SerializeToString()

"""From decisions to the wire."""

import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from drlactors.domain.ids import SessionId, spelled
from drlactors.domain.order import ActionOrdered
from drlactors.domain.session import ActionSelected
from drlactors.wire.v1 import action_pb2

#: Length-delimited fields.
_STATE_TAG = action_pb2.Decision.STATE_FIELD_NUMBER << 3 | 2
_VALUES_TAG = action_pb2.Decision.Q_VALUES_FIELD_NUMBER << 3 | 2


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
            attempt=attempt,
            selected_us=selected_us,
        )
        if event.action.carried_out:
            decision.action = event.action  # type: ignore[assignment]  # the domain's numbers are the wire's
            decision.answer_expected = True
            decision.rationale.extend(event.because)
        # What most decisions have in common is encoded once, and a stored vector is what packed floats look like on
        # the wire: merged in C, the rest takes half of the time of setting each field.
        decision.MergeFromString(_policy(event.policy, event.schema) + _floats(event.values, event.state_vector))
    return message.SerializeToString()


@lru_cache(64)
def _policy(policy: str, schema: str) -> bytes:
    return action_pb2.Decision(policy=policy, feature_schema=schema).SerializeToString()


def _floats(values: tuple[float, ...], state_vector: bytes) -> bytes:
    """Both fields as packed floats; each length is one byte: a vector has at most 31 floats."""
    packed = struct.pack(f"<{len(values)}f", *values)
    return b"%c%c%b%c%c%b" % (_VALUES_TAG, len(packed), packed, _STATE_TAG, len(state_vector), state_vector)


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

"""The sandbox's side of the wire: what it sends, and the actions it reads."""

from collections.abc import Iterable
from typing import NamedTuple

from google.protobuf.message import DecodeError

from drlactors.domain.action import Action
from drlactors.domain.ids import EpisodeId, SessionId
from drlactors.domain.session import Artifact, EndReason, Outcome
from drlactors.domain.telemetry import MAX_CHARACTERS, Telemetry, Window
from drlactors.wire.v1 import action_pb2, episode_pb2, feedback_pb2, telemetry_pb2

_OUTCOMES = {
    Outcome.MALICIOUS: episode_pb2.OUTCOME_MALICIOUS,
    Outcome.BENIGN: episode_pb2.OUTCOME_BENIGN,
    Outcome.FAILED: episode_pb2.OUTCOME_FAILED,
}
_REASONS = {
    EndReason.FINISHED: episode_pb2.END_REASON_FINISHED,
    EndReason.TERMINATED: episode_pb2.END_REASON_TERMINATED,
    EndReason.FAILED: episode_pb2.END_REASON_FAILED,
}


class Instruction(NamedTuple):
    """One action as the sandbox receives it."""

    action_id: str
    seq: int
    action: Action
    answer_expected: bool
    attempt: int
    policy: str
    values: tuple[float, ...]
    because: tuple[str, ...]
    undoes: int | None = None  # the seq of an action that is taken back


class Instructions(NamedTuple):
    instructions: tuple[Instruction, ...]
    refusals: tuple[tuple[str, str], ...]  # (about, reason)
    warnings: tuple[str, ...]
    lost: tuple[tuple[int, int], ...] = ()  # (first, last) of windows that nothing will answer


def windows(session: SessionId, sandbox: str, seen: Iterable[Window]) -> bytes:
    message = telemetry_pb2.Windows(session_id=str(session), sandbox_id=sandbox)
    for window in seen:
        message.windows.add(
            seq=window.seq,
            window_ms=window.window_ms,
            observed_us=window.observed_us,
            telemetry=_telemetry(window.telemetry),
        )
    return message.SerializeToString()


def _telemetry(seen: Telemetry) -> telemetry_pb2.Telemetry:
    present = {name: value for name, value in seen._asdict().items() if value is not None}
    return telemetry_pb2.Telemetry(**present)


def start(
    session: SessionId, sandbox: str, stage: int, artifact: Artifact, window_ms: int, episode: EpisodeId | None = None
) -> bytes:
    return episode_pb2.Episode(
        start=episode_pb2.Start(
            session_id=str(session),
            sandbox_id=sandbox,
            stage=stage,
            episode_id=str(episode or ""),
            artifact=episode_pb2.Artifact(sha256=artifact.sha256, kind=artifact.kind),
            window_ms=window_ms,
        )
    ).SerializeToString()


def report(session: SessionId, sandbox: str, outcome: Outcome, detail: str = "") -> bytes:
    """Words are cut where the system cuts them: a message that the bus does not take would hold up all behind it."""
    told = episode_pb2.Report(
        session_id=str(session), sandbox_id=sandbox, outcome=_OUTCOMES[outcome], detail=detail[:MAX_CHARACTERS]
    )
    return episode_pb2.Episode(report=told).SerializeToString()


def end(session: SessionId, sandbox: str, reason: EndReason) -> bytes:
    told = episode_pb2.End(session_id=str(session), sandbox_id=sandbox, reason=_REASONS[reason])
    return episode_pb2.Episode(end=told).SerializeToString()


def loss(session: SessionId, sandbox: str, first_seq: int, last_seq: int) -> bytes:
    told = telemetry_pb2.Loss(session_id=str(session), sandbox_id=sandbox, first_seq=first_seq, last_seq=last_seq)
    return episode_pb2.Episode(loss=told).SerializeToString()


def feedback(
    session: SessionId, sandbox: str, instruction: Instruction, *, success: bool, outcome: str, message: str
) -> bytes:
    """As ``report``: a message may be an exception's."""
    return feedback_pb2.Feedback(
        session_id=str(session),
        sandbox_id=sandbox,
        action_id=instruction.action_id,
        seq=instruction.seq,
        success=success,
        outcome=outcome[:MAX_CHARACTERS],
        message=message[:MAX_CHARACTERS],
    ).SerializeToString()


def instructions(data: bytes) -> Instructions:
    """What an Actions message says; a message that is none says nothing."""
    try:
        message = action_pb2.Actions.FromString(data)
    except DecodeError:
        return Instructions((), (), ())
    return Instructions(
        tuple(
            Instruction(
                decision.action_id,
                decision.seq,
                Action(decision.action),
                decision.answer_expected,
                decision.attempt,
                decision.policy,
                tuple(decision.q_values),
                tuple(decision.rationale),
                decision.undoes if decision.HasField("undoes") else None,
            )
            for decision in message.decisions
        ),
        tuple((refusal.about, refusal.reason) for refusal in message.refusals),
        tuple(message.warnings),
        tuple((loss.first_seq, loss.last_seq) for loss in message.lost),
    )

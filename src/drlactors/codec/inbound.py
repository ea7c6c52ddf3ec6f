"""From the wire to commands: the trust boundary, tolerant of sandboxes, exact about what it lets through.

A field that is absurd (negative, not a number, above any real count) is taken as missing and named in ``defaulted``;
text is cut and stripped of control characters; a message that cannot be understood is ``Malformed``.
"""

from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

from google.protobuf.message import DecodeError

from drlactors.domain import session
from drlactors.domain.ids import EpisodeId, OrderId, SessionId, episode_of, spelled
from drlactors.domain.order import AnswerOrder
from drlactors.domain.permission import Rules
from drlactors.domain.session import Artifact, Command, EndReason, LossCause, Outcome
from drlactors.domain.telemetry import MAX_CHARACTERS, MAX_COUNT, MAX_ENTRIES, Telemetry, Window
from drlactors.ports.bus import Kind
from drlactors.wire.v1 import episode_pb2, feedback_pb2, telemetry_pb2

#: A session of 250 ms windows reaches this after 8,000 years.
MAX_SEQ = 1 << 40
MAX_WINDOW_MS = 600_000
#: More windows than this in one message would hold up everybody else's.
MAX_WINDOWS = 1024
#: Names and paths that are kept at hand.
MOST_KNOWN = 1 << 16

_OUTCOMES = {
    episode_pb2.OUTCOME_MALICIOUS: Outcome.MALICIOUS,
    episode_pb2.OUTCOME_BENIGN: Outcome.BENIGN,
    episode_pb2.OUTCOME_FAILED: Outcome.FAILED,
}
_REASONS = {
    episode_pb2.END_REASON_FINISHED: EndReason.FINISHED,
    episode_pb2.END_REASON_TERMINATED: EndReason.TERMINATED,
    episode_pb2.END_REASON_FAILED: EndReason.FAILED,
}


class Malformed(Exception):
    """The message cannot be understood."""


class Inbound(NamedTuple):
    """What a message asks for."""

    sandbox: str
    commands: tuple[Command, ...]
    defaulted: tuple[str, ...] = ()  # names of fields that were absurd and are taken as missing


def decode(kind: Kind, subject_session: SessionId, data: bytes, rules: Rules) -> Inbound:
    """The commands in a message that came on a session's subject. Raises Malformed.

    ``rules`` are those that a session begun by this message will have.
    """
    try:
        match kind:
            case Kind.TELEMETRY:
                windows = telemetry_pb2.Windows.FromString(data)
                _check_session(windows.session_id, subject_session)
                return _windows(windows)
            case Kind.FEEDBACK:
                feedback = feedback_pb2.Feedback.FromString(data)
                _check_session(feedback.session_id, subject_session)
                return _feedback(feedback, subject_session)
            case Kind.EPISODE:
                return _episode(episode_pb2.Episode.FromString(data), subject_session, rules)
    except DecodeError as error:
        raise Malformed("not a message of this kind") from error


def _check_session(named: str, subject_session: SessionId) -> None:
    if named != spelled(subject_session):
        raise Malformed(f"session_id {_text(named)!r} is not the session of the subject")


def _windows(message: telemetry_pb2.Windows) -> Inbound:
    if not 0 < len(message.windows) <= MAX_WINDOWS:
        raise Malformed(f"{len(message.windows)} windows in one message: 1 to {MAX_WINDOWS} are allowed")
    defaulted: list[str] = []
    commands = tuple(session.Record(_window(window, defaulted)) for window in message.windows)
    return Inbound(_sandbox(message.sandbox_id), commands, tuple(defaulted))


def _window(message: telemetry_pb2.Window, defaulted: list[str]) -> Window:
    seq, window_ms, observed_us = message.seq, message.window_ms, message.observed_us
    if seq > MAX_SEQ:
        raise Malformed(f"seq {seq}: 0 to {MAX_SEQ} are allowed")
    if window_ms > MAX_WINDOW_MS:
        window_ms = 0
        defaulted.append("window_ms")
    if observed_us < 0:
        observed_us = 0
        defaulted.append("observed_us")
    return Window(seq, window_ms, observed_us, _telemetry(message.telemetry, defaulted))


def _telemetry(message: telemetry_pb2.Telemetry, defaulted: list[str]) -> Telemetry:
    """Read field by field: every window passes here, and a loop over the descriptor costs three times as much."""
    has = message.HasField
    # A value that is not zero is there; only a zero has to be asked whether it was sent.
    telemetry = Telemetry(
        message.syscall_count or (0 if has("syscall_count") else None),
        _texts(message.syscall_types, "syscall_types", defaulted),
        message.file_read_count or (0 if has("file_read_count") else None),
        message.file_write_count or (0 if has("file_write_count") else None),
        message.file_delete_count or (0 if has("file_delete_count") else None),
        _texts(message.accessed_paths, "accessed_paths", defaulted),
        message.network_connections or (0 if has("network_connections") else None),
        message.bytes_sent or (0 if has("bytes_sent") else None),
        message.bytes_received or (0 if has("bytes_received") else None),
        _texts(message.contacted_ips, "contacted_ips", defaulted),
        message.child_processes or (0 if has("child_processes") else None),
        message.cpu_usage or (0.0 if has("cpu_usage") else None),
        message.memory_usage or (0.0 if has("memory_usage") else None),
        message.registry_modification or (False if has("registry_modification") else None),
        message.privilege_escalation_attempt or (False if has("privilege_escalation_attempt") else None),
        message.code_injection_detected or (False if has("code_injection_detected") else None),
    )
    # Written so that NaN, for which every comparison is false, fails it.
    absurd = [
        name for name, amount in zip(_AMOUNTS, _amounts(telemetry), strict=True) if not 0 <= (amount or 0) <= MAX_COUNT
    ]
    if not absurd:
        return telemetry
    defaulted += absurd
    return telemetry._replace(**dict.fromkeys(absurd))  # type: ignore[arg-type]  # _AMOUNTS may all be None


#: The fields that are numbers.
_AMOUNTS = tuple(name for name, kind in Telemetry.__annotations__.items() if kind in (int | None, float | None))
_amounts = attrgetter(*_AMOUNTS)


def _texts(values: Sequence[str], name: str, defaulted: list[str]) -> tuple[str, ...]:
    if not values:
        return ()
    texts = values[:MAX_ENTRIES]  # a list made in C: half the time of iterating
    if len(values) > MAX_ENTRIES:
        defaulted.append(name)
    return tuple(map(_known, texts))


def _text(value: str) -> str:
    """Cut, and without control characters: what a sample names a file must not move anybody's cursor."""
    if len(value) > MAX_CHARACTERS:
        value = value[:MAX_CHARACTERS]
    if value.isprintable():
        return value
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in value)


class _Known(dict[str, str]):
    """What names and paths are let through as.

    The same few thousand come again and again: looking one up costs half of looking at its characters, and the windows
    under way share what they would each have a copy of (3 kB). Full of what never comes again, it begins anew.
    """

    def __missing__(self, value: str) -> str:
        text = _text(value)
        if len(value) <= MAX_CHARACTERS:
            if len(self) >= MOST_KNOWN:
                self.clear()
            self[value] = text
        return text


_known = _Known().__getitem__


def _sandbox(value: str) -> str:
    if not 0 < len(value) <= MAX_CHARACTERS:
        raise Malformed("sandbox_id is missing or too long")
    return _text(value)


def _feedback(message: feedback_pb2.Feedback, session_id: SessionId) -> Inbound:
    # Windows sent as feedback parse as one, by chance: of window 0, not carried out.
    if not message.action_id.startswith(f"{session_id}:"):
        raise Malformed(f"action_id {_text(message.action_id)!r} is no action of this session")
    if message.seq > MAX_SEQ:
        raise Malformed(f"seq {message.seq}: 0 to {MAX_SEQ} are allowed")
    said = message.success, _text(message.outcome), _text(message.message)
    order = _order(message.action_id.partition(":")[2])
    answer = session.Answer(message.seq, *said) if order is None else AnswerOrder(order, *said)
    return Inbound(_sandbox(message.sandbox_id), (answer,))


def _order(name: str) -> OrderId | None:
    """The order that an action's id names; one of the policy's ends with a number."""
    if len(name) != 36:
        return None
    try:
        return OrderId(UUID(name))
    except ValueError as error:
        raise Malformed(f"action_id ends with {_text(name)!r}, which is no order") from error


def _episode(message: episode_pb2.Episode, subject_session: SessionId, rules: Rules) -> Inbound:
    match message.WhichOneof("event"):
        case "start":
            _check_session(message.start.session_id, subject_session)
            return Inbound(_sandbox(message.start.sandbox_id), (_start(message.start, subject_session, rules),))
        case "report":
            _check_session(message.report.session_id, subject_session)
            outcome = _OUTCOMES.get(message.report.outcome)
            if outcome is None:
                raise Malformed(f"outcome {message.report.outcome}: malicious, benign or failed is allowed")
            report = session.Report(outcome=outcome, detail=_text(message.report.detail))
            return Inbound(_sandbox(message.report.sandbox_id), (report,))
        case "end":
            _check_session(message.end.session_id, subject_session)
            reason = _REASONS.get(message.end.reason)
            if reason is None:
                raise Malformed(f"reason {message.end.reason}: finished, terminated or failed is allowed")
            return Inbound(_sandbox(message.end.sandbox_id), (session.End(reason=reason),))
        case "loss":
            _check_session(message.loss.session_id, subject_session)
            return Inbound(_sandbox(message.loss.sandbox_id), (_loss(message.loss),))
        case _:
            raise Malformed("an episode message with nothing in it")


def _loss(message: telemetry_pb2.Loss) -> session.Lose:
    if not message.first_seq <= message.last_seq <= MAX_SEQ:
        raise Malformed(f"windows {message.first_seq} to {message.last_seq} are no range")
    return session.Lose(first_seq=message.first_seq, last_seq=message.last_seq, cause=LossCause.OVERFLOW)


def _start(message: episode_pb2.Start, subject_session: SessionId, rules: Rules) -> session.Start:
    if message.stage not in (1, 2):
        raise Malformed(f"stage {message.stage}: 1 or 2 is allowed")
    if not 0 < message.window_ms <= MAX_WINDOW_MS:
        raise Malformed(f"window_ms {message.window_ms}: 1 to {MAX_WINDOW_MS} are allowed")
    sha256 = message.artifact.sha256.lower()
    if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
        raise Malformed("artifact.sha256: 64 hexadecimal digits are needed")
    return session.Start(
        sandbox=_sandbox(message.sandbox_id),
        stage=message.stage,
        episode=_continued(message.episode_id) if message.stage == 2 else episode_of(subject_session),
        artifact=Artifact(sha256=sha256, kind=_text(message.artifact.kind)),
        window_ms=message.window_ms,
        rules=rules,
    )


def _continued(text: str) -> EpisodeId:
    try:
        return EpisodeId(UUID(text))
    except ValueError as error:
        raise Malformed("stage 2 continues an episode: episode_id has to be its UUID") from error

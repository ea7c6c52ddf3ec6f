from drlactors.wire.v1 import telemetry_pb2 as _telemetry_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_UNSPECIFIED: _ClassVar[Outcome]
    OUTCOME_MALICIOUS: _ClassVar[Outcome]
    OUTCOME_BENIGN: _ClassVar[Outcome]
    OUTCOME_FAILED: _ClassVar[Outcome]

class EndReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    END_REASON_UNSPECIFIED: _ClassVar[EndReason]
    END_REASON_FINISHED: _ClassVar[EndReason]
    END_REASON_TERMINATED: _ClassVar[EndReason]
    END_REASON_FAILED: _ClassVar[EndReason]
OUTCOME_UNSPECIFIED: Outcome
OUTCOME_MALICIOUS: Outcome
OUTCOME_BENIGN: Outcome
OUTCOME_FAILED: Outcome
END_REASON_UNSPECIFIED: EndReason
END_REASON_FINISHED: EndReason
END_REASON_TERMINATED: EndReason
END_REASON_FAILED: EndReason

class Artifact(_message.Message):
    __slots__ = ("sha256", "kind")
    SHA256_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    sha256: str
    kind: str
    def __init__(self, sha256: _Optional[str] = ..., kind: _Optional[str] = ...) -> None: ...

class Start(_message.Message):
    __slots__ = ("session_id", "sandbox_id", "stage", "episode_id", "artifact", "window_ms")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    EPISODE_ID_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    WINDOW_MS_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    sandbox_id: str
    stage: int
    episode_id: str
    artifact: Artifact
    window_ms: int
    def __init__(self, session_id: _Optional[str] = ..., sandbox_id: _Optional[str] = ..., stage: _Optional[int] = ..., episode_id: _Optional[str] = ..., artifact: _Optional[_Union[Artifact, _Mapping]] = ..., window_ms: _Optional[int] = ...) -> None: ...

class Report(_message.Message):
    __slots__ = ("session_id", "sandbox_id", "outcome", "detail")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    sandbox_id: str
    outcome: Outcome
    detail: str
    def __init__(self, session_id: _Optional[str] = ..., sandbox_id: _Optional[str] = ..., outcome: _Optional[_Union[Outcome, str]] = ..., detail: _Optional[str] = ...) -> None: ...

class End(_message.Message):
    __slots__ = ("session_id", "sandbox_id", "reason")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    sandbox_id: str
    reason: EndReason
    def __init__(self, session_id: _Optional[str] = ..., sandbox_id: _Optional[str] = ..., reason: _Optional[_Union[EndReason, str]] = ...) -> None: ...

class Episode(_message.Message):
    __slots__ = ("start", "report", "end", "loss")
    START_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    LOSS_FIELD_NUMBER: _ClassVar[int]
    start: Start
    report: Report
    end: End
    loss: _telemetry_pb2.Loss
    def __init__(self, start: _Optional[_Union[Start, _Mapping]] = ..., report: _Optional[_Union[Report, _Mapping]] = ..., end: _Optional[_Union[End, _Mapping]] = ..., loss: _Optional[_Union[_telemetry_pb2.Loss, _Mapping]] = ...) -> None: ...

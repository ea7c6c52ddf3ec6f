from drlactors.wire.v1 import telemetry_pb2 as _telemetry_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Action(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACTION_CONTINUE_MONITORING: _ClassVar[Action]
    ACTION_INCREASE_ISOLATION: _ClassVar[Action]
    ACTION_TERMINATE_PROCESS: _ClassVar[Action]
    ACTION_QUARANTINE_ARTIFACT: _ClassVar[Action]
    ACTION_REQUEST_REVIEW: _ClassVar[Action]
ACTION_CONTINUE_MONITORING: Action
ACTION_INCREASE_ISOLATION: Action
ACTION_TERMINATE_PROCESS: Action
ACTION_QUARANTINE_ARTIFACT: Action
ACTION_REQUEST_REVIEW: Action

class Decision(_message.Message):
    __slots__ = ("action_id", "seq", "action", "answer_expected", "attempt", "q_values", "state", "feature_schema", "rationale", "policy", "selected_us", "undoes")
    ACTION_ID_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    ANSWER_EXPECTED_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    Q_VALUES_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    FEATURE_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    RATIONALE_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    SELECTED_US_FIELD_NUMBER: _ClassVar[int]
    UNDOES_FIELD_NUMBER: _ClassVar[int]
    action_id: str
    seq: int
    action: Action
    answer_expected: bool
    attempt: int
    q_values: _containers.RepeatedScalarFieldContainer[float]
    state: _containers.RepeatedScalarFieldContainer[float]
    feature_schema: str
    rationale: _containers.RepeatedScalarFieldContainer[str]
    policy: str
    selected_us: int
    undoes: int
    def __init__(self, action_id: _Optional[str] = ..., seq: _Optional[int] = ..., action: _Optional[_Union[Action, str]] = ..., answer_expected: _Optional[bool] = ..., attempt: _Optional[int] = ..., q_values: _Optional[_Iterable[float]] = ..., state: _Optional[_Iterable[float]] = ..., feature_schema: _Optional[str] = ..., rationale: _Optional[_Iterable[str]] = ..., policy: _Optional[str] = ..., selected_us: _Optional[int] = ..., undoes: _Optional[int] = ...) -> None: ...

class Refusal(_message.Message):
    __slots__ = ("about", "reason")
    ABOUT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    about: str
    reason: str
    def __init__(self, about: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class Actions(_message.Message):
    __slots__ = ("session_id", "decisions", "refusals", "warnings", "lost")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    REFUSALS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    decisions: _containers.RepeatedCompositeFieldContainer[Decision]
    refusals: _containers.RepeatedCompositeFieldContainer[Refusal]
    warnings: _containers.RepeatedScalarFieldContainer[str]
    lost: _containers.RepeatedCompositeFieldContainer[_telemetry_pb2.Loss]
    def __init__(self, session_id: _Optional[str] = ..., decisions: _Optional[_Iterable[_Union[Decision, _Mapping]]] = ..., refusals: _Optional[_Iterable[_Union[Refusal, _Mapping]]] = ..., warnings: _Optional[_Iterable[str]] = ..., lost: _Optional[_Iterable[_Union[_telemetry_pb2.Loss, _Mapping]]] = ...) -> None: ...

from drlactors.wire.v1 import action_pb2 as _action_pb2
from drlactors.wire.v1 import episode_pb2 as _episode_pb2
from drlactors.wire.v1 import feedback_pb2 as _feedback_pb2
from drlactors.wire.v1 import telemetry_pb2 as _telemetry_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Stored(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Listen(_message.Message):
    __slots__ = ("session_id", "sandbox_id")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    sandbox_id: str
    def __init__(self, session_id: _Optional[str] = ..., sandbox_id: _Optional[str] = ...) -> None: ...

class Leave(_message.Message):
    __slots__ = ("session_id",)
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    def __init__(self, session_id: _Optional[str] = ...) -> None: ...

class Said(_message.Message):
    __slots__ = ("number", "traceparent", "windows", "feedback", "episode", "listen", "leave")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    WINDOWS_FIELD_NUMBER: _ClassVar[int]
    FEEDBACK_FIELD_NUMBER: _ClassVar[int]
    EPISODE_FIELD_NUMBER: _ClassVar[int]
    LISTEN_FIELD_NUMBER: _ClassVar[int]
    LEAVE_FIELD_NUMBER: _ClassVar[int]
    number: int
    traceparent: str
    windows: _telemetry_pb2.Windows
    feedback: _feedback_pb2.Feedback
    episode: _episode_pb2.Episode
    listen: Listen
    leave: Leave
    def __init__(self, number: _Optional[int] = ..., traceparent: _Optional[str] = ..., windows: _Optional[_Union[_telemetry_pb2.Windows, _Mapping]] = ..., feedback: _Optional[_Union[_feedback_pb2.Feedback, _Mapping]] = ..., episode: _Optional[_Union[_episode_pb2.Episode, _Mapping]] = ..., listen: _Optional[_Union[Listen, _Mapping]] = ..., leave: _Optional[_Union[Leave, _Mapping]] = ...) -> None: ...

class FromSandbox(_message.Message):
    __slots__ = ("said",)
    SAID_FIELD_NUMBER: _ClassVar[int]
    said: _containers.RepeatedCompositeFieldContainer[Said]
    def __init__(self, said: _Optional[_Iterable[_Union[Said, _Mapping]]] = ...) -> None: ...

class Declined(_message.Message):
    __slots__ = ("number", "session_id", "code", "reason")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    number: int
    session_id: str
    code: int
    reason: str
    def __init__(self, number: _Optional[int] = ..., session_id: _Optional[str] = ..., code: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class Dropped(_message.Message):
    __slots__ = ("number", "loss")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    LOSS_FIELD_NUMBER: _ClassVar[int]
    number: int
    loss: _telemetry_pb2.Loss
    def __init__(self, number: _Optional[int] = ..., loss: _Optional[_Union[_telemetry_pb2.Loss, _Mapping]] = ...) -> None: ...

class ToSandbox(_message.Message):
    __slots__ = ("stored", "declined", "dropped", "actions")
    STORED_FIELD_NUMBER: _ClassVar[int]
    DECLINED_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    ACTIONS_FIELD_NUMBER: _ClassVar[int]
    stored: _containers.RepeatedScalarFieldContainer[int]
    declined: _containers.RepeatedCompositeFieldContainer[Declined]
    dropped: _containers.RepeatedCompositeFieldContainer[Dropped]
    actions: _containers.RepeatedCompositeFieldContainer[_action_pb2.Actions]
    def __init__(self, stored: _Optional[_Iterable[int]] = ..., declined: _Optional[_Iterable[_Union[Declined, _Mapping]]] = ..., dropped: _Optional[_Iterable[_Union[Dropped, _Mapping]]] = ..., actions: _Optional[_Iterable[_Union[_action_pb2.Actions, _Mapping]]] = ...) -> None: ...

from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class Feedback(_message.Message):
    __slots__ = ("session_id", "sandbox_id", "action_id", "seq", "success", "outcome", "message")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    ACTION_ID_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    sandbox_id: str
    action_id: str
    seq: int
    success: bool
    outcome: str
    message: str
    def __init__(self, session_id: _Optional[str] = ..., sandbox_id: _Optional[str] = ..., action_id: _Optional[str] = ..., seq: _Optional[int] = ..., success: _Optional[bool] = ..., outcome: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

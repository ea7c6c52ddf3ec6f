from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Telemetry(_message.Message):
    __slots__ = ("syscall_count", "syscall_types", "file_read_count", "file_write_count", "file_delete_count", "accessed_paths", "network_connections", "bytes_sent", "bytes_received", "contacted_ips", "child_processes", "cpu_usage", "memory_usage", "registry_modification", "privilege_escalation_attempt", "code_injection_detected")
    SYSCALL_COUNT_FIELD_NUMBER: _ClassVar[int]
    SYSCALL_TYPES_FIELD_NUMBER: _ClassVar[int]
    FILE_READ_COUNT_FIELD_NUMBER: _ClassVar[int]
    FILE_WRITE_COUNT_FIELD_NUMBER: _ClassVar[int]
    FILE_DELETE_COUNT_FIELD_NUMBER: _ClassVar[int]
    ACCESSED_PATHS_FIELD_NUMBER: _ClassVar[int]
    NETWORK_CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
    BYTES_SENT_FIELD_NUMBER: _ClassVar[int]
    BYTES_RECEIVED_FIELD_NUMBER: _ClassVar[int]
    CONTACTED_IPS_FIELD_NUMBER: _ClassVar[int]
    CHILD_PROCESSES_FIELD_NUMBER: _ClassVar[int]
    CPU_USAGE_FIELD_NUMBER: _ClassVar[int]
    MEMORY_USAGE_FIELD_NUMBER: _ClassVar[int]
    REGISTRY_MODIFICATION_FIELD_NUMBER: _ClassVar[int]
    PRIVILEGE_ESCALATION_ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    CODE_INJECTION_DETECTED_FIELD_NUMBER: _ClassVar[int]
    syscall_count: int
    syscall_types: _containers.RepeatedScalarFieldContainer[str]
    file_read_count: int
    file_write_count: int
    file_delete_count: int
    accessed_paths: _containers.RepeatedScalarFieldContainer[str]
    network_connections: int
    bytes_sent: int
    bytes_received: int
    contacted_ips: _containers.RepeatedScalarFieldContainer[str]
    child_processes: int
    cpu_usage: float
    memory_usage: float
    registry_modification: bool
    privilege_escalation_attempt: bool
    code_injection_detected: bool
    def __init__(self, syscall_count: _Optional[int] = ..., syscall_types: _Optional[_Iterable[str]] = ..., file_read_count: _Optional[int] = ..., file_write_count: _Optional[int] = ..., file_delete_count: _Optional[int] = ..., accessed_paths: _Optional[_Iterable[str]] = ..., network_connections: _Optional[int] = ..., bytes_sent: _Optional[int] = ..., bytes_received: _Optional[int] = ..., contacted_ips: _Optional[_Iterable[str]] = ..., child_processes: _Optional[int] = ..., cpu_usage: _Optional[float] = ..., memory_usage: _Optional[float] = ..., registry_modification: _Optional[bool] = ..., privilege_escalation_attempt: _Optional[bool] = ..., code_injection_detected: _Optional[bool] = ...) -> None: ...

class Window(_message.Message):
    __slots__ = ("seq", "window_ms", "observed_us", "telemetry")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    WINDOW_MS_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_US_FIELD_NUMBER: _ClassVar[int]
    TELEMETRY_FIELD_NUMBER: _ClassVar[int]
    seq: int
    window_ms: int
    observed_us: int
    telemetry: Telemetry
    def __init__(self, seq: _Optional[int] = ..., window_ms: _Optional[int] = ..., observed_us: _Optional[int] = ..., telemetry: _Optional[_Union[Telemetry, _Mapping]] = ...) -> None: ...

class Windows(_message.Message):
    __slots__ = ("session_id", "sandbox_id", "windows")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    WINDOWS_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    sandbox_id: str
    windows: _containers.RepeatedCompositeFieldContainer[Window]
    def __init__(self, session_id: _Optional[str] = ..., sandbox_id: _Optional[str] = ..., windows: _Optional[_Iterable[_Union[Window, _Mapping]]] = ...) -> None: ...

class Loss(_message.Message):
    __slots__ = ("session_id", "sandbox_id", "first_seq", "last_seq")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_ID_FIELD_NUMBER: _ClassVar[int]
    FIRST_SEQ_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQ_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    sandbox_id: str
    first_seq: int
    last_seq: int
    def __init__(self, session_id: _Optional[str] = ..., sandbox_id: _Optional[str] = ..., first_seq: _Optional[int] = ..., last_seq: _Optional[int] = ...) -> None: ...

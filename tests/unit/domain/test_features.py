"""What a feature is worth: models have learned by these numbers, and the log has them."""

import pytest

from drlactors.domain.features import FEATURES, REVISION, FeatureSchema, row
from drlactors.domain.session import DECIDER, TelemetryRecorded
from drlactors.domain.telemetry import Telemetry, Window

FULL = Telemetry(
    syscall_count=900,
    syscall_types=("openat", "execve", "ptrace", "connect", "sendto", "unlink"),
    file_read_count=400,
    file_write_count=300,
    file_delete_count=20,
    accessed_paths=("/etc/shadow", "/tmp/x", "/home/u/a.txt"),
    network_connections=5,
    bytes_sent=100_000,
    bytes_received=7_000,
    contacted_ips=("192.0.2.1", "192.0.2.2"),
    child_processes=2,
    cpu_usage=0.5,
    memory_usage=1e8,
    registry_modification=True,
    privilege_escalation_attempt=False,
    code_injection_detected=True,
)
LESS = FULL._replace(syscall_count=90, bytes_sent=10, child_processes=9, cpu_usage=1.5, memory_usage=2e8)
ALL = FeatureSchema(tuple(FEATURES))
#: By revision f1. Another number under the same revision is another model's feature under this one's name.
WORTH = {
    "syscall_rate": 0.451535,
    "syscall_variety": 0.09375,
    "file_read_rate": 0.675098,
    "file_write_rate": 0.646092,
    "file_delete_rate": 0.435999,
    "path_variety": 0.046875,
    "connection_rate": 0.347081,
    "sent_rate": 0.165277,
    "received_rate": 0.51827,
    "address_variety": 0.03125,
    "child_process_rate": 0.42619,
    "cpu_usage": 0.75,
    "memory_usage": 0.838226,
    "registry_modification": 1.0,
    "privilege_escalation_attempt": 0.0,
    "code_injection_detected": 1.0,
    "file_io_ratio": 0.444444,
    "delete_ratio": 0.0625,
    "file_intensity": 1.0,
    "network_intensity": 0.007092,
    "upload_ratio": 0.001427,
    "process_activity": 1.0,
    "sensitive_path_ratio": 0.333333,
    "temporary_path_ratio": 0.333333,
    "notable_syscalls": 0.125,
    "elapsed": 0.108328,
    "change_burden": 0.561371,
    "connection_burden": 0.260345,
    "syscall_trend": 0.153846,
    "completeness": 1.0,
    "isolation": 0.0,
    "mean_syscall_rate": 0.599214,
    "mean_file_read_rate": 0.675098,
    "mean_change_rate": 0.652598,
    "mean_sent_rate": 0.625006,
    "mean_received_rate": 0.51827,
    "mean_child_process_rate": 0.359675,
    "mean_cpu_usage": 0.5,
    "most_syscalls": 0.590944,
    "most_changes": 0.582766,
    "most_sent": 0.625001,
    "most_received": 0.480645,
    "most_child_processes": 0.333285,
    "most_cpu_usage": 0.75,
    "most_memory": 0.838226,
    "file_call_variety": 0.03125,
    "change_call_variety": 0.03125,
    "process_call_variety": 0.03125,
    "memory_call_variety": 0.0,
    "network_call_variety": 0.0625,
    "identity_call_variety": 0.0,
    "control_call_variety": 0.03125,
    "time_call_variety": 0.0,
}


def test_a_feature_is_worth_the_same_in_every_version_that_has_this_revision() -> None:
    found = dict(zip(FEATURES, last(FULL, LESS), strict=True))
    assert REVISION == "f1"
    assert found == pytest.approx(WORTH, abs=1e-6)


def test_what_a_sandbox_does_not_see_is_missing_and_what_it_sees_is_not() -> None:
    missing = FeatureSchema(tuple(FEATURES), missing=1.0)
    blind, seeing = last(Telemetry(), schema=missing), last(Telemetry(cpu_usage=0.0), schema=missing)
    cpu = missing.names.index("cpu_usage")
    assert (blind[cpu], seeing[cpu]) == (1.0, 0.0)


def last(*seen: Telemetry, schema: FeatureSchema = ALL) -> list[float]:
    state = DECIDER.initial
    for seq, telemetry in enumerate(seen):
        window = Window(seq, 500, 0, telemetry)
        state = DECIDER.evolve(state, TelemetryRecorded(window))
    found: list[float] = schema.vectors([row(state, window)])[0].tolist()
    return found

"""What a window says is what the calls in CAPE's logs say, in every field that CAPE sees."""

from pathlib import Path

from drlactors.domain.telemetry import Telemetry
from drlactors.sandboxes.cape.log import Called, ProcessLog
from drlactors.sandboxes.cape.logs import MOST_LOGS, Logs
from drlactors.sandboxes.cape.windows import Windows
from tests.unit.sandboxes.cape.kit import Monitor, append

ALL = 1 << 30


def folded(path: Path) -> Telemetry:
    windows = Windows()
    for record in ProcessLog(path).read(ALL):
        if isinstance(record, Called):
            windows.add(record)
    return windows.close()


def test_every_field_that_cape_sees_is_filled_from_its_logs(tmp_path: Path) -> None:
    path, monitor = tmp_path / "1234.bson", Monitor(1234)
    for said in (
        monitor.begins(),
        monitor.calls("NtReadFile", HandleName=r"C:\a", Length=10),
        monitor.calls("NtWriteFile", HandleName=r"C:\b", Length=10, repeated=4),
        monitor.calls("DeleteFileW", FileName=r"C:\c"),
        monitor.calls("DeleteFileW", FileName=r"C:\d", ok=False),
        monitor.calls("connect", category="network", socket=5, ip="192.0.2.7", port=80),
        monitor.calls("WSARecv", category="network", socket=5, Buffer=b"x", NumberOfBytesReceived=77),
        monitor.calls("NtCreateUserProcess", category="process", ProcessHandle=0x60, ProcessId=2896),
        monitor.calls("RegSetValueExW", category="registry", Handle=7, FullName=r"HKEY_CURRENT_USER\Run\a"),
        monitor.calls("LookupPrivilegeValueW", category="system", PrivilegeName="SeDebugPrivilege"),
        monitor.calls("NtOpenProcess", category="process", ProcessHandle=0x64, ProcessIdentifier=700),
        monitor.calls("WriteProcessMemory", category="process", ProcessHandle=0x64, Buffer=b"\x90"),
    ):
        append(path, said)
    seen = folded(path)
    assert seen == Telemetry(
        syscall_count=15,
        syscall_types=seen.syscall_types,
        file_read_count=1,
        file_write_count=5,
        file_delete_count=1,
        accessed_paths=(r"C:\a", r"C:\b", r"C:\c", r"HKEY_CURRENT_USER\Run\a"),
        network_connections=1,
        bytes_sent=0,
        bytes_received=77,
        contacted_ips=("192.0.2.7",),
        child_processes=1,
        registry_modification=True,
        privilege_escalation_attempt=True,
        code_injection_detected=True,
    )
    assert seen.syscall_types[0] == "NtWriteFile"


def test_a_window_in_which_nothing_was_done_counts_nothing(tmp_path: Path) -> None:
    path = tmp_path / "1234.bson"
    append(path, Monitor(1234).begins())
    seen = folded(path)
    assert (seen.syscall_count, seen.file_write_count, seen.registry_modification) == (0, 0, False)
    assert (seen.cpu_usage, seen.memory_usage) == (None, None)


def test_bytes_sent_are_what_send_returned(tmp_path: Path) -> None:
    path, monitor = tmp_path / "1234.bson", Monitor(1234)
    append(path, monitor.begins() + monitor.calls("send", category="network", returned=1400, socket=5, buffer=b"x" * 9))
    assert folded(path).bytes_sent == 1400


def test_one_log_that_is_flooded_does_not_keep_the_others_from_being_read(tmp_path: Path) -> None:
    for pid in (10, 20, 30):
        monitor = Monitor(pid)
        calls = b"".join(monitor.calls("NtClose", Handle=n) for n in range(20_000 if pid == 10 else 1))
        append(tmp_path / f"{pid}.bson", monitor.begins() + calls)
    logs = Logs(tmp_path)
    read = [record.pid for record in logs.read(600_000) if isinstance(record, Called)]
    assert {20, 30} < set(read)
    assert len(read) < 10_000
    rest = [record.pid for _ in range(20) for record in logs.read(600_000) if isinstance(record, Called)]
    assert len(read) + len(rest) == 20_002


def test_only_behaviour_logs_are_read(tmp_path: Path) -> None:
    monitor = Monitor(10)
    for name in ("10.bson", "ten.bson", "-1.bson", "10.txt", "٣.bson"):
        append(tmp_path / name, monitor.begins())
    assert len(list(Logs(tmp_path).read(ALL))) == 1


def test_more_logs_than_are_read_are_a_loss(tmp_path: Path) -> None:
    for pid in range(MOST_LOGS):
        (tmp_path / f"{pid}.bson").touch()
    logs = Logs(tmp_path)
    assert (list(logs.read(ALL)), logs.newly_broken(), logs.broken()) == ([], False, [])
    append(tmp_path / "99999.bson", Monitor(99999).begins())
    assert list(logs.read(ALL)) == []
    assert (logs.newly_broken(), logs.newly_broken()) == (True, False)
    assert logs.broken() == ["more than 1,024 logs"]


def test_a_folder_that_is_gone_has_no_logs(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "10.bson"
    path.parent.mkdir()
    append(path, Monitor(10).begins())
    logs = Logs(path.parent)
    assert len(list(logs.read(ALL))) == 1
    path.unlink()
    path.parent.rmdir()
    assert list(logs.read(ALL)) == []

"""Each rule sees what it says, in the smallest session that shows it; what is close to it but ordinary it lets pass."""

from typing import Any

import pytest

from drlactors.domain.attack import RULES, TECHNIQUES, AttackType, Recognised, recognise
from drlactors.domain.attack.places import PLACES
from drlactors.domain.telemetry import Telemetry, Window

RUN = "HKEY_CURRENT_USER\\Software\\Microsoft\\Windows\\CurrentVersion\\Run\\updater"
DOCUMENTS = tuple(f"/home/ann/Documents/letter-{number}.docx" for number in range(12))
SOURCES = tuple(f"/home/ann/project/part{number}.py" for number in range(12))


def session(*seen: dict[str, Any]) -> Recognised:
    return recognise(
        Window(seq, 250, (seq + 1) * 250_000, Telemetry(**({"syscall_count": 1000} | one)))
        for seq, one in enumerate(seen)
    )


def paths(*names: str, **other: Any) -> dict[str, Any]:
    return {"accessed_paths": names, **other}


def calls(*names: str, **other: Any) -> dict[str, Any]:
    return {"syscall_types": names, **other}


def injecting(*names: str, **other: Any) -> dict[str, Any]:
    return calls(*names, code_injection_detected=True, **other)


SECRETS = paths("/home/ann/.ssh/id_ed25519", "/home/ann/.mozilla/firefox/x.default/logins.json", bytes_sent=9000)
FETCH = {"bytes_received": 5000, "network_connections": 1}
NOTHING_SENT = {"bytes_sent": 0, "bytes_received": 0}
DROP = paths("C:\\Users\\ann\\AppData\\Local\\Temp\\a.exe", file_write_count=3, child_processes=1, **NOTHING_SENT)

#: Rules that see one program.
TOOLS = [rule.id for rule in RULES if f"{rule.id}.exe" in PLACES]
#: The smallest session that each rule matches.
EXAMPLES: dict[str, list[dict[str, Any]]] = {
    "renamed-documents": [paths(*DOCUMENTS[:5], *(f"{one}.locked" for one in DOCUMENTS[:5]), file_write_count=5)],
    "overwritten-documents": [paths(*DOCUMENTS, file_read_count=12, file_write_count=12)],
    "ransom-note": [calls("CryptEncrypt", accessed_paths=("C:\\HOW_TO_DECRYPT.txt",), file_write_count=1)],
    "no-way-back": [
        paths("C:\\Windows\\System32\\vssadmin.exe"),
        paths(*(f"D:\\{name}\\YOUR_FILES_ARE_ENCRYPTED.HTML" for name in "abc"), file_write_count=3),
    ],
    "destroyed-documents": [paths(*DOCUMENTS[:5], file_delete_count=5)],
    "miner-by-name": [paths("/tmp/.x/xmrig")],
    "hashing-for-a-pool": [{"cpu_usage": 0.9, "bytes_sent": 150 if number in (2, 9) else 0} for number in range(10)],
    "swarm": [calls("clone", child_processes=20)],
    "sent-secrets": [SECRETS],
    "read-keys": [SECRETS],
    "read-browser": [SECRETS],
    "watched-processes": [paths(*(f"/proc/{pid}/cmdline" for pid in range(1, 6)), file_write_count=1)],
    "key-logging": [calls("GetKeyState", "GetForegroundWindow")],
    "screen-capture": [calls("BitBlt")],
    "clipboard": [calls("GetClipboardData")],
    "tainted-files": [paths(*SOURCES[:6], file_read_count=6, file_write_count=6)],
    "fetched-program": [FETCH, DROP],
    "carried-program": [DROP],
    "fetched-into-memory": [calls("memfd_create", "execve", **FETCH)],
    "run-from-memory": [injecting("memfd_create", "execve")],
    "traced": [injecting("ptrace")],
    "memory-written": [injecting("process_vm_writev")],
    "proc-memory": [injecting("pwrite64", accessed_paths=("/proc/77/mem",))],
    "writable-code": [injecting("mprotect")],
    "hollowing": [injecting("NtUnmapViewOfSection", "WriteProcessMemory"), calls("NtSetContextThread")],
    "hijacked-thread": [injecting("ZwWriteVirtualMemory", "SetThreadContext")],
    "remote-thread": [injecting("WriteProcessMemory", "CreateRemoteThreadEx")],
    "remote-thread-event": [injecting("CreateRemoteThread")],
    "queued-call": [injecting("NtWriteVirtualMemory", "NtQueueApcThread")],
    "elevation-key": [
        paths("HKCU\\Software\\Classes\\ms-settings\\shell\\open\\command\\(Default)", registry_modification=True)
    ],
    "account-secrets": [paths("/etc/shadow")],
    "rights": [calls("setresuid", privilege_escalation_attempt=True), paths("/proc/mounts")],
    "password-store": [paths("C:\\Windows\\System32\\config\\SAM")],
    "lsass": [paths("C:\\Users\\Public\\lsass_848.dmp")],
    "shell-start-up": [paths("/home/ann/.bashrc", file_write_count=1)],
    "desktop-start-up": [paths("/home/ann/.config/autostart/x.desktop", file_write_count=1)],
    "systemd-unit": [paths("/etc/systemd/system/x.service", file_write_count=1)],
    "cron": [paths("/var/spool/cron/crontabs/root", file_write_count=1)],
    "authorized-keys": [paths("/root/.ssh/authorized_keys", file_write_count=1)],
    "settles": [paths("/home/ann/.bashrc", "/home/ann/.local/bin/helper", file_write_count=2)],
    "run-key": [paths(RUN, registry_modification=True)],
    "image-options": [
        paths(
            "HKLM\\Software\\Microsoft\\Windows NT\\CurrentVersion\\Image File Execution Options\\sethc.exe\\Debugger",
            registry_modification=True,
        )
    ],
    "service": [calls("CreateServiceW")],
    "task": [paths("C:\\Windows\\System32\\schtasks.exe")],
    "security-settings": [
        paths("HKLM\\Software\\Policies\\Microsoft\\Windows Defender\\DisableAntiSpyware", registry_modification=True)
    ],
    "windows-logs": [paths("C:\\Windows\\System32\\wevtutil.exe")],
    "logs": [paths(*(f"/var/log/{name}.log" for name in ("auth", "mail", "web")), file_write_count=3)],
    "history": [calls("truncate", accessed_paths=("/home/ann/.bash_history",))],
    "port-scan": [{"network_connections": 20, "contacted_ips": ("192.0.2.1",), **NOTHING_SENT}],
    "host-scan": [
        {"network_connections": 20, "contacted_ips": tuple(f"192.0.2.{last}" for last in range(8)), **NOTHING_SENT}
    ],
    "reports": [{"bytes_sent": 300, "bytes_received": 100, "contacted_ips": ("192.0.2.1",)}] * 3,
    "powershell": [paths("C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe")],
    "vbscript": [paths("C:\\Windows\\System32\\vbscript.dll")],
    "javascript": [paths("C:\\Users\\ann\\AppData\\Local\\Temp\\invoice.js")],
    **{tool: [paths(f"\\Device\\HarddiskVolume2\\Windows\\System32\\{tool}.exe")] for tool in TOOLS},
}


def test_every_rule_has_an_example():
    assert list(EXAMPLES) == [rule.id for rule in RULES]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_matches_what_it_says(rule):
    found = session(*EXAMPLES[rule.id])
    assert rule.id in found.rules
    assert set(rule.techniques) <= set(found.techniques)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_says_what_it_sees_and_names_techniques_that_are_known(rule):
    assert rule.sees
    assert rule.techniques or rule.kind
    assert set(rule.techniques) <= set(TECHNIQUES)


def test_every_technique_is_one_of_a_rule_and_looks_like_one():
    assert set(TECHNIQUES) == {id_ for rule in RULES for id_ in rule.techniques}
    assert all(id_ == one.id and one.name for id_, one in TECHNIQUES.items())


def test_the_first_rule_that_names_an_attack_decides():
    both = session(paths(RUN, registry_modification=True), *EXAMPLES["destroyed-documents"])
    assert both.kind is AttackType.WIPER
    assert both.techniques == ("T1485", "T1547.001")
    assert both.rules == ("destroyed-documents", "run-key")


def test_a_technique_alone_is_unknown_and_nothing_at_all_is_none():
    assert session(*EXAMPLES["powershell"]).kind is AttackType.UNKNOWN
    assert session() == session({}) == Recognised(AttackType.NONE, (), ())


@pytest.mark.parametrize(
    "ordinary",
    [
        pytest.param([paths(*DOCUMENTS, *(f"{one}.gz" for one in DOCUMENTS), file_write_count=12)], id="packing"),
        pytest.param(
            [paths(*DOCUMENTS[:6], *(f"{one}.gz" for one in DOCUMENTS[:6]), file_delete_count=6)], id="packing away"
        ),
        pytest.param([paths(*DOCUMENTS, file_read_count=12, file_delete_count=12)], id="reading before removing"),
        pytest.param(
            [paths(*DOCUMENTS[:6], "/home/ann/all.zip", file_read_count=9, file_write_count=9)], id="collecting"
        ),
        pytest.param([paths(*(f"/home/ann/x/{n}.docx" for n in range(60)), file_delete_count=60)], id="listing"),
        pytest.param([paths(RUN)], id="reading a Run key"),
        pytest.param([paths("/home/ann/.bashrc")], id="a shell that starts"),
        pytest.param([paths("/etc/shadow", "/etc/pam.d/su")], id="su"),
        pytest.param([paths(*(f"/proc/{n}/{what}" for n in range(9) for what in ("stat", "cmdline")))], id="ps"),
        pytest.param([injecting("mprotect", accessed_paths=("/usr/bin/node",))], id="a runtime that compiles"),
        pytest.param(
            [{"bytes_sent": 80, "bytes_received": 400, "network_connections": 1}] * 20, id="asking for health"
        ),
        pytest.param([{"cpu_usage": 1.0}] * 20, id="computing"),
        pytest.param([{"bytes_sent": 300, "bytes_received": 100}] * 20, id="an interface's counters"),
        pytest.param([calls("execve", "clone", child_processes=90)], id="building"),
        pytest.param([paths("/var/log/web.log", "/var/log/web.log.1.gz", file_write_count=2)], id="rotating"),
        pytest.param([{"network_connections": 20, "contacted_ips": ("192.0.2.1",)}], id="unweighed connections"),
        pytest.param([calls("NtWriteVirtualMemory", "NtResumeThread", "NtCreateUserProcess")], id="starting a child"),
    ],
)
def test_what_ordinary_programs_do_is_no_attack(ordinary):
    assert session(*ordinary).kind is AttackType.NONE


def test_what_a_sandbox_does_not_see_matches_nothing():
    assert recognise([Window(0, 1000, 1, Telemetry())]).kind is AttackType.NONE


def test_a_session_of_many_paths_stays_within_bounds_and_is_recognised_all_the_same():
    many = [
        paths(*(f"/home/ann/d{turn}/{n}.pdf{end}" for n in range(8) for end in ("", ".sealed")), file_write_count=8)
        for turn in range(2000)
    ]
    assert session(*many).rules == ("renamed-documents",)

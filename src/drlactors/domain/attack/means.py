"""Rules for the means of an attack: bringing code, running it elsewhere, rights, staying, hiding, talking."""

from collections.abc import Callable

from drlactors.domain.attack.evidence import Evidence
from drlactors.domain.attack.kinds import AttackType, Rule

#: Calls of Windows and Linux, under their plain names.
WRITES_MEMORY = {"WriteProcessMemory", "NtWriteVirtualMemory"}
READS_SECRETS = {"MiniDumpWriteDump", "ProcessAccess"}
CLEARS_LOGS = {"ClearEventLog", "EvtClearLog"}
#: Ways to be started again.
START_UPS = ("shell start-up", "desktop start-up", "systemd unit", "cron table", "authorized keys", "own programs")


def _injects(*calls: str) -> Callable[[Evidence], bool]:
    """All of the calls, in a session in which code was put into another process."""
    return lambda seen: seen.injections > 0 and seen.names.issuperset(calls)


def _changed(place: str) -> Callable[[Evidence], bool]:
    return lambda seen: bool(seen.changed[place])


def _written(place: str) -> Callable[[Evidence], bool]:
    return lambda seen: bool(seen.written[place])


def _saw(*places: str) -> Callable[[Evidence], bool]:
    return lambda seen: any(seen.seen[place] for place in places)


def _settles(seen: Evidence) -> bool:
    return sum(bool(seen.written[place]) for place in START_UPS) >= 2


def _reports(seen: Evidence) -> bool:
    small = [contact for contact in seen.contacts if 40 <= contact.sent_bytes <= 4096]
    return (
        len(small) >= 3
        and seen.sent_bytes == sum(contact.sent_bytes for contact in small)
        and 0 < len(seen.addresses) <= 3
        and seen.sent_bytes >= 0.9 * seen.received_bytes
    )


def _scans(seen: Evidence) -> bool:
    return seen.weighed and seen.connections >= 20 and seen.sent_bytes + seen.received_bytes < 16 * seen.connections


def _drops(seen: Evidence) -> bool:
    return bool(seen.written["dropped"]) and seen.children > 0


MEANS: tuple[Rule, ...] = (
    Rule(
        "fetched-program",
        AttackType.DROPPER,
        ("T1105",),
        "something received, a program written to a temporary or hidden folder, and processes made",
        lambda seen: _drops(seen) and seen.received_bytes > 0,
    ),
    Rule(
        "carried-program",
        AttackType.DROPPER,
        ("T1027.009",),
        "the same with nothing received: what was written had been carried along",
        lambda seen: _drops(seen) and seen.weighed and not seen.received_bytes,
    ),
    Rule(
        "fetched-into-memory",
        AttackType.DROPPER,
        ("T1105", "T1620"),
        "a program received and run from a file that exists in memory only",
        lambda seen: {"memfd_create", "execve"} <= seen.names and seen.received_bytes > 0,
    ),
    Rule(
        "run-from-memory",
        AttackType.INJECTION,
        ("T1620",),
        "a program run from a file that exists in memory only",
        lambda seen: {"memfd_create", "execve"} <= seen.names and seen.injections > 0,
    ),
    Rule(
        "traced",
        AttackType.INJECTION,
        ("T1055.008",),
        "another process attached to or written into by ptrace, which a debugger does too",
        _injects("ptrace"),
    ),
    Rule(
        "memory-written",
        AttackType.INJECTION,
        ("T1055",),
        "another process's memory written by process_vm_writev",
        _injects("process_vm_writev"),
    ),
    Rule(
        "proc-memory",
        AttackType.INJECTION,
        ("T1055.009",),
        "another process's memory written through /proc",
        lambda seen: seen.injections > 0 and bool(seen.seen["process memory"]),
    ),
    Rule(
        "writable-code",
        AttackType.INJECTION,
        ("T1620",),
        "code made in memory by a program that is no runtime known to compile as it runs",
        lambda seen: seen.injections > 0 and "mprotect" in seen.names and not seen.seen["runtime"],
    ),
    Rule(
        "hollowing",
        AttackType.INJECTION,
        ("T1055.012",),
        "a process made, its image unmapped, memory written and a thread's registers set before it runs",
        lambda seen: (
            seen.injections > 0
            and {"NtUnmapViewOfSection", "NtSetContextThread"} <= seen.names
            and bool(seen.names & WRITES_MEMORY)
        ),
    ),
    Rule(
        "hijacked-thread",
        AttackType.INJECTION,
        ("T1055.003",),
        "memory written and the registers of a suspended thread set",
        lambda seen: seen.injections > 0 and "NtSetContextThread" in seen.names and bool(seen.names & WRITES_MEMORY),
    ),
    Rule(
        "remote-thread",
        AttackType.INJECTION,
        ("T1055.002",),
        "memory written into another process and a thread started there",
        lambda seen: (
            seen.injections > 0
            and bool(seen.names & {"CreateRemoteThread", "RtlCreateUserThread"})
            and bool(seen.names & WRITES_MEMORY)
        ),
    ),
    Rule(
        "remote-thread-event",
        AttackType.INJECTION,
        ("T1055",),
        "a thread started in another process, where nothing is known of its memory",
        lambda seen: seen.injections > 0 and "CreateRemoteThread" in seen.names and not seen.names & WRITES_MEMORY,
    ),
    Rule(
        "queued-call",
        AttackType.INJECTION,
        ("T1055.004",),
        "memory written into another process and a call queued to one of its threads",
        lambda seen: (
            seen.injections > 0
            and bool(seen.names & {"NtQueueApcThread", "QueueUserAPC"})
            and bool(seen.names & WRITES_MEMORY)
        ),
    ),
    Rule(
        "elevation-key",
        AttackType.ESCALATION,
        ("T1548.002",),
        "the command that a program which elevates itself looks up, changed in the registry",
        lambda seen: (
            bool(seen.changed["elevation key"])
            or (bool(seen.seen["elevation key"]) and bool(seen.seen["elevation program"]))
        ),
    ),
    Rule(
        "account-secrets",
        AttackType.ESCALATION,
        ("T1003.008",),
        "/etc/shadow, by no program that lets a user become another (which reads PAM's files)",
        lambda seen: bool(seen.seen["shadow"]) and not seen.seen["elevator"],
    ),
    Rule(
        "rights",
        AttackType.ESCALATION,
        ("T1548.001",),
        "asking for more rights, and looking at mounts and one's own status in between",
        lambda seen: seen.privileges > 0 and bool(seen.seen["mounts"]),
    ),
    Rule(
        "password-store",
        AttackType.ESCALATION,
        ("T1003.002",),
        "the files or keys of Windows's account database",
        _saw("security accounts"),
    ),
    Rule(
        "lsass",
        AttackType.ESCALATION,
        ("T1003.001",),
        "the memory of lsass written out, or read by code of no module",
        lambda seen: bool(seen.seen["lsass dump"]) or (bool(seen.seen["lsass"]) and bool(seen.names & READS_SECRETS)),
    ),
    Rule("shell-start-up", None, ("T1546.004",), "a shell's start-up file beside a write", _written("shell start-up")),
    Rule("desktop-start-up", None, ("T1547.013",), "a desktop start-up entry written", _written("desktop start-up")),
    Rule("systemd-unit", None, ("T1543.002",), "a unit of systemd written", _written("systemd unit")),
    Rule("cron", None, ("T1053.003",), "a table of cron written", _written("cron table")),
    Rule("authorized-keys", None, ("T1098.004",), "a key that may log in, written", _written("authorized keys")),
    Rule(
        "settles",
        AttackType.PERSISTENCE,
        (),
        "two ways of being started again (start-up files, units, tables, keys, own programs), each beside a write",
        _settles,
    ),
    Rule(
        "run-key",
        AttackType.PERSISTENCE,
        ("T1547.001",),
        "a Run key or Winlogon value beside a change of the registry, or a file in the start-up folder beside a write",
        lambda seen: bool(seen.changed["run key"]) or bool(seen.written["start menu"]),
    ),
    Rule(
        "image-options",
        AttackType.PERSISTENCE,
        ("T1546.012",),
        "a debugger set for another program",
        _changed("image options"),
    ),
    Rule(
        "service",
        AttackType.PERSISTENCE,
        ("T1543.003",),
        "a service made, or the program of one set in the registry",
        lambda seen: "CreateService" in seen.names or bool(seen.changed["service program"]),
    ),
    Rule(
        "task",
        AttackType.PERSISTENCE,
        ("T1053.005",),
        "schtasks or at run, or the file of a task beside a write",
        lambda seen: bool(seen.seen["scheduler"]) or bool(seen.written["task"]),
    ),
    Rule(
        "security-settings",
        AttackType.EVASION,
        ("T1685",),
        "settings of Windows Defender, AMSI, the firewall or safe mode beside a change of the registry",
        _changed("security settings"),
    ),
    Rule(
        "windows-logs",
        AttackType.EVASION,
        ("T1685.005",),
        "an event log cleared, or wevtutil",
        lambda seen: bool(seen.seen["event log"]) or bool(seen.names & CLEARS_LOGS),
    ),
    Rule(
        "logs",
        AttackType.EVASION,
        ("T1685.006",),
        "a log of logins and two other logs changed where no other file was named: no rotation keeps what they said",
        lambda seen: bool(seen.tampered & seen.seen["system log"]) and len(seen.tampered) >= 3,
    ),
    Rule(
        "history",
        None,
        ("T1070.003",),
        "the command history changed where no other file was named",
        lambda seen: bool(seen.tampered & seen.seen["history"]),
    ),
    Rule(
        "port-scan",
        AttackType.SCANNER,
        ("T1046",),
        "twenty connections over which next to nothing went",
        _scans,
    ),
    Rule(
        "host-scan",
        AttackType.SCANNER,
        ("T1018",),
        "the same, to eight addresses",
        lambda seen: _scans(seen) and len(seen.addresses) >= 8,
    ),
    Rule(
        "reports",
        AttackType.BEACON,
        ("T1071",),
        "small messages again and again to few addresses, of some length, and more sent than received",
        _reports,
    ),
)

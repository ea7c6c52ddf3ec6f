"""The words for attacks: types, techniques of MITRE ATT&CK, and what a row of the rules is.

Techniques are those of ATT&CK Enterprise since v19, which split Defense Evasion and gave the clearing of logs new ids
(T1685.005 and .006 for what had been T1070.001 and .002).
"""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from drlactors.domain.attack.evidence import Evidence


class AttackType(StrEnum):
    """What a session's behaviour comes to."""

    RANSOMWARE = "ransomware"  # makes documents unreadable
    WIPER = "wiper"  # destroys documents
    MINER = "miner"  # takes computing time
    SWARM = "swarm"  # exhausts the machine with processes
    STEALER = "stealer"  # takes secrets
    SPY = "spy"  # watches what runs and what is typed
    INFECTOR = "infector"  # puts itself into files of others
    DROPPER = "dropper"  # brings further programs and runs them
    INJECTION = "injection"  # runs code in other processes, or from memory
    ESCALATION = "escalation"  # asks for rights it does not have
    PERSISTENCE = "persistence"  # arranges to be started again
    EVASION = "evasion"  # removes traces or switches protection off
    SCANNER = "scanner"  # looks for services
    BEACON = "beacon"  # reports to somebody again and again
    UNKNOWN = "unknown"  # single techniques that make no attack known here
    NONE = "none"  # nothing was recognised; not the same as benign


class Technique(NamedTuple):
    """A technique of MITRE ATT&CK Enterprise."""

    id: str  # "T1486", "T1055.003"
    name: str


class Rule(NamedTuple):
    """A row of the table."""

    id: str
    kind: AttackType | None
    techniques: tuple[str, ...]  # ids
    sees: str
    test: Callable[[Evidence], bool]


TECHNIQUES: dict[str, Technique] = {
    id_: Technique(id_, name)
    for id_, name in {
        "T1003.001": "LSASS Memory",
        "T1003.002": "Security Account Manager",
        "T1003.008": "/etc/passwd and /etc/shadow",
        "T1005": "Data from Local System",
        "T1016": "System Network Configuration Discovery",
        "T1018": "Remote System Discovery",
        "T1027.009": "Embedded Payloads",
        "T1033": "System Owner/User Discovery",
        "T1041": "Exfiltration Over C2 Channel",
        "T1046": "Network Service Discovery",
        "T1047": "Windows Management Instrumentation",
        "T1053.003": "Cron",
        "T1053.005": "Scheduled Task",
        "T1055": "Process Injection",
        "T1055.002": "Portable Executable Injection",
        "T1055.003": "Thread Execution Hijacking",
        "T1055.004": "Asynchronous Procedure Call",
        "T1055.008": "Ptrace System Calls",
        "T1055.009": "Proc Memory",
        "T1055.012": "Process Hollowing",
        "T1056.001": "Keylogging",
        "T1057": "Process Discovery",
        "T1059.001": "PowerShell",
        "T1059.005": "Visual Basic",
        "T1059.007": "JavaScript",
        "T1070.003": "Clear Command History",
        "T1071": "Application Layer Protocol",
        "T1080": "Taint Shared Content",
        "T1082": "System Information Discovery",
        "T1098.004": "SSH Authorized Keys",
        "T1105": "Ingress Tool Transfer",
        "T1113": "Screen Capture",
        "T1115": "Clipboard Data",
        "T1127.001": "MSBuild",
        "T1140": "Deobfuscate/Decode Files or Information",
        "T1197": "BITS Jobs",
        "T1218": "System Binary Proxy Execution",
        "T1218.003": "CMSTP",
        "T1218.004": "InstallUtil",
        "T1218.005": "Mshta",
        "T1218.009": "Regsvcs/Regasm",
        "T1218.010": "Regsvr32",
        "T1218.011": "Rundll32",
        "T1482": "Domain Trust Discovery",
        "T1485": "Data Destruction",
        "T1486": "Data Encrypted for Impact",
        "T1490": "Inhibit System Recovery",
        "T1496.001": "Compute Hijacking",
        "T1499": "Endpoint Denial of Service",
        "T1543.002": "Systemd Service",
        "T1543.003": "Windows Service",
        "T1546.004": "Unix Shell Configuration Modification",
        "T1546.012": "Image File Execution Options Injection",
        "T1547.001": "Registry Run Keys / Startup Folder",
        "T1547.013": "XDG Autostart Entries",
        "T1548.001": "Setuid and Setgid",
        "T1548.002": "Bypass User Account Control",
        "T1552.001": "Credentials In Files",
        "T1552.004": "Private Keys",
        "T1555.003": "Credentials from Web Browsers",
        "T1620": "Reflective Code Loading",
        "T1685": "Disable or Modify Tools",
        "T1685.005": "Clear Windows Event Logs",
        "T1685.006": "Clear Linux or Mac System Logs",
    }.items()
}

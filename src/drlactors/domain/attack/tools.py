"""Rules for what attacks borrow: interpreters and programs of the system, by which alone no attack is told."""

from drlactors.domain.attack.evidence import Evidence
from drlactors.domain.attack.kinds import Rule


def _run(technique: str, sees: str, *programs: str) -> Rule:
    places = [f"{program}.exe" for program in programs]
    return Rule(programs[0], None, (technique,), sees, lambda seen: any(seen.seen[place] for place in places))


def _uses_powershell(seen: Evidence) -> bool:
    return bool(seen.seen["powershell"]) or any(name.startswith("PowerShell") for name in seen.names)


TOOLS: tuple[Rule, ...] = (
    Rule("powershell", None, ("T1059.001",), "PowerShell, its library, or its own events", _uses_powershell),
    Rule(
        "vbscript",
        None,
        ("T1059.005",),
        "the library or a script of VBScript",
        lambda seen: bool(seen.seen["vbscript"]),
    ),
    Rule(
        "javascript",
        None,
        ("T1059.007",),
        "the library of JScript, or a script in a temporary folder",
        lambda seen: bool(seen.seen["javascript"]),
    ),
    _run("T1218.003", "runs what a profile of connections names", "cmstp"),
    _run("T1218.004", "runs what an assembly says is to be done at its installation", "installutil"),
    _run("T1218.005", "runs scripts of an HTML application", "mshta"),
    _run("T1218.009", "runs what a component says is to be done at its registration", "regsvcs", "regasm"),
    _run("T1218.010", "loads and runs a library or a script from afar", "regsvr32"),
    _run("T1218.011", "runs a function of any library", "rundll32"),
    _run("T1218", "run a program or library that they are handed", "wuauclt", "odbcconf", "pcalua", "forfiles"),
    _run("T1127.001", "runs code that a project file holds", "msbuild"),
    _run("T1140", "decodes files, and fetches them", "certutil"),
    _run("T1197", "fetches in the background, and runs what came", "bitsadmin"),
    _run("T1047", "asks Windows Management Instrumentation to do it", "wmic"),
    _run("T1033", "asks who one is", "whoami"),
    _run("T1082", "asks what machine it is", "systeminfo"),
    _run("T1057", "lists what runs", "tasklist"),
    _run("T1016", "lists the network's settings", "ipconfig"),
    _run("T1482", "lists the domains that are trusted", "nltest"),
)

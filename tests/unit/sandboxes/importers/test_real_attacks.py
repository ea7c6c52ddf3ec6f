"""What the rules call the reports that others made, where it is known what the sample was."""

from drlactors.domain.attack import AttackType, recognise
from tests.unit.sandboxes.importers.real import read, reports

#: By the beginning of the name: the type, and techniques that must be among those found.
KNOWN: dict[str, tuple[AttackType, set[str]]] = {
    "v2.2-55dcd387": (AttackType.NONE, set()),  # fsutil.exe
    "v2.2-d4690038": (AttackType.NONE, set()),  # a hello-world that half of all engines flag for its packer
    "v2.2-77c96105": (AttackType.NONE, set()),  # no process was traced
    "v2.4-2ebadd04": (AttackType.NONE, set()),
    "v2.4-0a0882b8": (AttackType.RANSOMWARE, {"T1486", "T1490"}),  # SunCrypt: notes, and shadow copies
    "v2.4-fb7ade52": (AttackType.PERSISTENCE, {"T1547.001"}),  # a miner by its command line, which is no telemetry
    "v2.4-5d61700f": (AttackType.UNKNOWN, {"T1059.001"}),  # a stager of CobaltStrike in PowerShell
    "v2.4-41ce492f": (AttackType.UNKNOWN, {"T1059.007"}),  # JScript
    "v2.4-8b9aaf4f": (AttackType.UNKNOWN, {"T1059.007"}),
    "10017": (AttackType.INJECTION, {"T1055.012"}),  # matsnu starts itself again and empties it
    "10022": (AttackType.INJECTION, {"T1055.012"}),
    "10028": (AttackType.SPY, {"T1056.001"}),  # a locker that watches the keyboard
}
#: Ransomware of 2012 to 2015 that did not get to work: nothing of it is in what was recorded.
SILENT = ("10002", "10003", "10007", "10011", "10015")


def test_reports_whose_sample_is_known_are_called_what_they_show(subtests):
    for folder in ("cape-reports", "cuckoo-reports"):
        for name, file in reports(folder):
            with subtests.test(name):
                found = recognise(read(file)[1].windows)
                for beginning, (kind, techniques) in KNOWN.items():
                    if name.startswith(beginning):
                        assert found.kind is kind
                        assert techniques <= set(found.techniques)
                if name in SILENT:
                    assert found.kind is AttackType.NONE

"""What is said of a sample in every standard: what it is, how sure that is, how grave, and where to read of it."""

from enum import StrEnum

from drlactors.domain.attack import AttackType
from drlactors.domain.pattern import AttackPattern, Truth


class Result(StrEnum):
    """The values of STIX's malware-result-ov."""

    MALICIOUS = "malicious"  # and BENIGN: what was concluded, or what a person said
    BENIGN = "benign"
    SUSPICIOUS = "suspicious"  # nothing was concluded, and the policy held it for malicious rather than not
    UNKNOWN = "unknown"


#: "High" on the scale None, Low, Med, High, as STIX 2.1 puts it into numbers (appendix A).
CONCLUDED = 85
INFORMATIONAL, LOW, MEDIUM, HIGH, CRITICAL = 1, 2, 3, 4, 5
#: How grave each kind of attack is, by what it costs when it succeeds. The words are OCSF's, the choice is ours.
SEVERITY: dict[AttackType, int] = {
    AttackType.RANSOMWARE: CRITICAL,
    AttackType.WIPER: CRITICAL,
    AttackType.STEALER: HIGH,
    AttackType.SPY: HIGH,
    AttackType.INFECTOR: HIGH,
    AttackType.DROPPER: HIGH,
    AttackType.INJECTION: HIGH,
    AttackType.ESCALATION: HIGH,
    AttackType.BEACON: HIGH,
    AttackType.PERSISTENCE: MEDIUM,
    AttackType.EVASION: MEDIUM,
    AttackType.MINER: MEDIUM,
    AttackType.SWARM: MEDIUM,
    AttackType.SCANNER: MEDIUM,
    AttackType.UNKNOWN: MEDIUM,
    AttackType.NONE: MEDIUM,
}


def result(pattern: AttackPattern) -> Result:
    match pattern.truth:
        case Truth.MALICIOUS:
            return Result.MALICIOUS
        case Truth.BENIGN:
            return Result.BENIGN
        case None:
            return Result.SUSPICIOUS if pattern.confidence >= 0.5 else Result.UNKNOWN


def percent(pattern: AttackPattern) -> int | None:
    """How sure the result is, 0 to 100.

    Of what was concluded it is ``CONCLUDED``: the policy may have held otherwise at its window, which says nothing
    against the conclusion. Of what is suspicious it is the policy's chance, as it was calibrated. Nothing is said of
    what is unknown.
    """
    match result(pattern):
        case Result.MALICIOUS | Result.BENIGN:
            return CONCLUDED
        case Result.SUSPICIOUS:
            return round(100 * pattern.confidence)
        case Result.UNKNOWN:
            return None


def severity(pattern: AttackPattern) -> int:
    match result(pattern):
        case Result.MALICIOUS:
            return SEVERITY[pattern.attack.kind]
        case Result.SUSPICIOUS:
            return SEVERITY[pattern.attack.kind] - 1
        case _:
            return INFORMATIONAL


def technique_url(id_: str) -> str:
    """The page of a technique of MITRE ATT&CK."""
    return f"https://attack.mitre.org/techniques/{id_.replace('.', '/')}/"

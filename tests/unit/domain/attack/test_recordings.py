"""What the rules find among the recorded sessions, and what they mistake, for each type of attack.

The recordings are emulations by one author, and the rules were written looking at them: these figures say that the
rules do what they are for. They are no detection rates.
"""

from collections import Counter
from collections.abc import Mapping

import pytest

from drlactors.domain.attack import AttackType, recognise
from drlactors.sandboxes.recording import recordings

#: What each malicious family is, in the words of the rules.
KINDS: dict[str, AttackType] = {
    "beacon": AttackType.BEACON,
    "dropper": AttackType.DROPPER,
    "escalation": AttackType.ESCALATION,
    "infector": AttackType.INFECTOR,
    "injector": AttackType.INJECTION,
    "miner": AttackType.MINER,
    "persistence": AttackType.PERSISTENCE,
    "ransomware": AttackType.RANSOMWARE,
    "scanner": AttackType.SCANNER,
    "spy": AttackType.SPY,
    "stealer": AttackType.STEALER,
    "swarm": AttackType.SWARM,
    "trace-removal": AttackType.EVASION,
    "wiper": AttackType.WIPER,
}
#: (precision, recall) over all 262 sessions, ordinary ones too, as measured. What is missed: beacons that fetch more
#: than they send (2 of 14) or are answered at length (1); a script piped into a shell (2 of 10 droppers); hashing
#: without a pool (4 of 10 miners), which ordinary computing looks like; ransomware that changes texts only (2 of 22);
#: logs removed among other work (4 of 8 trace removals, 2 of them known by one technique); one stealer that had not
#: sent yet; and two sessions that had not begun to act when their time was over. What is mistaken: ordinary programs
#: that seal documents one by one (6 of 14 sessions of vault and encryption), an administrator's look at ports (2), and
#: an installer that looks up account secrets (1).
MEASURED: dict[AttackType, tuple[float, float]] = {
    AttackType.BEACON: (1.00, 0.79),
    AttackType.DROPPER: (1.00, 0.70),
    AttackType.ESCALATION: (0.86, 1.00),
    AttackType.INFECTOR: (1.00, 1.00),
    AttackType.INJECTION: (1.00, 1.00),
    AttackType.MINER: (1.00, 0.60),
    AttackType.PERSISTENCE: (1.00, 1.00),
    AttackType.RANSOMWARE: (0.76, 0.86),
    AttackType.SCANNER: (0.80, 1.00),
    AttackType.SPY: (1.00, 1.00),
    AttackType.STEALER: (1.00, 0.90),
    AttackType.SWARM: (1.00, 1.00),
    AttackType.EVASION: (1.00, 0.50),
    AttackType.WIPER: (1.00, 1.00),
}
#: What is left open below what was measured.
SLACK = 0.05


@pytest.fixture(scope="module")
def found() -> Mapping[tuple[str, AttackType], int]:
    """How often each family was recognised as what; ordinary families are one, named ``ordinary``."""
    return Counter((one.family if one.malicious else "ordinary", recognise(one.windows).kind) for one in recordings())


@pytest.mark.parametrize(("family", "kind"), KINDS.items())
def test_a_type_is_found_and_not_mistaken(found, family, kind):
    right = found[family, kind]
    recall = right / sum(number for (who, _), number in found.items() if who == family)
    precision = right / sum(number for (_, what), number in found.items() if what is kind)
    print(f"{kind}: precision {precision:.2f}, recall {recall:.2f}")
    least_precision, least_recall = MEASURED[kind]
    assert precision >= least_precision - SLACK
    assert recall >= least_recall - SLACK


def test_ordinary_programs_rarely_look_like_an_attack(found):
    ordinary = {kind: number for (who, kind), number in found.items() if who == "ordinary"}
    attacks = sum(number for kind, number in ordinary.items() if kind not in (AttackType.NONE, AttackType.UNKNOWN))
    assert attacks / sum(ordinary.values()) <= 0.08, ordinary  # measured: 9 of 130


def test_malicious_programs_are_mostly_recognised_as_something(found):
    nothing = sum(number for (who, kind), number in found.items() if who != "ordinary" and kind is AttackType.NONE)
    assert nothing / 132 <= 0.15  # measured: 16 of 132

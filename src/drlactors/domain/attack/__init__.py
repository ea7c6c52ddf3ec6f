"""Names what a session's behaviour comes to: an attack type, and techniques of MITRE ATT&CK.

Rules, not a model: each is one row of ``RULES``, which says what it sees and which technique that is. They look at what
windows hold: counts, names of calls, paths, registry keys and flags, nothing that is known at the end only. What is
recognised describes a session; whether its artifact is malicious is another question, which a policy and people answer.

Thresholds were set by hand, looking at the recordings and at reports of Windows sandboxes. What they find and mistake
among the recordings is measured in the tests; it says what the rules are for, and nothing about malware they have not
seen.
"""

from collections.abc import Iterable
from typing import NamedTuple

from drlactors.domain.attack.aims import AIMS
from drlactors.domain.attack.evidence import gather
from drlactors.domain.attack.kinds import TECHNIQUES, AttackType, Rule, Technique
from drlactors.domain.attack.means import MEANS
from drlactors.domain.attack.tools import TOOLS
from drlactors.domain.telemetry import Window

__all__ = ["RULES", "TECHNIQUES", "AttackType", "Recognised", "Rule", "Technique", "recognise"]


#: What an attack is out for names it before its means do.
RULES: tuple[Rule, ...] = (*AIMS, *MEANS, *TOOLS)


class Recognised(NamedTuple):
    """What a session came to."""

    kind: AttackType
    techniques: tuple[str, ...]  # ids, in ascending order
    rules: tuple[str, ...]  # ids of all that matched, in the order of the table


def recognise(windows: Iterable[Window]) -> Recognised:
    """The attack type and the techniques of a session's windows, given in their order.

    ``none`` where no rule matched; ``unknown`` where only such did that name no attack.
    """
    evidence = gather(windows)
    matched = [rule for rule in RULES if rule.test(evidence)]
    kind = next((rule.kind for rule in matched if rule.kind), AttackType.UNKNOWN if matched else AttackType.NONE)
    techniques = sorted({id_ for rule in matched for id_ in rule.techniques})
    return Recognised(kind, tuple(techniques), tuple(rule.id for rule in matched))

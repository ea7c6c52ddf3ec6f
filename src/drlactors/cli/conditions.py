"""The conditions on patterns that commands take, as a query has them."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from drlactors.ports.patterns import Query

Answer = Literal["", "continue", "isolate", "terminate", "quarantine", "review"]
Known = Literal["", "malicious", "benign"]
_TECHNIQUE = re.compile(r"T\d{4}(\.\d{3})?", re.ASCII)
_SHA256 = re.compile("[0-9a-f]{64}")


class NotATime(Exception):
    """A time is written as 2026-11-30, 2026-11-30T12:00 or 2026-11-30T12:00:00Z; without a zone it is UTC."""


@Parameter(name="*")
@dataclass(frozen=True)
class Conditions:
    """Those that are empty do not count.

    Parameters
    ----------
    type_
        What the telemetry looks like: ransomware, wiper, miner, injection, ..., unknown, none.
    technique
        Of MITRE ATT&CK, with its sub-techniques: T1055 finds T1055.003 too.
    artifact
        A SHA-256.
    sandbox
        The sandbox's name.
    action
        The answer to the deciding window.
    truth
        What the sample turned out to be, as it is known today.
    since
        Decided then or later.
    until
        Decided before.
    ran_since
        Began to run then or later by its sandbox's clock, whenever it was decided: a report that is imported is years
        old. Where that clock said nothing that can be, a pattern is not found so.
    ran_until
        Began to run before.
    """

    type_: str = ""
    technique: str = ""
    artifact: str = ""
    sandbox: str = ""
    action: Answer = ""
    truth: Known = ""
    since: str = ""
    until: str = ""
    ran_since: str = ""
    ran_until: str = ""

    def query(self) -> "Query":
        """Raises NotATime, and SystemExit for a kind of attack, technique or digest that is none."""
        from drlactors.domain.action import Action
        from drlactors.domain.attack import AttackType
        from drlactors.domain.pattern import Truth
        from drlactors.ports.patterns import Query

        if self.type_ not in ("", *AttackType):
            raise SystemExit(f"--type {self.type_}: it is one of {', '.join(AttackType)}")
        technique, artifact = self.technique.strip().upper(), self.artifact.strip().lower()
        if technique and not _TECHNIQUE.fullmatch(technique):
            raise SystemExit(f"--technique {self.technique}: it is written as T1055 or T1055.003")
        if artifact and not _SHA256.fullmatch(artifact):
            raise SystemExit(f"--artifact {self.artifact}: a SHA-256 has 64 hexadecimal digits")
        return Query(
            attack=AttackType(self.type_) if self.type_ else None,
            technique=technique,
            artifact=artifact,
            sandbox=self.sandbox,
            action=Action[self.action.upper()] if self.action else None,
            truth=Truth(self.truth) if self.truth else None,
            since_us=_instant_us(self.since) if self.since else None,
            until_us=_instant_us(self.until) if self.until else None,
            ran_since_us=_instant_us(self.ran_since) if self.ran_since else None,
            ran_until_us=_instant_us(self.ran_until) if self.ran_until else None,
        )


#: What commands take where nothing is said.
ALL = Conditions()


def _instant_us(text: str) -> int:
    from datetime import UTC, datetime

    try:
        said = datetime.fromisoformat(text)
    except ValueError as error:
        raise NotATime from error
    return round((said if said.tzinfo else said.replace(tzinfo=UTC)).timestamp() * 1_000_000)

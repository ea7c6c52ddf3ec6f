"""What is recorded: every artifact of the collection, ordinary and malicious, with its parameters."""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import Any

from drlactors.sandboxes.plan_malicious import LINES as MALICIOUS_LINES
from drlactors.sandboxes.plan_malicious import PROGRAMS as MALICIOUS_PROGRAMS
from drlactors.sandboxes.plan_ordinary import LINES as ORDINARY_LINES
from drlactors.sandboxes.plan_ordinary import PROGRAMS as ORDINARY_PROGRAMS

#: How long a stage watches.
STAGE_1_MS, STAGE_2_MS = 6_000, 12_000
_PAUSES_S = (0.02, 0.05, 0.1, 0.15, 0.25, 0.4, 0.6)
_LENGTHS_S = (3.0, 4.0, 5.0, 7.0, 9.0, 11.0, 13.0)
#: Ordinary programs wait before they work about as often as the others stall.
_FIRSTS = (("nothing", 0.0),) * 7 + (("sleep", 1.5), ("tidy", 2.0), ("naps", 2.5))


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One program with its parameters."""

    family: str
    variant: str
    malicious: bool
    source: str  # the module in behaviours/, or "shell" for lines that a shell runs
    options: dict[str, Any]
    needs: tuple[str, ...] = ()  # commands that have to be installed

    @property
    def name(self) -> str:
        """Unique in the plan."""
        return f"{self.family}/{self.variant}"


def artifacts() -> tuple[Artifact, ...]:
    """The whole plan, always the same. Length, pace and beginning come from the same dice for both classes."""
    found = [
        *_programs(ORDINARY_PROGRAMS, malicious=False),
        *_lines(ORDINARY_LINES, malicious=False),
        *_programs(MALICIOUS_PROGRAMS, malicious=True),
        *_lines(MALICIOUS_LINES, malicious=True),
    ]
    return tuple(found)


def _tempo(name: str, options: dict[str, Any]) -> dict[str, Any]:
    dice = Random(name)
    first, delay_s = dice.choice(_FIRSTS)
    common = {"seconds": dice.choice(_LENGTHS_S), "pause_s": dice.choice(_PAUSES_S), "first": first, "delay_s": delay_s}
    return {**common, **options}


def _programs(table: Iterable[tuple[str, str, str, dict[str, Any]]], *, malicious: bool) -> list[Artifact]:
    return [
        Artifact(
            family=family,
            variant=variant,
            malicious=malicious,
            source=source,
            options=_tempo(f"{family}/{variant}", options),
        )
        for family, variant, source, options in table
    ]


def _lines(table: Iterable[tuple[str, str, str, tuple[str, ...]]], *, malicious: bool) -> list[Artifact]:
    """Every third runs in a bare shell, the others below a Python script, in both classes."""
    return [
        Artifact(
            family=family,
            variant=variant,
            malicious=malicious,
            source="shell" if number % 3 == 2 else "jobs",
            options=_tempo(f"{family}/{variant}", {"lines": list(lines)}),
            needs=tuple(needs.split()),
        )
        for number, (family, variant, needs, lines) in enumerate(table)
    ]

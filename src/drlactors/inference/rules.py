"""The rule policy: thresholds that a person can read, for when there is no model, a broken one or a late answer."""

import hashlib
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from drlactors.domain.action import Action
from drlactors.domain.features import FeatureSchema, Vectors
from drlactors.ports.policy import PolicyError, PolicyInfo, Values

NAME = "rules-1"  # raised with every change of a rule's meaning
MOST_REASONS = 3


class Stance(IntEnum):
    """What a rule holds the sample for, the gravest last; the gravest rule that fires decides."""

    CALM = 0
    UNSURE = 1
    CONTAIN = 2
    STOP = 3
    STOP_ISOLATED = 4  # as STOP, once it is isolated


#: What the actions are worth in each stance, in the order of Action: continue, isolate, terminate, quarantine, review.
#: Where the first choice is not permitted, the next one is what a person would do next.
_WORTH = np.array(
    [
        (0.5, 0.1, -0.5, -0.6, 0.2),
        (0.5, 0.2, -0.5, -0.6, 0.6),
        (0.3, 0.8, -0.5, -0.6, 0.6),
        (0.1, 0.8, 0.7, 0.6, 0.3),
        (0.1, 0.7, 0.9, 0.8, 0.3),
    ],
    dtype=np.float32,
)


class Condition(NamedTuple):
    feature: str
    least: float  # of the feature in [0, 1]


class Rule(NamedTuple):
    """Fires when all its conditions hold; never where the schema lacks one of their features."""

    name: str
    stance: Stance
    conditions: tuple[Condition, ...]


class Thresholds(NamedTuple):
    """The numbers of the rules, in the features' own scale; this is the one place of their defaults."""

    notable_syscalls: float = 0.5  # 4 kinds of system calls that touch other processes or rights
    changed: float = 0.5  # of change_burden: some 300 files written or deleted so far
    deleting: float = 0.3  # of delete_ratio: nearly every third change is a deletion
    writing: float = 0.5  # of file_io_ratio: half of all file access changes files
    sensitive: float = 0.05  # of sensitive_path_ratio: every twentieth path
    uploading: float = 0.7  # of upload_ratio: more than two thirds of the traffic goes out
    scanning: float = 0.5  # of connection_rate: some 30 connections a second
    long_run: float = 0.6  # of elapsed: some 45 seconds
    hidden: float = 0.3  # of temporary_path_ratio


DEFAULTS = Thresholds()


def rules(thresholds: Thresholds) -> tuple[Rule, ...]:
    """The rules in order of gravity, which is also the order of their names in a rationale."""
    t = thresholds
    injection = Condition("code_injection_detected", 0.5)
    privilege = Condition("privilege_escalation_attempt", 0.5)
    changed = Condition("change_burden", t.changed)
    deleting = Condition("delete_ratio", t.deleting)
    writing = Condition("file_io_ratio", t.writing)
    sensitive = Condition("sensitive_path_ratio", t.sensitive)
    return (
        Rule("code injection", Stance.STOP, (injection,)),
        Rule("privilege escalation", Stance.STOP, (privilege, Condition("notable_syscalls", t.notable_syscalls))),
        Rule("mass change of files", Stance.STOP, (changed, deleting, writing)),
        Rule("upload after sensitive paths", Stance.CONTAIN, (sensitive, Condition("upload_ratio", t.uploading))),
        Rule("attempt at privileges", Stance.CONTAIN, (privilege,)),
        Rule("many connections", Stance.UNSURE, (Condition("connection_rate", t.scanning),)),
        Rule("sensitive paths", Stance.UNSURE, (sensitive, Condition("elapsed", t.long_run))),
        Rule("hidden work", Stance.UNSURE, (Condition("temporary_path_ratio", t.hidden), writing, deleting)),
    )


class RulePolicy:
    """Ranks by rules; the same for any feature schema, less the rules whose features it lacks."""

    def __init__(self, schema: FeatureSchema, thresholds: Thresholds = DEFAULTS) -> None:
        own = "" if thresholds == DEFAULTS else f"-{hashlib.sha256(repr(thresholds).encode()).hexdigest()[:8]}"
        self._info = PolicyInfo(id=NAME + own, schema=schema.id, path="")
        self._width = len(schema.names)
        self._rules = [
            (rule, [schema.names.index(name) for name, _ in rule.conditions], [least for _, least in rule.conditions])
            for rule in rules(thresholds)
            if all(name in schema.names for name, _ in rule.conditions)
        ]
        self._isolation = schema.names.index("isolation") if "isolation" in schema.names else None

    @property
    def info(self) -> PolicyInfo:
        return self._info

    def rank(self, vectors: Vectors) -> Values:
        """Values for all rows. Raises PolicyError when a vector does not fit the schema."""
        if vectors.ndim != 2 or vectors.shape[1] != self._width:
            raise PolicyError(f"vectors of shape {vectors.shape}, the rules were made for {self._width} features")
        stances = np.zeros(len(vectors), dtype=np.intp)
        for rule, columns, least in self._rules:
            fired = (vectors[:, columns] >= least).all(axis=1)
            np.maximum(stances, fired * int(rule.stance), out=stances)
        if self._isolation is not None:
            stances[(stances == Stance.STOP) & (vectors[:, self._isolation] > 0)] = Stance.STOP_ISOLATED
        return _WORTH[stances]

    def because(self, vector: Vectors, action: Action) -> tuple[str, ...]:
        """The names of the rules that fired and hold the sample for bad enough that the action follows."""
        return tuple(
            rule.name
            for rule, columns, least in self._rules
            if (vector[0, columns] >= least).all() and _WORTH[rule.stance, action] > _WORTH[Stance.CALM, action]
        )[:MOST_REASONS]

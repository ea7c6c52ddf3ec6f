"""An attack pattern as a Detection Finding of OCSF 1.6.0 (class 2004)."""

from typing import Any

from drlactors.domain.attack import TECHNIQUES, AttackType
from drlactors.domain.pattern import AttackPattern
from drlactors.exports.assessment import Result, percent, result, severity, technique_url
from drlactors.exports.ocsf.event import begun, choice, file, hash_at, milliseconds
from drlactors.exports.ocsf.schema import ANALYTIC_TYPES, CONFIDENCES, FINDING_STATES, MALWARE
from drlactors.exports.producer import Producer

FINDING, CREATE, NEW = 2004, 1, 1
RULE, LEARNED = 1, 4
#: The matrix of which the techniques are: ``domain/attack/kinds.py``.
ATTACK_VERSION = "19"
#: OCSF's word for a kind of attack where it has one; the others are 0, unknown.
CLASSIFICATIONS: dict[AttackType, int] = {
    AttackType.RANSOMWARE: 10,
    AttackType.WIPER: 21,
    AttackType.MINER: 13,
    AttackType.STEALER: 17,
    AttackType.SPY: 17,
    AttackType.INFECTOR: 19,
    AttackType.DROPPER: 7,
}


def finding(pattern: AttackPattern, producer: Producer) -> dict[str, Any]:
    """Benign sessions give findings too: of informational severity, and no alerts."""
    said, sure = result(pattern), percent(pattern)
    # What is said otherwise later is another event, of the same finding: who collects events drops a repeated one.
    of = (pattern.session, said, sure, *pattern.attack, pattern.first_seen_us, pattern.last_seen_us)
    event = begun(FINDING, CREATE, severity(pattern), pattern.decided_us, producer, *of, episode=pattern.episode)
    event |= {
        "message": f"{said}: {_behaviour(pattern)}, answered with {pattern.action.name.lower()}",
        **choice("status_id", "status", NEW, FINDING_STATES),
        **choice("confidence_id", "confidence", 0 if sure is None else _third(sure), CONFIDENCES),
        "is_alert": said in (Result.MALICIOUS, Result.SUSPICIOUS),
        "finding_info": _info(pattern),
        "evidences": [{"file": file(pattern.artifact)}],
        "observables": [hash_at("evidences.file", pattern.artifact)],
        "resources": [{"name": pattern.sandbox, "type": "sandbox"}],
        "unmapped": {
            "result": said,
            "session": str(pattern.session),
            "stage": pattern.stage,
            "window": pattern.seq,
            "action": pattern.action.name.lower(),
            "policy_confidence": pattern.confidence,
            "reward": pattern.reward,
            "feature_schema": pattern.schema,
            "artifact_kind": pattern.artifact.kind,
        },
    }
    if ran := _ran(pattern):
        first, last = ran
        event |= {"start_time": first, "end_time": last, "duration": last - first}
    if sure is not None:
        event["confidence_score"] = sure
    if said is Result.MALICIOUS:
        event["malware"] = [_malware(pattern)]
    return event


def _ran(pattern: AttackPattern) -> tuple[int, int] | None:
    """By the sandbox's clock; None where it said none."""
    if pattern.first_seen_us is None or pattern.last_seen_us is None:
        return None
    return milliseconds(pattern.first_seen_us), milliseconds(pattern.last_seen_us)


def _info(pattern: AttackPattern) -> dict[str, Any]:
    info: dict[str, Any] = {
        "uid": str(pattern.session),
        "title": f"{_behaviour(pattern)} in {pattern.sandbox}",
        "types": [pattern.attack.kind],
        "created_time": milliseconds(pattern.decided_us),
        "analytic": _analytic(pattern.policy, RULE if pattern.policy.startswith("rules") else LEARNED),
    }
    if ran := _ran(pattern):
        info["first_seen_time"], info["last_seen_time"] = ran
    if pattern.attack.rules:
        info["related_analytics"] = [_analytic(rule, RULE) for rule in pattern.attack.rules]
    if pattern.attack.techniques:
        info["attacks"] = [_attack(technique) for technique in pattern.attack.techniques]
    return info


def _behaviour(pattern: AttackPattern) -> str:
    kind = pattern.attack.kind
    return "no known attack" if kind is AttackType.NONE else f"behaviour of the kind {kind}"


def _analytic(uid: str, kind: int) -> dict[str, Any]:
    return {"uid": uid, "name": uid, **choice("type_id", "type", kind, ANALYTIC_TYPES)}


def _attack(technique: str) -> dict[str, Any]:
    parent, _, sub = technique.partition(".")
    attack: dict[str, Any] = {"technique": _technique(parent), "version": ATTACK_VERSION}
    if sub:
        attack["sub_technique"] = _technique(technique)
    return attack


def _technique(id_: str) -> dict[str, Any]:
    known = TECHNIQUES.get(id_)
    return {"uid": id_, **({"name": known.name} if known else {}), "src_url": technique_url(id_)}


def _malware(pattern: AttackPattern) -> dict[str, Any]:
    kind = CLASSIFICATIONS.get(pattern.attack.kind, 0)
    return {"uid": pattern.artifact.sha256, "classification_ids": [kind], "classifications": [MALWARE[kind]]}


def _third(percent: int) -> int:
    """Low, medium or high."""
    return 1 if percent < 34 else 2 if percent < 67 else 3

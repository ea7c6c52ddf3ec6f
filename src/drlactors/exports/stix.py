"""Attack patterns as a STIX 2.1 bundle, object by object: it may be of any length.

Of each session: the artifact as a `file`, the session as a `malware-analysis` of it, and the ATT&CK techniques that
were recognised as `attack-pattern`. Only of a sample that is known to be malicious there is `malware`, which uses these
techniques, and an `indicator`: the artifact's digest. Other samples are related to techniques: their behaviour is like
them, and nothing more is said.

Ids are the same at each export. That of a `file` follows from its digest as STIX says (2.9, version 5 in STIX's own
namespace); the others are version 5 in a namespace of ours, as STIX leaves open. In STIX an object that says something
else is a later version, with a later `modified`, and no such time would be the same at each export. So the id of an
analysis, of malware and of an indicator follows from all that it says: where something else is known later (the truth,
the calibration, newer rules), it is another object. Files and techniques stand in a bundle once, as long as they
are among the last ``REMEMBERED``; a repeated one says the same.

`first_seen`, `last_seen`, `analysis_started` and `analysis_ended` are when the sample ran by its sandbox's clock, and
left out where it said none that can be. `created` and `valid_from` are by ours: when it was over, and decided.

`confidence` is how sure the result is (``assessment.percent``); what rules recognised has none.
"""

import hashlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid5

from drlactors.domain.attack import TECHNIQUES, AttackType
from drlactors.domain.pattern import AttackPattern
from drlactors.exports.assessment import Result, percent, result, technique_url
from drlactors.exports.plain import compact, instant
from drlactors.exports.producer import PRODUCT, Producer

_SCO = UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
#: When what does not come from a session was first said: STIX wants a time, and the same one at each export.
SAID_US = 1_767_225_600_000_000  # 2026-01-01
REMEMBERED = 65_536
#: STIX's malware-type-ov, where it has a word for a kind of attack.
MALWARE_TYPES: dict[AttackType, str] = {
    AttackType.RANSOMWARE: "ransomware",
    AttackType.WIPER: "wiper",
    AttackType.MINER: "resource-exploitation",
    AttackType.STEALER: "spyware",
    AttackType.SPY: "spyware",
    AttackType.INFECTOR: "virus",
    AttackType.DROPPER: "dropper",
}

Object = dict[str, Any]


def bundle(patterns: Iterable[AttackPattern], producer: Producer) -> Iterator[str]:
    """The text, piece by piece."""
    yield '{"type":"bundle","objects":[\n'
    digest, between = hashlib.sha256(), ""
    for each in objects(patterns, producer):
        text = compact(each)
        digest.update(text.encode())
        yield between + text
        between = ",\n"
    yield f'\n],"id":"bundle--{producer.id("bundle", digest.hexdigest())}"}}\n'


def objects(patterns: Iterable[AttackPattern], producer: Producer) -> Iterator[Object]:
    """What is in the bundle, the referred to before what refers to it."""
    said: dict[str, None] = {}
    identity = _object("identity", producer.id("identity"), SAID_US)
    yield identity | {"name": f"{PRODUCT} {producer.instance}", "identity_class": "system"}
    for pattern in patterns:
        for each in _of(pattern, producer, identity["id"]):
            if each["id"] not in said:
                yield each
            said.pop(each["id"], None)
            said[each["id"]] = None
        while len(said) > REMEMBERED:
            del said[next(iter(said))]


def _of(pattern: AttackPattern, producer: Producer, by: str) -> Iterator[Object]:
    said = result(pattern)
    file = _file(pattern.artifact.sha256)
    techniques = [_technique(id_, producer) for id_ in pattern.attack.techniques]
    analysis = _analysis(pattern, said, file["id"], producer, by)
    yield from (file, *techniques, analysis)
    if said is not Result.MALICIOUS:
        for technique in techniques:
            yield _relationship(analysis, "related-to", technique, producer)
        return
    malware = {
        "created_by_ref": by,
        "name": pattern.artifact.sha256,
        "is_family": False,
        "malware_types": [MALWARE_TYPES.get(pattern.attack.kind, "unknown")],
        "sample_refs": [file["id"]],
        **_ran(pattern, "first_seen", "last_seen"),
        **_sure(pattern),
    }
    indicator = {
        "created_by_ref": by,
        "name": pattern.artifact.sha256,
        "indicator_types": ["malicious-activity"],
        "pattern": f"[file:hashes.'SHA-256' = '{pattern.artifact.sha256}']",
        "pattern_type": "stix",
        "pattern_version": "2.1",
        "valid_from": _time(pattern.decided_us),
        **_sure(pattern),
    }
    malware = _of_session("malware", malware, pattern, producer)
    indicator = _of_session("indicator", indicator, pattern, producer)
    yield from (malware, indicator)
    yield _relationship(analysis, "dynamic-analysis-of", malware, producer)
    yield _relationship(indicator, "indicates", malware, producer) | _sure(pattern)
    for technique in techniques:
        yield _relationship(malware, "uses", technique, producer)


def _analysis(pattern: AttackPattern, said: Result, file: str, producer: Producer, by: str) -> Object:
    analysis = {
        "created_by_ref": by,
        "product": PRODUCT,
        "version": producer.version,
        "analysis_engine_version": pattern.policy,
        "analysis_definition_version": pattern.schema,
        **_ran(pattern, "analysis_started", "analysis_ended"),
        "result": said,
        "result_name": pattern.attack.kind,
        "sample_ref": file,
        "external_references": [{"source_name": f"{PRODUCT} session", "external_id": str(pattern.session)}],
        **_sure(pattern),
    }
    return _of_session("malware-analysis", analysis, pattern, producer)


def _of_session(kind: str, content: Object, pattern: AttackPattern, producer: Producer) -> Object:
    id_ = producer.id(kind, pattern.session, hashlib.sha256(compact(content).encode()).hexdigest())
    return _object(kind, id_, pattern.ended_us) | content


def _file(sha256: str) -> Object:
    hashes = {"SHA-256": sha256}
    named = compact({"hashes": hashes})
    return {"type": "file", "spec_version": "2.1", "id": f"file--{uuid5(_SCO, named)}", "hashes": hashes}


def _technique(id_: str, producer: Producer) -> Object:
    known = TECHNIQUES.get(id_)
    return _object("attack-pattern", producer.id("technique", id_), SAID_US) | {
        "name": known.name if known else id_,
        "external_references": [{"source_name": "mitre-attack", "external_id": id_, "url": technique_url(id_)}],
    }


def _relationship(source: Object, kind: str, target: Object, producer: Producer) -> Object:
    made = _object("relationship", producer.id(kind, source["id"], target["id"]), 0)
    return made | {
        "created": source["created"],
        "modified": source["modified"],
        "relationship_type": kind,
        "source_ref": source["id"],
        "target_ref": target["id"],
    }


def _ran(pattern: AttackPattern, first: str, last: str) -> Object:
    if pattern.first_seen_us is None or pattern.last_seen_us is None:
        return {}
    return {first: _time(pattern.first_seen_us), last: _time(pattern.last_seen_us)}


def _sure(pattern: AttackPattern) -> Object:
    sure = percent(pattern)
    return {} if sure is None else {"confidence": sure}


def _object(kind: str, id_: UUID, at_us: int) -> Object:
    return {
        "type": kind,
        "spec_version": "2.1",
        "id": f"{kind}--{id_}",
        "created": _time(at_us),
        "modified": _time(at_us),
    }


@lru_cache(64)  # a pattern has five times, which stand in its objects twenty times over
def _time(at_us: int) -> str:
    """To the millisecond, as STIX has ``created`` and ``modified``."""
    return instant(at_us)[:-4] + "Z"

"""What is exported as STIX is STIX 2.1, by the library that OASIS keeps."""

import json
from collections import Counter
from uuid import UUID

import pytest
import stix2
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drlactors.domain.attack import AttackType, Recognised
from drlactors.domain.pattern import Truth
from drlactors.exports import stix
from drlactors.exports.stix import bundle, objects
from tests.unit.exports.patterns import PRODUCER, pattern, patterns


def parsed(*given_patterns):
    return stix2.parse("".join(bundle(given_patterns, PRODUCER)), allow_custom=False, version="2.1")


def of_type(kind, *given_patterns):
    return [each for each in objects(given_patterns, PRODUCER) if each["type"] == kind]


@settings(max_examples=100)
@given(several=st.lists(patterns(), max_size=3))
def test_whatever_the_patterns_the_bundle_is_sound(several):
    whole = parsed(*several)
    assert all(not each.get("confidence") or 0 <= each["confidence"] <= 100 for each in whole.get("objects", []))


@pytest.mark.parametrize("kind", AttackType)
@pytest.mark.parametrize("truth", [*Truth, None])
def test_each_kind_of_pattern_is_sound(kind, truth):
    attack = pattern().attack._replace(kind=kind)
    assert parsed(pattern(attack=attack, truth=truth)).objects


def test_all_that_is_referred_to_stands_before():
    known: set[str] = set()
    for each in objects([pattern(), pattern(1, truth=Truth.BENIGN), pattern(2, truth=None)], PRODUCER):
        refers = {value for name, value in each.items() if name.endswith("_ref")} | set(each.get("sample_refs", ()))
        assert refers <= known
        known.add(each["id"])


def test_a_malicious_sample_is_malware_that_uses_techniques():
    counted = Counter(each["type"] for each in objects([pattern()], PRODUCER))
    assert counted == {
        "identity": 1,
        "file": 1,
        "malware-analysis": 1,
        "malware": 1,
        "indicator": 1,
        "attack-pattern": 2,
        "relationship": 4,
    }
    kinds = Counter(each["relationship_type"] for each in of_type("relationship", pattern()))
    assert kinds == {"uses": 2, "indicates": 1, "dynamic-analysis-of": 1}
    [technique, encrypted] = of_type("attack-pattern", pattern())
    assert technique["external_references"][0]["external_id"] == "T1055.003"
    assert technique["external_references"][0]["url"] == "https://attack.mitre.org/techniques/T1055/003/"
    assert encrypted["name"] == "Data Encrypted for Impact"
    [indicator] = of_type("indicator", pattern())
    assert pattern().artifact.sha256 in indicator["pattern"]


@pytest.mark.parametrize("truth", [Truth.BENIGN, None])
def test_what_is_not_known_to_be_malicious_is_no_malware_and_no_indicator(truth):
    given_pattern = pattern(truth=truth)
    assert not of_type("malware", given_pattern)
    assert not of_type("indicator", given_pattern)
    assert {each["relationship_type"] for each in of_type("relationship", given_pattern)} == {"related-to"}


@pytest.mark.parametrize(
    ("truth", "confidence", "result", "sure"),
    [
        (Truth.MALICIOUS, 0.14, "malicious", 85),
        (Truth.BENIGN, 0.9, "benign", 85),
        (None, 0.6, "suspicious", 60),
        (None, 0.4, "unknown", None),
    ],
)
def test_what_was_concluded_is_sure_whatever_a_policy_held(truth, confidence, result, sure):
    [analysis] = of_type("malware-analysis", pattern(truth=truth, confidence=confidence))
    assert (analysis["result"], analysis.get("confidence")) == (result, sure)


def test_the_id_of_a_file_is_the_one_that_stix_gives_it():
    [file] = of_type("file", pattern())
    assert file["id"] == stix2.v21.File(hashes={"SHA-256": pattern().artifact.sha256}).id


def test_ids_are_the_same_at_each_export_and_others_at_another_instance():
    def ids(producer):
        return [each["id"] for each in objects([pattern(), pattern(1)], producer)]

    ours, theirs = ids(PRODUCER), ids(PRODUCER._replace(instance="site-2"))
    assert ids(PRODUCER) == ours
    assert {id_.partition("--")[0] for id_ in set(ours) & set(theirs)} == {"file"}
    assert {UUID(id_.partition("--")[2]).version for id_ in ours} == {5}
    assert len(set(ours)) == len(ours)
    assert "".join(bundle([pattern()], PRODUCER)) == "".join(bundle([pattern()], PRODUCER))


@given(one=patterns(), other=patterns())
@example(one=pattern(truth=None, confidence=0.6), other=pattern(truth=None, confidence=0.7))  # calibrated anew
@example(one=pattern(truth=None), other=pattern())
@example(one=pattern(), other=pattern(attack=Recognised(AttackType.WIPER, ("T1485",), ())))  # by newer rules
def test_what_has_the_same_id_and_the_same_time_says_the_same_whatever_was_learned_in_between(one, other):
    other = other._replace(session=one.session, started_us=one.started_us, ended_us=one.ended_us)
    newer = PRODUCER._replace(version="0.2.0")
    then = {(each["id"], each.get("modified")): each for each in objects([one], PRODUCER)}
    for each in objects([other], newer):
        assert then.get((each["id"], each.get("modified")), each) == each


def test_files_and_techniques_stand_once_and_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(stix, "REMEMBERED", 16)
    many = [pattern(number, artifact=pattern().artifact) for number in range(40)]
    counted = Counter(each["type"] for each in objects(many, PRODUCER))
    assert (counted["file"], counted["attack-pattern"], counted["malware-analysis"]) == (1, 2, 40)
    others = [pattern(number) for number in range(40)]
    again = Counter(each["id"] for each in objects([*others, *others[:1]], PRODUCER) if each["type"] == "file")
    assert again[of_type("file", pattern())[0]["id"]] == 2


def test_when_it_ran_is_by_the_sandboxs_clock_and_when_that_was_said_by_ours():
    known, unknown = pattern(), pattern(first_seen_us=None, last_seen_us=None)
    ran = ("2020-01-26T00:53:20.654Z", "2020-01-26T00:54:20.654Z")
    [analysis], [malware] = of_type("malware-analysis", known), of_type("malware", known)
    assert (analysis["analysis_started"], analysis["analysis_ended"]) == ran
    assert (malware["first_seen"], malware["last_seen"]) == ran
    assert malware["created"].startswith("2026-")
    assert of_type("indicator", known)[0]["valid_from"].startswith("2026-")
    [analysis], [malware] = of_type("malware-analysis", unknown), of_type("malware", unknown)
    assert not {"analysis_started", "analysis_ended"} & set(analysis)
    assert not {"first_seen", "last_seen"} & set(malware)


def test_a_bundle_of_nothing_is_one():
    assert json.loads("".join(bundle([], PRODUCER)))["objects"][0]["type"] == "identity"
    assert parsed().objects

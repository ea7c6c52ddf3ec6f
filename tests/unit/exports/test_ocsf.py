"""What is exported as OCSF is OCSF: by our table of rules, and the table by the published schema."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings

from drlactors.domain.action import Action
from drlactors.domain.attack import AttackType
from drlactors.domain.ids import OrderId, SessionId
from drlactors.domain.order import ActionOrdered, OrderAnswered, OrderFailed, Undone
from drlactors.domain.pattern import Truth
from drlactors.domain.session import ActionFailed, FeedbackReceived
from drlactors.exports.ocsf.finding import finding
from drlactors.exports.ocsf.remediation import remediations
from drlactors.exports.ocsf.rules import faults
from drlactors.exports.ocsf.schema import CLASSES, EVENT, OBJECTS, VERSION, Attribute
from drlactors.testing.given import EPISODE, started
from tests.contract.store.given import recorded, selected, session
from tests.unit.exports.patterns import DECIDED_US, PRODUCER, RAN_US, pattern, patterns
from tests.unit.exports.published import complaints, published

SESSION = SessionId(session().id)
ORDER = OrderId(session().id)
FINDING = finding(pattern(), PRODUCER)


def remedied(*events: Any) -> list[dict[str, Any]]:
    """What was done, a second apart, in a session that begins with its start."""
    lived = [(DECIDED_US + 1_000_000 * number, event) for number, event in enumerate((started(), *events))]
    return list(remediations(SESSION, lived, PRODUCER))


KILLED, ISOLATED, PUT_AWAY, RESTORED = remedied(
    recorded(0),
    selected(0, Action.TERMINATE),
    FeedbackReceived(0, True, "terminated", "3 processes"),
    selected(1, Action.ISOLATE),
    selected(2, Action.QUARANTINE),
    ActionFailed(2, 3, "no answer within 5 s"),
    ActionOrdered(ORDER, 2, Action.CONTINUE, Undone(1, Action.ISOLATE), False, "lease", "nothing confirmed it"),
    OrderAnswered(ORDER, True, "running", ""),
)


# The table


def same(ours: Attribute, theirs: dict[str, Any]) -> None:
    assert ours.type == (theirs["object_type"] if theirs["type"] == "object_t" else theirs["type"])
    assert ours.array == bool(theirs.get("is_array"))
    assert ours.required == (theirs["requirement"] == "required")
    if ours.sibling:
        assert ours.sibling == theirs["sibling"]
    if ours.values is not None:
        captions = {int(value): says["caption"] for value, says in theirs["enum"].items()}
        assert ours.values.items() <= captions.items()


@pytest.mark.parametrize("uid", CLASSES)
def test_the_classes_are_those_of_the_published_schema(uid):
    [theirs] = [one for one in published()["classes"].values() if one["uid"] == uid]
    ours = CLASSES[uid]
    assert (ours.name, ours.category) == (theirs["caption"], uid // 1000)
    activities = theirs["attributes"]["activity_id"]["enum"]
    assert ours.activities == {int(value): says["caption"] for value, says in activities.items()}
    assert {int(value) for value in theirs["attributes"]["type_uid"]["enum"]} == {
        uid * 100 + activity for activity in ours.activities
    }
    attributes = {**EVENT, **ours.attributes}
    for name, attribute in attributes.items():
        if name != "category_uid":
            same(attribute, theirs["attributes"][name])
    required = {
        name
        for name, attribute in theirs["attributes"].items()
        if attribute["requirement"] == "required" and not attribute.get("profile")
    }
    assert required == {name for name, attribute in attributes.items() if attribute.required}


@pytest.mark.parametrize("name", OBJECTS)
def test_the_objects_are_those_of_the_published_schema(name):
    theirs, ours = published()["objects"][name], OBJECTS[name]
    for attribute, is_ in ours.attributes.items():
        same(is_, theirs["attributes"][attribute])
    required = {
        attribute
        for attribute, is_ in theirs["attributes"].items()
        if is_["requirement"] == "required" and not is_.get("profile")
    }
    assert required == {attribute for attribute, is_ in ours.attributes.items() if is_.required}
    assert set(ours.one_of) <= set((theirs.get("constraints") or {}).get("at_least_one", ()))
    assert bool(ours.one_of) == bool((theirs.get("constraints") or {}).get("at_least_one"))


def test_the_version_is_that_of_the_published_schema():
    assert published()["version"] == VERSION


# What is written


@settings(max_examples=300)
@given(any_pattern=patterns())
def test_whatever_the_pattern_its_finding_is_sound(any_pattern):
    event = finding(any_pattern, PRODUCER)
    assert faults(event) == []
    assert event["type_uid"] == 200401


def test_a_finding_says_nothing_of_when_it_ran_where_that_is_not_known():
    event = finding(pattern(first_seen_us=None, last_seen_us=None), PRODUCER)
    assert not {"start_time", "end_time", "duration"} & set(event)
    assert not {"first_seen_time", "last_seen_time"} & set(event["finding_info"])
    assert event["time"] == DECIDED_US // 1000
    assert complaints(event) == []


@pytest.mark.parametrize("kind", AttackType)
@pytest.mark.parametrize("truth", [*Truth, None])
def test_the_published_schema_takes_each_kind_of_finding(kind, truth):
    attack = pattern().attack._replace(kind=kind)
    assert complaints(finding(pattern(attack=attack, truth=truth), PRODUCER)) == []


def test_a_finding_says_what_was_found():
    assert FINDING["severity"] == "Critical"
    assert (FINDING["confidence_score"], FINDING["confidence"], FINDING["is_alert"]) == (85, "High", True)
    assert FINDING["unmapped"]["policy_confidence"] == 0.87
    assert FINDING["time"] == DECIDED_US // 1000
    assert (FINDING["start_time"], FINDING["end_time"], FINDING["duration"]) == (
        RAN_US // 1000,
        RAN_US // 1000 + 60_000,
        60_000,
    )
    info = FINDING["finding_info"]
    assert (info["first_seen_time"], info["last_seen_time"]) == (FINDING["start_time"], FINDING["end_time"])
    assert info["created_time"] == FINDING["time"]
    assert FINDING["finding_info"]["uid"] == str(pattern().session)
    injected, encrypted = FINDING["finding_info"]["attacks"]
    assert (injected["technique"]["uid"], injected["sub_technique"]["uid"]) == ("T1055", "T1055.003")
    assert encrypted["technique"]["name"] == "Data Encrypted for Impact"
    assert "sub_technique" not in encrypted
    assert FINDING["finding_info"]["analytic"]["type"] == "Learning (ML/DL)"
    assert FINDING["malware"][0]["classifications"] == ["Ransomware"]
    assert FINDING["observables"][0]["value"] == pattern().artifact.sha256


@pytest.mark.parametrize(
    ("truth", "confidence", "result", "severity", "alert", "sure"),
    [
        (Truth.MALICIOUS, 0.1, "malicious", "Critical", True, (85, "High")),
        (Truth.BENIGN, 0.9, "benign", "Informational", False, (85, "High")),
        (None, 0.6, "suspicious", "High", True, (60, "Medium")),
        (None, 0.1, "unknown", "Informational", False, (None, "Unknown")),
    ],
)
def test_only_what_was_concluded_is_called_malicious_or_benign(truth, confidence, result, severity, alert, sure):
    event = finding(pattern(truth=truth, confidence=confidence), PRODUCER)
    assert (event["unmapped"]["result"], event["severity"], event["is_alert"]) == (result, severity, alert)
    assert (event.get("confidence_score"), event["confidence"]) == sure
    assert ("malware" in event) == (result == "malicious")


def test_the_same_finding_has_the_same_id_and_another_instance_s_another():
    assert finding(pattern(), PRODUCER) == FINDING
    other = finding(pattern(), PRODUCER._replace(instance="site-2"))
    assert other["metadata"]["uid"] != FINDING["metadata"]["uid"]
    assert finding(pattern(1), PRODUCER)["metadata"]["uid"] != FINDING["metadata"]["uid"]


@pytest.mark.parametrize("later", [{"truth": Truth.BENIGN}, {"truth": None}, {"truth": None, "confidence": 0.6}])
def test_what_is_known_better_later_is_another_event_of_the_same_finding(later):
    corrected = finding(pattern(**later), PRODUCER)
    assert corrected["metadata"]["uid"] != FINDING["metadata"]["uid"]
    assert corrected["finding_info"]["uid"] == FINDING["finding_info"]["uid"]


@pytest.mark.parametrize("event", [KILLED, ISOLATED, PUT_AWAY, RESTORED], ids=lambda event: event["type_name"])
def test_what_was_done_is_sound(event):
    assert faults(event) == []
    assert complaints(event) == []


def test_what_was_done_says_what_the_sandbox_answered():
    def said(event):
        technique = event["countermeasures"][0].get("d3f_technique", {}).get("uid")
        return event["class_uid"], event["activity_name"], technique, event["status"], event["status_detail"]

    assert said(KILLED) == (7003, "Evict", "D3-PT", "Success", "terminated 3 processes")
    assert said(ISOLATED) == (7003, "Isolate", "D3-EI", "Unknown", "no answer came")
    assert said(PUT_AWAY) == (7002, "Evict", "D3-FEV", "Error", "no answer within 5 s")
    assert said(RESTORED) == (7003, "Restore", None, "Success", "running")
    assert KILLED["command_uid"] == f"{SESSION}:0"
    assert KILLED["end_time"] - KILLED["start_time"] == 1000
    assert KILLED["metadata"]["correlation_uid"] == str(EPISODE)
    assert RESTORED["command_uid"] == str(ORDER)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (FeedbackReceived(0, False, "unsupported", ""), "Unsupported"),
        (FeedbackReceived(0, False, "still-running", "1 process"), "Failure"),
        (FeedbackReceived(0, True, "", ""), "Success"),
    ],
)
def test_each_answer_has_its_status(answer, status):
    [event] = remedied(selected(0, Action.TERMINATE), answer)
    assert (event["status"], faults(event), complaints(event)) == (status, [], [])


def test_a_late_success_outweighs_having_been_given_up_on():
    [event] = remedied(
        selected(0, Action.TERMINATE), ActionFailed(0, 3, "no answer"), FeedbackReceived(0, True, "x", "")
    )
    assert event["status"] == "Success"


def test_an_order_that_failed_is_told():
    ordered = ActionOrdered(ORDER, 0, Action.TERMINATE, None, False, "person:ann", "it encrypts")
    [event] = remedied(ordered, OrderFailed(ORDER, 4, "gone"))
    assert (event["status"], event["message"]) == ("Error", "person:ann: it encrypts")


def test_going_on_and_asking_a_person_are_no_remediation():
    released = ActionOrdered(ORDER, 0, Action.CONTINUE, None, True, "person:ann", "an installer")
    assert remedied(selected(0), selected(1, Action.REVIEW), released) == []
    assert list(remediations(SESSION, [], PRODUCER)) == []


# The rules


def broken(*way: Any, to: Any = None, event: dict[str, Any] = FINDING) -> dict[str, Any]:
    """The event with the attribute at the end of the way changed, or taken out."""
    changed = copy.deepcopy(event)
    at: Any = changed
    for step in way[:-1]:
        at = at[step]
    if to is None:
        del at[way[-1]]
    else:
        at[way[-1]] = to
    return changed


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (broken("class_uid", to=2001), "class_uid: 2001 is none of the classes"),
        (broken("class_uid", to=[2004]), "class_uid: [2004] is none of the classes"),
        (broken("class_uid"), "class_uid: None is none of the classes"),
        (broken("colour", to="red"), "colour: it is no attribute of this"),
        (broken("finding_info", "colour", to="red"), "finding_info.colour: it is no attribute of this"),
        (broken("time"), "time: it is required"),
        (broken("finding_info"), "finding_info: it is required"),
        (broken("finding_info", "uid"), "finding_info.uid: it is required"),
        (broken("metadata", "product"), "metadata.product: it is required"),
        (broken("evidences", 0, "file", "hashes", 0, "value"), "evidences[0].file.hashes[0].value: it is required"),
        (broken("command_uid", event=KILLED), "command_uid: it is required"),
        (broken("process", event=KILLED), "process: it is required"),
        (broken("file", event=PUT_AWAY), "file: it is required"),
        (broken("message", to=7), "message: 7 is no string_t"),
        (broken("is_alert", to=1), "is_alert: 1 is no boolean_t"),
        (broken("confidence_score", to=0.87), "confidence_score: 0.87 is no integer_t"),
        (broken("confidence_score", to=True), "confidence_score: True is no integer_t"),
        (broken("unmapped", to=[]), "unmapped: [] is no object"),
        (broken("metadata", to="drlactors"), "metadata: it is no metadata"),
        (broken("evidences", to={}), "evidences: it is no list of evidences"),
        (broken("observables", to=[]), "observables: it is no list of observable"),
        (broken("evidences", 0, "file", "hashes", 0, "value", to="xyz"), "hashes[0].value: 'xyz' is no file_hash_t"),
        (broken("time", to=DECIDED_US), f"time: {DECIDED_US} is no timestamp_t"),
        (broken("time", to=DECIDED_US // 1_000_000), "is no timestamp_t"),
        (broken("severity_id", to=7), "severity_id: 7 is none of 0, 1, 2, 3, 4, 5, 6, 99"),
        (broken("status_id", to=6, event=KILLED), "status: 'Success' is not the caption of status_id 6"),
        (broken("severity", to="critical"), "severity: 'critical' is not the caption of severity_id 5"),
        (broken("activity_id", to=9), "activity_id: 9 is none of 0, 1, 2, 3, 99"),
        (broken("class_name", to="Finding"), "class_name: 'Finding' is not the caption of class_uid 2004"),
        (broken("malware", 0, "classification_ids", to=[12]), "malware[0].classification_ids: 12 is none of"),
        (broken("malware", 0, "classifications", to=["Wiper"]), "malware[0].classifications: ['Wiper'] is not"),
        (broken("status", event={**FINDING, "status_id": 99}), "status: with status_id 99 it is required"),
        (broken("category_uid", to=7), "category_uid: 7 is not 2, the class's"),
        (broken("type_uid", to=2004_02), "type_uid: 200402 is not 200401, class_uid * 100 + activity_id"),
        (broken("type_name", to="Detection Finding"), "type_name: 'Detection Finding' is not"),
        (broken("metadata", "version", to="1.5.0"), "metadata.version: '1.5.0' is not '1.6.0'"),
        (broken("end_time", to=FINDING["start_time"] - 1), "end_time: it is before start_time"),
        (
            broken("metadata", "product", to={"version": "1"}),
            "metadata.product.: at least one of name, uid is required",
        ),
        (broken("process", "uid", event=KILLED), "process.: at least one of uid is required"),
        (broken("countermeasures", 0, to={}, event=KILLED), "countermeasures[0].: at least one of d3f_tactic"),
        (broken("observables", 0, "value", to="00"), "observables[0]: '00' does not stand at evidences.file"),
        (broken("observables", 0, "name", to="file.hashes"), "does not stand at file.hashes"),
    ],
)
def test_an_event_that_breaks_a_rule_is_told_which(event, says):
    assert says in "\n".join(faults(event))


@pytest.mark.parametrize(
    "event",
    [
        broken("time"),
        broken("severity_id", to=7),
        broken("type_uid", to=5),
        broken("evidences", 0, "file", "name"),
        broken("metadata", "product", to={"version": "1"}),
        broken("message", to=7),
    ],
)
def test_the_published_schema_sees_such_an_event_too(event):
    assert complaints(event)


def test_another_choice_has_the_sender_s_own_words():
    event = {**FINDING, "status_id": 99, "status": "Handed Over"}
    assert faults(event) == []

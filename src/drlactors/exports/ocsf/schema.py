"""What OCSF 1.6.0 asks of the classes and objects that are written here: a table, which ``rules.faults`` applies.

Source: the schema published at https://schema.ocsf.io/1.6.0 (github.com/ocsf/ocsf-schema, tag 1.6.0), classes
detection_finding and the remediation activities, without profiles. Of optional attributes those that are used. A test
compares each row with the published schema, and that no required attribute is missing here.
"""

from collections.abc import Mapping
from typing import NamedTuple

VERSION = "1.6.0"

Values = Mapping[int, str]


class Attribute(NamedTuple):
    type: str  # a type of OCSF's dictionary, or the name of an object below
    required: bool = False
    array: bool = False
    values: Values | None = None  # what it may be, with the captions
    sibling: str = ""  # the attribute that has the caption as text


class Shape(NamedTuple):
    attributes: Mapping[str, Attribute]
    one_of: tuple[str, ...] = ()  # at least one of these has to be there


class EventClass(NamedTuple):
    name: str
    category: int
    activities: Values
    attributes: Mapping[str, Attribute]  # beside those of every event


CATEGORIES: Values = {2: "Findings", 7: "Remediation"}
SEVERITIES: Values = {
    0: "Unknown",
    1: "Informational",
    2: "Low",
    3: "Medium",
    4: "High",
    5: "Critical",
    6: "Fatal",
    99: "Other",
}
CONFIDENCES: Values = {0: "Unknown", 1: "Low", 2: "Medium", 3: "High", 99: "Other"}
FINDING_STATES: Values = {
    0: "Unknown",
    1: "New",
    2: "In Progress",
    3: "Suppressed",
    4: "Resolved",
    5: "Archived",
    6: "Deleted",
    99: "Other",
}
REMEDIATION_STATES: Values = {
    0: "Unknown",
    1: "Success",
    2: "Failure",
    3: "Does Not Exist",
    4: "Partial",
    5: "Unsupported",
    6: "Error",
    99: "Other",
}
FINDING_ACTIVITIES: Values = {0: "Unknown", 1: "Create", 2: "Update", 3: "Close", 99: "Other"}
REMEDIATION_ACTIVITIES: Values = {
    0: "Unknown",
    1: "Isolate",
    2: "Evict",
    3: "Restore",
    4: "Harden",
    5: "Detect",
    99: "Other",
}
ANALYTIC_TYPES: Values = {
    0: "Unknown",
    1: "Rule",
    2: "Behavioral",
    3: "Statistical",
    4: "Learning (ML/DL)",
    5: "Fingerprinting",
    6: "Tagging",
    7: "Keyword Match",
    8: "Regular Expressions",
    9: "Exact Data Match",
    10: "Partial Data Match",
    11: "Indexed Data Match",
    99: "Other",
}
FILE_TYPES: Values = {
    0: "Unknown",
    1: "Regular File",
    2: "Folder",
    3: "Character Device",
    4: "Block Device",
    5: "Local Socket",
    6: "Named Pipe",
    7: "Symbolic Link",
    8: "Executable File",
    99: "Other",
}
HASHES: Values = {
    0: "Unknown",
    1: "MD5",
    2: "SHA-1",
    3: "SHA-256",
    4: "SHA-512",
    5: "CTPH",
    6: "TLSH",
    7: "quickXorHash",
    8: "SHA-224",
    9: "SHA-384",
    10: "SHA-512/224",
    11: "SHA-512/256",
    12: "SHA3-224",
    13: "SHA3-256",
    14: "SHA3-384",
    15: "SHA3-512",
    16: "xxHash H3 64-bit",
    17: "xxHash H3 128-bit",
    99: "Other",
}
MALWARE: Values = {
    0: "Unknown",
    1: "Adware",
    2: "Backdoor",
    3: "Bot",
    4: "Bootkit",
    5: "DDOS",
    6: "Downloader",
    7: "Dropper",
    8: "Exploit-Kit",
    9: "Keylogger",
    10: "Ransomware",
    11: "Remote-Access-Trojan",
    13: "Resource-Exploitation",
    14: "Rogue-Security-Software",
    15: "Rootkit",
    16: "Screen-Capture",
    17: "Spyware",
    18: "Trojan",
    19: "Virus",
    20: "Webshell",
    21: "Wiper",
    22: "Worm",
    99: "Other",
}
#: Of 47 kinds of observables, those that are written here.
OBSERVABLES: Values = {8: "Hash"}

_TEXT = Attribute("string_t")
_TIME = Attribute("timestamp_t")
_NAMED = Shape({"uid": _TEXT, "name": _TEXT, "src_url": Attribute("url_t")}, one_of=("name", "uid"))

#: Every event has these; ``class_uid``, ``type_uid`` and ``activity_id`` have rules of their own beside them.
EVENT: Mapping[str, Attribute] = {
    "class_uid": Attribute("integer_t", required=True, sibling="class_name"),
    "class_name": _TEXT,
    "category_uid": Attribute("integer_t", required=True, values=CATEGORIES, sibling="category_name"),
    "category_name": _TEXT,
    "activity_id": Attribute("integer_t", required=True, sibling="activity_name"),
    "activity_name": _TEXT,
    "type_uid": Attribute("long_t", required=True, sibling="type_name"),
    "type_name": _TEXT,
    "time": Attribute("timestamp_t", required=True),
    "start_time": _TIME,
    "end_time": _TIME,
    "duration": Attribute("long_t"),
    "severity_id": Attribute("integer_t", required=True, values=SEVERITIES, sibling="severity"),
    "severity": _TEXT,
    "status": _TEXT,
    "status_detail": _TEXT,
    "message": _TEXT,
    "metadata": Attribute("metadata", required=True),
    "observables": Attribute("observable", array=True),
    "unmapped": Attribute("object"),
}

_REMEDIATES: Mapping[str, Attribute] = {
    "command_uid": Attribute("string_t", required=True),
    "countermeasures": Attribute("d3fend", array=True),
    "status_id": Attribute("integer_t", values=REMEDIATION_STATES, sibling="status"),
}

CLASSES: Mapping[int, EventClass] = {
    2004: EventClass(
        "Detection Finding",
        2,
        FINDING_ACTIVITIES,
        {
            "finding_info": Attribute("finding_info", required=True),
            "status_id": Attribute("integer_t", values=FINDING_STATES, sibling="status"),
            "confidence_id": Attribute("integer_t", values=CONFIDENCES, sibling="confidence"),
            "confidence": _TEXT,
            "confidence_score": Attribute("integer_t"),
            "is_alert": Attribute("boolean_t"),
            "evidences": Attribute("evidences", array=True),
            "malware": Attribute("malware", array=True),
            "resources": Attribute("resource_details", array=True),
        },
    ),
    7001: EventClass("Remediation Activity", 7, REMEDIATION_ACTIVITIES, _REMEDIATES),
    7002: EventClass(
        "File Remediation Activity",
        7,
        REMEDIATION_ACTIVITIES,
        {**_REMEDIATES, "file": Attribute("file", required=True)},
    ),
    7003: EventClass(
        "Process Remediation Activity",
        7,
        REMEDIATION_ACTIVITIES,
        {**_REMEDIATES, "process": Attribute("process", required=True)},
    ),
    7004: EventClass(
        "Network Remediation Activity",
        7,
        REMEDIATION_ACTIVITIES,
        {**_REMEDIATES, "connection_info": Attribute("network_connection_info", required=True)},
    ),
}

OBJECTS: Mapping[str, Shape] = {
    "metadata": Shape(
        {
            "version": Attribute("string_t", required=True),
            "product": Attribute("product", required=True),
            "uid": _TEXT,
            "correlation_uid": _TEXT,
            "log_name": _TEXT,
        }
    ),
    "product": Shape({"name": _TEXT, "uid": _TEXT, "vendor_name": _TEXT, "version": _TEXT}, one_of=("name", "uid")),
    "finding_info": Shape(
        {
            "uid": Attribute("string_t", required=True),
            "title": _TEXT,
            "desc": _TEXT,
            "types": Attribute("string_t", array=True),
            "created_time": _TIME,
            "first_seen_time": _TIME,
            "last_seen_time": _TIME,
            "analytic": Attribute("analytic"),
            "related_analytics": Attribute("analytic", array=True),
            "attacks": Attribute("attack", array=True),
        }
    ),
    "analytic": Shape(
        {
            "type_id": Attribute("integer_t", required=True, values=ANALYTIC_TYPES, sibling="type"),
            "type": _TEXT,
            "name": _TEXT,
            "uid": _TEXT,
        },
        one_of=("name", "uid"),
    ),
    "attack": Shape(
        {"technique": Attribute("technique"), "sub_technique": Attribute("sub_technique"), "version": _TEXT},
        one_of=("tactic", "technique", "sub_technique"),
    ),
    "technique": _NAMED,
    "sub_technique": _NAMED,
    "d3fend": Shape(
        {"d3f_tactic": Attribute("d3f_tactic"), "d3f_technique": Attribute("d3f_technique")},
        one_of=("d3f_tactic", "d3f_technique"),
    ),
    "d3f_tactic": _NAMED,
    "d3f_technique": _NAMED,
    "evidences": Shape({"file": Attribute("file")}, one_of=("file",)),
    "file": Shape(
        {
            "name": Attribute("file_name_t", required=True),
            "type_id": Attribute("integer_t", required=True, values=FILE_TYPES, sibling="type"),
            "type": _TEXT,
            "hashes": Attribute("fingerprint", array=True),
        }
    ),
    "fingerprint": Shape(
        {
            "algorithm_id": Attribute("integer_t", required=True, values=HASHES, sibling="algorithm"),
            "algorithm": _TEXT,
            "value": Attribute("file_hash_t", required=True),
        }
    ),
    "malware": Shape(
        {
            "classification_ids": Attribute(
                "integer_t", required=True, array=True, values=MALWARE, sibling="classifications"
            ),
            "classifications": Attribute("string_t", array=True),
            "name": _TEXT,
            "uid": _TEXT,
        },
        one_of=("name", "uid"),
    ),
    "process": Shape({"uid": _TEXT, "name": Attribute("process_name_t"), "file": Attribute("file")}, one_of=("uid",)),
    "network_connection_info": Shape({"direction_id": Attribute("integer_t", required=True)}),
    "resource_details": Shape(
        {"name": _TEXT, "type": _TEXT, "uid": Attribute("resource_uid_t")}, one_of=("name", "uid")
    ),
    "observable": Shape(
        {
            "type_id": Attribute("integer_t", required=True, values=OBSERVABLES, sibling="type"),
            "type": _TEXT,
            "name": _TEXT,
            "value": _TEXT,
        }
    ),
}

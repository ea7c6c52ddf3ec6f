"""What every OCSF event of ours begins with, and the objects that several of them have."""

from typing import Any

from drlactors.domain.session import Artifact
from drlactors.exports.ocsf.schema import CATEGORIES, CLASSES, HASHES, SEVERITIES, VERSION, Values
from drlactors.exports.producer import PRODUCT, Producer

SHA256 = 3
REGULAR_FILE, FILE_TYPE = 1, "Regular File"


def begun(
    class_uid: int, activity: int, severity: int, at_us: int, producer: Producer, *of: object, episode: object
) -> dict[str, Any]:
    """``of``: what makes the event's id; the same event of the same instance has the same one."""
    found = CLASSES[class_uid]
    return {
        "class_uid": class_uid,
        "class_name": found.name,
        "category_uid": found.category,
        "category_name": CATEGORIES[found.category],
        "activity_id": activity,
        "activity_name": found.activities[activity],
        "type_uid": class_uid * 100 + activity,
        "type_name": f"{found.name}: {found.activities[activity]}",
        "time": milliseconds(at_us),
        **choice("severity_id", "severity", severity, SEVERITIES),
        "metadata": {
            "version": VERSION,
            "product": {
                "name": PRODUCT,
                "vendor_name": PRODUCT,
                "uid": f"{PRODUCT}/{producer.instance}",
                "version": producer.version,
            },
            "uid": str(producer.id(class_uid, *of)),
            "correlation_uid": str(episode),
        },
    }


def milliseconds(at_us: int) -> int:
    return at_us // 1_000


def choice(name: str, sibling: str, chosen: int, values: Values) -> dict[str, Any]:
    return {name: chosen, sibling: values[chosen]}


def file(artifact: Artifact) -> dict[str, Any]:
    """The artifact; its name is not known, and its digest stands for it."""
    return {
        "name": artifact.sha256,
        "type_id": REGULAR_FILE,
        "type": FILE_TYPE,
        "hashes": [{**choice("algorithm_id", "algorithm", SHA256, HASHES), "value": artifact.sha256}],
    }


def hash_at(way: str, artifact: Artifact) -> dict[str, Any]:
    """The artifact's digest as an observable; ``way`` leads to the file in the event."""
    return {"name": f"{way}.hashes.value", "type_id": 8, "type": "Hash", "value": artifact.sha256}

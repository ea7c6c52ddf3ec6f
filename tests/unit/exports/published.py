"""The schema of OCSF as it was published, which tests compare with; the program has no use for all of it."""

from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from drlactors.exports.ocsf.schema import VERSION


@cache
def published() -> dict[str, Any]:
    schema: dict[str, Any] = get_ocsf_schema(VERSION)
    return schema


@cache
def validator(class_uid: int) -> Draft202012Validator:
    schema = OcsfJsonSchemaEmbedded(published())
    return Draft202012Validator(schema.get_class_schema(schema.lookup_class_name_from_uid(class_uid)))


def complaints(event: dict[str, Any]) -> list[str]:
    """What the published schema has against an event."""
    return [error.message for error in validator(event["class_uid"]).iter_errors(event)]

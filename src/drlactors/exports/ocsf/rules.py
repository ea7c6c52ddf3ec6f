"""Whether an event is one of OCSF 1.6.0, by the rules in ``schema``."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeGuard

from drlactors.exports.ocsf.schema import CLASSES, EVENT, OBJECTS, VERSION, Attribute, EventClass, Values

#: Milliseconds since 1970: what is outside of these years is in another unit.
EARLIEST_MS, LATEST_MS = 631_152_000_000, 4_102_444_800_000  # 1990, 2100
#: The value of a choice for which the caption is in the sender's own words.
OTHER = 99
_HASH = re.compile(r"[0-9a-fA-F]+")


def _whole(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _text(value: Any) -> bool:
    return isinstance(value, str)


TYPES: Mapping[str, Callable[[Any], bool]] = {
    "integer_t": lambda value: _whole(value) and -(1 << 31) <= value < 1 << 31,
    "long_t": lambda value: _whole(value) and -(1 << 63) <= value < 1 << 63,
    "timestamp_t": lambda value: _whole(value) and EARLIEST_MS <= value < LATEST_MS,
    "boolean_t": lambda value: isinstance(value, bool),
    "file_hash_t": lambda value: _text(value) and bool(_HASH.fullmatch(value)),
    "object": lambda value: isinstance(value, dict),
    **dict.fromkeys(("string_t", "file_name_t", "process_name_t", "resource_uid_t", "url_t"), _text),
}


def faults(event: Mapping[str, Any]) -> list[str]:
    """What is wrong with an event, each with the attribute that it is about; empty for one that is sound."""
    class_uid = event.get("class_uid")
    found = CLASSES.get(class_uid) if _whole(class_uid) else None
    if class_uid is None or found is None:
        return [f"class_uid: {class_uid} is none of the classes written here"]
    choices = {"class_uid": {class_uid: found.name}, "activity_id": found.activities}
    return [
        *_of_shape("", event, {**EVENT, **found.attributes}, (), choices),
        *_of_class(event, found),
        *_of_observables(event),
    ]


def _of_class(event: Mapping[str, Any], of: EventClass) -> Iterator[str]:
    class_uid, activity = event["class_uid"], event.get("activity_id")
    if event.get("category_uid") != of.category:
        yield f"category_uid: {event.get('category_uid')} is not {of.category}, the class's"
    if _whole(activity):
        uid = class_uid * 100 + activity
        if event.get("type_uid") != uid:
            yield f"type_uid: {event.get('type_uid')} is not {uid}, class_uid * 100 + activity_id"
        name = f"{of.name}: {of.activities.get(activity)}"
        if "type_name" in event and activity != OTHER and event["type_name"] != name:
            yield f"type_name: {event['type_name']!r} is not {name!r}"
    metadata = event.get("metadata")
    if isinstance(metadata, dict) and metadata.get("version") != VERSION:
        yield f"metadata.version: {metadata.get('version')!r} is not {VERSION!r}"
    times = [event[name] for name in ("start_time", "end_time") if _whole(event.get(name))]
    if times != sorted(times):
        yield "end_time: it is before start_time"


def _of_shape(
    path: str,
    value: Mapping[str, Any],
    attributes: Mapping[str, Attribute],
    one_of: tuple[str, ...],
    choices: Mapping[str, Values],
) -> Iterator[str]:
    for name in value:
        if name not in attributes:
            yield f"{path}{name}: it is no attribute of this"
    for name, attribute in attributes.items():
        if name not in value:
            if attribute.required:
                yield f"{path}{name}: it is required"
            continue
        yield from _of_value(f"{path}{name}", value[name], attribute)
        values = choices.get(name, attribute.values)
        if values is not None:
            yield from _of_choice(path, name, value, attribute, values)
    if one_of and not any(name in value for name in one_of):
        yield f"{path}: at least one of {', '.join(one_of)} is required"


def _of_value(path: str, value: Any, attribute: Attribute) -> Iterator[str]:
    if attribute.array:
        if not isinstance(value, list) or not value:
            yield f"{path}: it is no list of {attribute.type}"
            return
        for index, each in enumerate(value):
            yield from _of_value(f"{path}[{index}]", each, attribute._replace(array=False))
        return
    shape = OBJECTS.get(attribute.type)
    if shape is None:
        if not TYPES[attribute.type](value):
            yield f"{path}: {value!r} is no {attribute.type}"
    elif not isinstance(value, dict):
        yield f"{path}: it is no {attribute.type}"
    else:
        yield from _of_shape(f"{path}.", value, shape.attributes, shape.one_of, {})


def _of_choice(path: str, name: str, value: Mapping[str, Any], attribute: Attribute, values: Values) -> Iterator[str]:
    """A choice is one of its values, and the text beside it is the caption; of another one it is the sender's."""
    given = value[name] if attribute.array else [value[name]]
    chosen = [each for each in given if _whole(each)] if isinstance(given, list) else []
    for each in chosen:
        if each not in values:
            yield f"{path}{name}: {each} is none of {', '.join(map(str, values))}"
    said = value.get(attribute.sibling)
    if said is None:
        if OTHER in chosen:
            yield f"{path}{attribute.sibling}: with {name} {OTHER} it is required"
        return
    captions = [values.get(each) for each in chosen]
    if OTHER not in chosen and said != (captions if attribute.array else next(iter(captions), None)):
        yield f"{path}{attribute.sibling}: {said!r} is not the caption of {name} {value[name]}"


def _of_observables(event: Mapping[str, Any]) -> Iterator[str]:
    """The name of an observable is the way to an attribute of the event, and its value is what stands there."""
    given = event.get("observables", [])
    for index, observable in enumerate(given if isinstance(given, list) else ()):
        if not isinstance(observable, dict):
            continue
        there = _reached(event, str(observable.get("name", "")).split("."))
        if observable.get("value") not in there:
            yield f"observables[{index}]: {observable.get('value')!r} does not stand at {observable.get('name')}"


def _reached(value: Any, way: list[str]) -> list[Any]:
    if isinstance(value, list):
        return [found for each in value for found in _reached(each, way)]
    if not way:
        return [value]
    return _reached(value[way[0]], way[1:]) if isinstance(value, dict) and way[0] in value else []

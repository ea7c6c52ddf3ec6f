"""A sandbox compiled against an older proto/ goes on working: what was published never changes its meaning."""

import json
from pathlib import Path

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor, FileDescriptor

from drlactors.wire.v1 import action_pb2, episode_pb2, feedback_pb2, gateway_pb2, telemetry_pb2

PUBLISHED = Path(__file__).with_name("published.json")
FILES: tuple[FileDescriptor, ...] = tuple(
    module.DESCRIPTOR for module in (action_pb2, episode_pb2, feedback_pb2, gateway_pb2, telemetry_pb2)
)


def shape() -> dict[str, dict[str, list[object]]]:
    """Every field, enum value and call by full name: number, type, and whether it repeats or has presence."""
    told: dict[str, dict[str, list[object]]] = {}
    for file in FILES:
        for message in file.message_types_by_name.values():
            told[message.full_name] = {
                field.name: [field.number, _type(field), field.is_repeated, field.has_presence]
                for field in message.fields
            }
        for enum in file.enum_types_by_name.values():
            told[enum.full_name] = {value.name: [value.number] for value in enum.values}
        for service in file.services_by_name.values():
            told[service.full_name] = {
                call.name: [
                    call.input_type.full_name,
                    call.client_streaming,
                    call.output_type.full_name,
                    call.server_streaming,
                ]
                for call in service.methods
            }
    return told


def _type(field: FieldDescriptor) -> str:
    named = field.message_type or field.enum_type
    if isinstance(named, EnumDescriptor) or named is not None:
        return str(named.full_name)
    return str(field.type)


def breaks(published: dict[str, dict[str, list[object]]], now: dict[str, dict[str, list[object]]]) -> list[str]:
    """What an old client would trip over. Additions are welcome."""
    found = []
    for name, fields in published.items():
        if name not in now:
            found.append(f"{name} is gone")
            continue
        for field, told in fields.items():
            if field not in now[name]:
                found.append(f"{name}.{field} is gone")
            elif now[name][field] != told:
                found.append(f"{name}.{field} was {told}, is {now[name][field]}")
    return found


def test_nothing_that_was_published_changes() -> None:
    assert breaks(json.loads(PUBLISHED.read_text()), shape()) == []


def test_what_is_new_is_published() -> None:
    """A field that is not in the list could be changed unseen: add it to published.json when it is added."""
    assert breaks(shape(), json.loads(PUBLISHED.read_text())) == []


def test_a_breaking_change_would_be_seen() -> None:
    published = shape()
    renumbered = json.loads(json.dumps(published))
    renumbered["drlactors.v1.Window"]["seq"][0] = 9
    del renumbered["drlactors.v1.Telemetry"]["cpu_usage"]
    gone, changed = sorted(breaks(published, renumbered))
    assert gone == "drlactors.v1.Telemetry.cpu_usage is gone"
    assert changed.startswith("drlactors.v1.Window.seq was")


def test_no_two_fields_share_a_number() -> None:
    for name, fields in shape().items():
        if name.endswith(".Gateway"):
            continue  # calls go by their names
        numbers = [told[0] for told in fields.values()]
        assert len(set(numbers)) == len(numbers), name

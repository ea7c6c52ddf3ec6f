"""The dotted keys of the settings: which there are, which are live, and how a variable's text becomes a value."""

import json
from pathlib import Path
from typing import Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from drlactors.config.settings import Settings


def _fields() -> dict[str, FieldInfo]:
    found: dict[str, FieldInfo] = {}
    for section, outer in Settings.model_fields.items():
        kind = outer.annotation
        assert isinstance(kind, type)
        assert issubclass(kind, BaseModel)
        found |= {f"{section}.{key}": field for key, field in kind.model_fields.items()}
    return found


FIELDS = _fields()
SECTIONS = tuple(Settings.model_fields)


def live(key: str) -> bool:
    """Whether a change is in force without a restart."""
    extra = FIELDS[key].json_schema_extra
    return isinstance(extra, dict) and extra["reload"] == "live"


def secret(key: str) -> bool:
    """Whether the value must not be shown."""
    return key in FIELDS and FIELDS[key].annotation is SecretStr


def value(settings: Settings, key: str) -> object:
    """The value at a dotted key; a secret stays wrapped."""
    section, _, name = key.partition(".")
    return getattr(getattr(settings, section), name)


def differing(old: Settings, new: Settings) -> tuple[str, ...]:
    """The keys whose values are not the same."""
    return tuple(key for key in FIELDS if value(old, key) != value(new, key))


def parsed(key: str, text: str) -> object:
    """The value that a variable's or a secret file's text stands for; validated later, like any other.

    Text stays as it is where text is wanted. Elsewhere it is JSON; lists may also be written ``a,b,c``.
    """
    kind = FIELDS[key].annotation
    if kind in (str, SecretStr, Path) or get_origin(kind) is Literal:
        return text
    found = _json(text)
    if get_origin(kind) is not tuple or isinstance(found, list):
        return found
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return parts if get_args(kind)[0] is str else [_json(part) for part in parts]


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text

"""How things are shown as JSON: named tuples as objects, ids and bytes as text, actions by name."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from drlactors.domain.action import Action

#: JSON without spaces, in ASCII; raises ValueError for what JSON does not have (infinity, not a number).
compact = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def plain(value: Any) -> Any:
    if hasattr(value, "_asdict"):
        return {key: plain(part) for key, part in value._asdict().items()}
    if isinstance(value, tuple):
        return [plain(part) for part in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, UUID):
        return str(value)
    return value.name if isinstance(value, Action) else value


def actions(mask: int) -> list[str]:
    """The actions in a mask, by name."""
    return [action.name for action in Action if mask >> action & 1]


def instant(at_us: int) -> str:
    """RFC 3339, in UTC, to the microsecond."""
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{at_us % 1_000_000:06}Z"

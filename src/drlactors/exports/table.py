"""Attack patterns as lines of JSON and as CSV: the same columns, which ``proto/exports.md`` documents."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator

from drlactors.domain.pattern import AttackPattern
from drlactors.exports.plain import instant

Value = str | int | float | None | list[str] | list[float]

#: Column -> what stands there.
COLUMNS: dict[str, Callable[[AttackPattern], Value]] = {
    "session": lambda pattern: str(pattern.session),
    "episode": lambda pattern: str(pattern.episode),
    "stage": lambda pattern: pattern.stage,
    "sandbox": lambda pattern: pattern.sandbox,
    "artifact": lambda pattern: pattern.artifact.sha256,
    "kind": lambda pattern: pattern.artifact.kind,
    "type": lambda pattern: pattern.attack.kind,
    "techniques": lambda pattern: list(pattern.attack.techniques),
    "rules": lambda pattern: list(pattern.attack.rules),
    "truth": lambda pattern: pattern.truth,
    "confidence": lambda pattern: pattern.confidence,
    "action": lambda pattern: pattern.action.name.lower(),
    "window": lambda pattern: pattern.seq,
    "policy": lambda pattern: pattern.policy,
    "leaning": lambda pattern: pattern.leaning,
    "reward": lambda pattern: pattern.reward,
    "schema": lambda pattern: pattern.schema,
    "features": lambda pattern: list(pattern.features),
    "started": lambda pattern: instant(pattern.started_us),
    "decided": lambda pattern: instant(pattern.decided_us),
    "ended": lambda pattern: instant(pattern.ended_us),
    "first_seen": lambda pattern: _known(pattern.first_seen_us),
    "last_seen": lambda pattern: _known(pattern.last_seen_us),
}
#: A text that begins so is taken for a formula by programs that show tables; also in their wide forms.
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # noqa: RUF001


def _known(at_us: int | None) -> str | None:
    return None if at_us is None else instant(at_us)


def json_lines(patterns: Iterable[AttackPattern]) -> Iterator[str]:
    """An object a line."""
    for pattern in patterns:
        yield json.dumps(described(pattern), allow_nan=False) + "\n"


def described(pattern: AttackPattern) -> dict[str, Value]:
    return {name: column(pattern) for name, column in COLUMNS.items()}


def comma_separated(patterns: Iterable[AttackPattern]) -> Iterator[str]:
    """RFC 4180 with a header. A text that a program might take for a formula has an apostrophe before it."""
    row = io.StringIO(newline="")
    writer = csv.writer(row)
    writer.writerow(COLUMNS)
    yield _emptied(row)
    for pattern in patterns:
        writer.writerow([_cell(column(pattern)) for column in COLUMNS.values()])
        yield _emptied(row)


def _cell(value: Value) -> str | int | float | None:
    """A list stands in one cell, separated by spaces; numbers stay numbers."""
    if isinstance(value, list):
        return " ".join(map(str, value))
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


def _emptied(row: io.StringIO) -> str:
    text = row.getvalue()
    row.seek(0)
    row.truncate()
    return text

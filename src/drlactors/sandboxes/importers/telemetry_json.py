"""Reads the specification's TelemetryData as JSON: one object, a list of them, or one after another.

A window that the file has is taken as it is. What is missing is missing, and so is what cannot be (a negative count,
text for a number): that is counted as passed over. Text is cut as what sandboxes send is.

Windows of one sandbox and artifact make one run; a file with several has a part for each, in the order in which they
come. The specification does not say how a time is written: text is ISO 8601; a number is seconds, milliseconds,
microseconds or nanoseconds since 1970, whichever lies between 1973 and 5138.
"""

import codecs
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from drlactors.domain.telemetry import MAX_COUNT, MAX_ENTRIES, Telemetry
from drlactors.sandboxes.importers.fold import cleaned
from drlactors.sandboxes.importers.report import About, Format, Item, Part, Passed, Seen, since_1970_us
from drlactors.sandboxes.importers.source import Source, Unreadable

#: All of them are kept until all is read: they need not be in order.
MOST_WINDOWS = 100_000
#: One window with all its lists full has a tenth of this.
MAX_VALUE_CHARACTERS = 1 << 20
CHUNK_BYTES = 64 << 10
_BEGINS = re.compile(
    rb'\s*\[?\s*\{(?=.*?"sandbox_id"\s*:)(?=.*?"(?:syscall_count|syscall_types|file_read_count|timestamp)"\s*:)',
    re.DOTALL,
)
_BETWEEN = re.compile(r"[ \t\r\n,]*")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_COUNTS = tuple(name for name, kind in Telemetry.__annotations__.items() if kind == int | None)
_AMOUNTS = tuple(name for name, kind in Telemetry.__annotations__.items() if kind == float | None)
_FLAGS = tuple(name for name, kind in Telemetry.__annotations__.items() if kind == bool | None)
_LISTS = tuple(name for name, kind in Telemetry.__annotations__.items() if kind == tuple[str, ...])


def detects(head: bytes, _name: str) -> bool:
    """Whether the first object is a TelemetryData's."""
    return _BEGINS.match(head.removeprefix(b"\xef\xbb\xbf")) is not None


def read(source: Source) -> Iterator[Item]:
    """The windows of a file, each run's in the order of their times. Raises Unreadable with the object's number."""
    passed: Counter[str] = Counter()
    runs: dict[tuple[str, str, str], list[Seen]] = {}
    for number, plain in enumerate(_objects(source)):
        if number >= MOST_WINDOWS:
            raise Unreadable(f"object {number}", f"more than {MOST_WINDOWS:,} windows")
        run = (_text(plain, "sandbox_id"), _text(plain, "artifact_hash"), _text(plain, "artifact_type"))
        at_us = _time(plain.get("timestamp"), f"object {number}, timestamp")
        runs.setdefault(run, []).append(Seen(at_us, _telemetry(plain, passed)))
    for number, ((sandbox, artifact, kind), windows) in enumerate(runs.items()):
        if number:
            yield Part(f"{sandbox} {artifact}".strip())
        yield About("TelemetryData", artifact.lower() if _SHA256.fullmatch(artifact) else "", kind)
        yield from sorted(windows, key=lambda seen: seen.at_us)
    for what, count in passed.items():
        yield Passed(what, count)


def _objects(source: Source) -> Iterator[dict[str, Any]]:
    """The objects, one after another or in a list."""
    decode = codecs.getincrementaldecoder("utf-8-sig")("replace").decode
    decoder = json.JSONDecoder()
    text, at, number = "", 0, 0
    over = listed = closed = False
    while not over:
        source.turn()
        data = source.read(max(CHUNK_BYTES, len(text)))
        over = not data
        text, at = text[at:] + decode(data, over), 0
        while True:
            at = _BETWEEN.match(text, at).end()  # type: ignore[union-attr]  # it matches nothing as well
            there = text[at : at + 1]
            if there == "[" and not number and not listed:
                listed, at = True, at + 1
                continue
            if there == "]" and listed and not closed:
                closed, at = True, at + 1
                continue
            if not there:
                break
            if there != "{" or closed:
                raise Unreadable(f"object {number}", f"an object is expected, and {text[at : at + 20]!r} is there")
            try:
                found, at = decoder.raw_decode(text, at)
            except (ValueError, RecursionError) as error:
                if over or len(text) - at > MAX_VALUE_CHARACTERS:
                    raise Unreadable(f"object {number}", f"it is cut off, too long or no JSON: {error}") from error
                break
            yield found
            number += 1
    if listed and not closed:
        raise Unreadable(f"object {number}", "the list is cut off")
    if not number:
        raise Unreadable("object 0", "there is none")


def _telemetry(plain: dict[str, Any], passed: Counter[str]) -> Telemetry:
    seen: dict[str, Any] = {}
    for names, read_one in ((_COUNTS, _count), (_AMOUNTS, _amount), (_FLAGS, _flag), (_LISTS, _texts)):
        for name in names:
            given = plain.get(name)
            if given is None:
                continue
            value = read_one(given)
            if value is None:
                passed[f"values that cannot be, of {name}"] += 1
            else:
                seen[name] = value
    return Telemetry(**seen)


def _count(given: object) -> int | None:
    whole = isinstance(given, int) and not isinstance(given, bool)
    return given if whole and 0 <= given <= MAX_COUNT else None  # type: ignore[operator, return-value]  # it is an int


def _amount(given: object) -> float | None:
    number = isinstance(given, int | float) and not isinstance(given, bool)
    return float(given) if number and 0 <= given <= MAX_COUNT else None  # type: ignore[arg-type, operator]  # it is a number


def _flag(given: object) -> bool | None:
    return given if isinstance(given, bool) else None


def _texts(given: object) -> tuple[str, ...] | None:
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        return None
    return tuple(cleaned(one) for one in dict.fromkeys(given[: 16 * MAX_ENTRIES]))[:MAX_ENTRIES]


def _text(plain: dict[str, Any], name: str) -> str:
    found = plain.get(name)
    return cleaned(found) if isinstance(found, str) else ""


def _time(given: object, place: str) -> int:
    """Microseconds since 1970."""
    if isinstance(given, str):
        try:
            return since_1970_us(given)
        except ValueError as error:
            raise Unreadable(place, str(error)) from error
    if isinstance(given, int | float) and not isinstance(given, bool):
        for a_second in (1, 10**3, 10**6, 10**9):
            if 10**8 * a_second <= given < 10**11 * a_second:
                return (
                    round(given * 1_000_000 / a_second) if isinstance(given, float) else given * 1_000_000 // a_second
                )
    raise Unreadable(place, "a time is expected")


FORMAT = Format("TelemetryData", detects, read)

"""A cursor sees in JSON what the standard library sees in it, however it is cut into pieces; and refuses the rest."""

import json
from collections.abc import Iterator
from io import BytesIO
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drlactors.sandboxes.importers import json_cursor
from drlactors.sandboxes.importers.json_cursor import JsonCursor
from drlactors.sandboxes.importers.source import Source, Unreadable

ANY = msgspec.json.Decoder()
PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 60), 1 << 60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
JSON = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=30)


class Stumbling(Source):
    """Hands over a few bytes at a time, its first ones too."""

    few = 1

    def read(self, size: int = -1) -> bytes:
        return super().read(min(size, self.few))


def cursor(data: bytes, few: int = 1 << 20) -> JsonCursor:
    source = Stumbling(BytesIO(data), "x")
    source.few = few
    return JsonCursor(source)


def walked(at: JsonCursor, value: Any, skip: Iterator[bool]) -> Any:
    """The value, by every way that the cursor has; None for what was passed over."""
    if next(skip):
        at.skip()
        return None
    if isinstance(value, dict):
        return {key: walked(at, value[key], skip) for key in at.members()}
    if isinstance(value, list):
        return [walked(at, value[number], skip) for number in at.items()]
    return at.decoded(ANY)


def without(value: Any, skip: Iterator[bool]) -> Any:
    if next(skip):
        return None
    if isinstance(value, dict):
        return {key: without(inner, skip) for key, inner in value.items()}
    return [without(inner, skip) for inner in value] if isinstance(value, list) else value


def read_through(at: JsonCursor) -> None:
    for _ in at.members():
        pass
    at.finish()


@given(JSON, st.integers(1, 40), st.sampled_from([None, 2]), st.integers(0, 1 << 30))
def test_it_sees_what_there_is_however_it_comes(value, few, indent, seed):
    value, random = [value], Random(seed)
    skips = [random.random() < 0.2 for _ in range(1000)]
    at = cursor(json.dumps(value, indent=indent).encode(), few)
    assert walked(at, value, iter(skips)) == without(value, iter(skips))
    at.finish()


@given(st.lists(JSON | st.builds(lambda inner: {"a": inner}, JSON)), st.integers(1, 60), st.sampled_from([None, 2]))
def test_the_fast_way_through_an_array_sees_the_same(values, few, indent):
    at = cursor(json.dumps({"calls": values, "after": 1}, indent=indent).encode(), few)
    seen = {key: list(at.each(ANY)) if key == "calls" else at.decoded(ANY) for key in at.members()}
    assert seen == {"calls": values, "after": 1}
    at.finish()


def test_what_looks_like_the_next_element_inside_one_is_none():
    tricky = [{"a": '}, {"a": 1'}, {"a": [{"a": 1}, {"a": 2}]}, {"a": {"b": [1, {"a": 3}]}}, {"b": 1}, {"a": "\\"}]
    data = json.dumps(tricky * 3).encode()
    assert list(cursor(data).each(ANY)) == tricky * 3


@given(JSON.filter(lambda value: isinstance(value, dict | list) and value), st.data())
def test_one_that_is_cut_off_is_refused(value, data):
    whole = json.dumps(value).encode()
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(Unreadable):
        walked(cursor(cut), value, iter([False] * 1000))


@pytest.mark.parametrize(
    "data",
    [b"", b" ", b"{", b'{"a"', b'{"a":', b'{"a":}', b'{"a" 1}', b'{"a":1,}', b"{1:2}", b'{"a":1 "b":2}', b'{"a":[1}',
     b'{"a":[1,2}}', b'{"a":"x}', b'{"a":1}x', b'{"a":1}{}', b"[]", b"null", b'{"a":{"b":]}}', b'{"a":1]'],
)  # fmt: skip
def test_what_is_no_object_is_refused(data):
    at = cursor(data)
    with pytest.raises(Unreadable):
        read_through(at)


def test_the_place_of_a_fault_is_its_path():
    at = cursor(b'{"a": {"b": [1, 2, {"c": nonsense}]}}')
    with pytest.raises(Unreadable, match=r"^a\.b\[2\]\.c \(byte \d+\): "):
        walked(at, {"a": {"b": [1, 2, {"c": 3}]}}, iter([False] * 9))


@pytest.mark.parametrize("open_", [b"[", b'{"a":'])
@pytest.mark.parametrize("taken", [True, False])
def test_what_is_nested_too_deep_is_refused(open_, taken):
    at = cursor(b'{"x":' + open_ * 1_000_000)
    with pytest.raises(Unreadable, match="nested deeper"):
        [at.value() if taken else None for _ in at.members()]


def test_a_value_that_is_too_long_is_refused_and_passing_over_many_is_not(monkeypatch):
    monkeypatch.setattr("drlactors.sandboxes.importers.source.MAX_PIECE_BYTES", 1 << 20)
    monkeypatch.setattr(json_cursor, "CHUNK_BYTES", 1 << 16)
    at = cursor(b'{"a": "' + b"x" * (4 << 20) + b'"}')
    with pytest.raises(Unreadable, match="longer than"):
        list(at.members())
    at = cursor(b'{"a": [' + b'"xxxxxxxxxxxxxxxx", ' * 300_000 + b"1]}")
    assert list(at.members()) == ["a"]
    at = cursor(b'{"a": [' + b'"xxxxxxxxxxxxxxxx", ' * 300_000 + b"1]}")
    with pytest.raises(Unreadable, match="longer than"):
        [at.value() for _ in at.members()]

"""BSON is read as its specification and CAPE's monitor write it, and anything else is refused as a whole."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drlactors.sandboxes.cape.bson import MAX_DEPTH, Broken, Value, document
from tests.unit.sandboxes.cape.kit import bson


def test_the_examples_of_the_specification_are_read():
    assert document(b"\x16\x00\x00\x00\x02hello\x00\x06\x00\x00\x00world\x00\x00") == {"hello": "world"}
    awesome = (
        b"\x31\x00\x00\x00\x04BSON\x00\x26\x00\x00\x00\x02\x30\x00\x08\x00\x00\x00awesome\x00"
        b"\x01\x31\x00\x33\x33\x33\x33\x33\x33\x14\x40\x10\x32\x00\xc2\x07\x00\x00\x00\x00"
    )
    assert document(awesome) == {"BSON": ["awesome", 5.05, 1986]}


def test_what_the_monitor_writes_is_read():
    written = {"I": 20, "t": -1, "big": 1 << 40, "name": "NtWriteFile", "args": [1, b"\xff\x00", ["a", b"b"]]}
    assert document(bson(written)) == written


def test_values_that_are_not_needed_are_passed_over():
    body = b"\x07id\x00" + bytes(12) + b"\x0anull\x00" + b"\x09at\x00" + bytes(8) + b"\x10n\x00\x05\x00\x00\x00"
    assert document(struct.pack("<i", len(body) + 5) + body + b"\0") == {"id": None, "null": None, "at": None, "n": 5}


def test_text_that_is_no_utf_8_is_read_with_replacements():
    body = b"\x02a\xff\x00" + struct.pack("<i", 3) + b"b\xfe\x00"
    assert document(struct.pack("<i", len(body) + 5) + body + b"\0") == {"a\ufffd": "b\ufffd"}


def test_a_document_nested_too_deep_is_refused():
    nested: dict[str, object] = {"n": 1}
    for _ in range(MAX_DEPTH + 1):
        nested = {"n": [nested["n"]]}
    with pytest.raises(Broken, match="deep"):
        document(bson(nested))


@given(st.binary(max_size=200))
def test_whatever_bytes_there_are_they_are_a_document_or_broken(data: bytes):
    try:
        document(data)
    except Broken:
        return


@given(st.data())
def test_a_document_with_changed_bytes_is_a_document_or_broken(data: st.DataObject):
    written = bytearray(bson({"I": 20, "args": [1, b"abc", ["d", 1 << 40]], "name": "x", "ok": True}))
    for at in data.draw(st.lists(st.integers(0, len(written) - 1), min_size=1, max_size=4)):
        written[at] = data.draw(st.integers(0, 255))
    try:
        found: dict[str, Value] = document(bytes(written))
    except Broken:
        return
    assert isinstance(found, dict)

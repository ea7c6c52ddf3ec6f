"""A file that others wrote is opened only when it is a file, and never unpacks to more than it should."""

import gzip
import os
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest

from drlactors.sandboxes.importers import source
from drlactors.sandboxes.importers.source import Source, Unreadable, opened

TEXT = b"".join(b"line %d\n" % number for number in range(50_000))


def test_packed_or_not_it_reads_the_same_and_has_the_same_digest():
    found = []
    for data in (TEXT, gzip.compress(TEXT)):
        read = Source(BytesIO(data), "x")
        head = read.head
        text = read.read(10)
        while more := read.read(7_001):
            text += more
        assert text == TEXT
        found.append((head, read.sha256, read.bytes))
    assert found == [(TEXT[: source.HEAD_BYTES], sha256(TEXT).hexdigest(), len(TEXT))] * 2


def test_lines_are_numbered_and_have_no_ends():
    assert list(Source(BytesIO(b"a\r\n\nlast"), "x").lines()) == [(1, b"a"), (2, b""), (3, b"last")]
    assert [line for _, line in Source(BytesIO(TEXT), "x").lines()] == TEXT.splitlines()
    assert list(Source(BytesIO(b""), "x").lines()) == []


def test_a_mark_of_the_encoding_is_no_part_of_the_first_line():
    assert list(Source(BytesIO(b"\xef\xbb\xbfa\r\nb"), "x").lines()) == [(1, b"a"), (2, b"b")]
    assert list(Source(BytesIO(b"\xef\xbb\xbfa"), "x").lines()) == [(1, b"a")]


def test_what_is_left_is_part_of_the_digest():
    read = Source(BytesIO(TEXT), "x")
    read.read(5)
    read.drain()
    assert read.sha256 == sha256(TEXT).hexdigest()


def test_a_piece_that_does_not_end_is_refused(monkeypatch):
    monkeypatch.setattr(source, "MAX_PIECE_BYTES", 100_000)
    with pytest.raises(Unreadable, match="longer than"):
        list(Source(BytesIO(b"x" * 1_000_000), "x").lines())
    assert len(list(Source(BytesIO(TEXT), "x").lines())) == 50_000


def test_a_piece_that_was_dealt_with_does_not_count(monkeypatch):
    monkeypatch.setattr(source, "MAX_PIECE_BYTES", 100_000)
    read = Source(BytesIO(TEXT), "x")
    while read.read(60_000):
        read.turn()
    assert read.bytes == len(TEXT)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (gzip.compress(TEXT)[:-200], "damaged or cut off"),
        (gzip.compress(TEXT)[:1000] + b"?" * 1000, "damaged or cut off"),
        (b"\x1f\x8b", "damaged or cut off"),
    ],
)
def test_a_damaged_gzip_file_is_refused(data, why):
    with pytest.raises(Unreadable, match=why):
        Source(BytesIO(data), "x").drain()


def test_a_gzip_bomb_is_refused_early(monkeypatch):
    monkeypatch.setattr(source, "MAX_PIECE_BYTES", 1 << 20)
    read = Source(BytesIO(gzip.compress(bytes(64 << 20))), "x")
    with pytest.raises(Unreadable, match="times its size"):
        read.drain()
    assert read.bytes < 16 << 20


def test_more_than_a_report_can_be_is_refused(monkeypatch):
    monkeypatch.setattr(source, "MAX_BYTES", 200_000)
    with pytest.raises(Unreadable, match="unpacks to more than"):
        Source(BytesIO(TEXT), "x").drain()


def test_only_a_regular_file_is_opened(tmp_path: Path):
    (tmp_path / "report.json.gz").write_bytes(gzip.compress(TEXT))
    with opened(tmp_path / "report.json.gz") as read:
        assert read.name == "report.json"
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("report.json.gz")
    for other in (tmp_path / "pipe", tmp_path / "link", tmp_path, Path(os.devnull)):
        with pytest.raises(Unreadable, match="not a regular file"), opened(other):
            pass
    with pytest.raises(Unreadable, match="No such file"), opened(tmp_path / "nothing"):
        pass

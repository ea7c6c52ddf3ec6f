"""Tables of labels, as people write them."""

from pathlib import Path

import pytest

from drlactors.domain.session import Outcome
from drlactors.sandboxes.errors import BrokenLabels
from drlactors.sandboxes.importers.labels import read

A, B = "a" * 64, "b" * 64


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_the_mark_that_spreadsheets_write_hides_no_column(tmp_path: Path, encoding: str, ends: str) -> None:
    table = tmp_path / "labels.csv"
    table.write_bytes(ends.join(("sha256,file,label", f"{A.upper()},x.json,malicious", "")).encode(encoding))
    assert read(table) == {A: Outcome.MALICIOUS, "x.json": Outcome.MALICIOUS}


@pytest.mark.parametrize("other", ["benign", "unknown", ""])
def test_one_name_with_two_labels_is_refused_with_the_line(tmp_path: Path, other: str) -> None:
    table = tmp_path / "labels.csv"
    table.write_text(f"file,label\n1/report.json,malicious\n2/report.json,{other}\n")
    with pytest.raises(BrokenLabels, match=r"line 3: .*report\.json has another label"):
        read(table)


def test_what_another_run_of_an_artifact_showed_counts_where_this_one_tells_nothing(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text(f"file,sha256,label\na.json,{A},unknown\nb.json,{A},malicious\nc.json,{A},malicious\n")
    assert read(table) == {A: Outcome.MALICIOUS, "b.json": Outcome.MALICIOUS, "c.json": Outcome.MALICIOUS}
    table.write_text(f"sha256,label\n{A},malicious\n{B},benign\n{A},benign\n")
    with pytest.raises(BrokenLabels, match="line 4"):
        read(table)


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (b"file,verdict\na.json,malicious\n", "line 2: there is no column label"),
        (b"file,label\na.json,evil\n", "line 2: the label 'evil' is none of malicious, benign and unknown"),
        (b"file,label\na.json\n", "line 2: the line is cut off before the label"),
        (b"label\nmalicious\n", "line 2: neither a file nor a sha256"),
        (b"file,label\na\xe9.json,malicious\n", "line 0: .*can't decode"),
    ],
)
def test_what_is_no_table_of_labels_is_refused_with_the_reason(tmp_path: Path, table: bytes, why: str) -> None:
    (tmp_path / "labels.csv").write_bytes(table)
    with pytest.raises(BrokenLabels, match=why):
        read(tmp_path / "labels.csv")

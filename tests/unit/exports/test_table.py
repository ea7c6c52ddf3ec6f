"""Lines of JSON and CSV say the same, and no table program takes a name for a formula."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drlactors.exports.table import COLUMNS, comma_separated, json_lines
from tests.unit.exports.patterns import NAMES, pattern, patterns

PAGE = Path(__file__).parents[3] / "proto" / "exports.md"


def rows(*given_patterns):
    return list(csv.reader(io.StringIO("".join(comma_separated(given_patterns)), newline=""), strict=True))


@given(several=st.lists(patterns(), max_size=3))
def test_each_line_is_an_object_with_all_columns(several):
    lines = list(json_lines(several))
    shown = [json.loads(line) for line in lines]
    assert all(line.endswith("\n") and line.count("\n") == 1 for line in lines)
    assert [list(each) for each in shown] == [list(COLUMNS)] * len(several)
    assert [each["session"] for each in shown] == [str(each.session) for each in several]
    assert [each["features"] for each in shown] == [list(each.features) for each in several]


@given(several=st.lists(patterns(), max_size=3))
def test_csv_is_rfc_4180(several):
    text = "".join(comma_separated(several))
    read = rows(*several)
    assert read[0] == list(COLUMNS)
    assert [len(row) for row in read] == [len(COLUMNS)] * (len(several) + 1)
    assert text.endswith("\r\n")
    assert [row[0] for row in read[1:]] == [str(each.session) for each in several]
    names = [
        (row[3].removeprefix("'"), each.sandbox.removeprefix("'")) for row, each in zip(read[1:], several, strict=True)
    ]
    assert all(shown == given_name for shown, given_name in names)


@given(name=NAMES)
def test_no_name_begins_a_formula(name):
    [_, row] = rows(pattern(sandbox=name, policy=name, reward=-0.5))
    for cell in (row[3], row[list(COLUMNS).index("policy")]):
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
        assert cell in (name, f"'{name}")
    assert row[list(COLUMNS).index("reward")] == "-0.5"


def test_what_is_not_known_is_empty_and_null():
    assert rows(pattern(reward=None))[1][list(COLUMNS).index("reward")] == ""
    assert json.loads(next(json_lines([pattern(reward=None)])))["reward"] is None
    never = pattern(first_seen_us=None, last_seen_us=None)
    assert rows(never)[1][-2:] == ["", ""]
    assert json.loads(next(json_lines([never])))["first_seen"] is None
    assert rows(pattern())[1][-2:] == ["2020-01-26T00:53:20.654321Z", "2020-01-26T00:54:20.654321Z"]


@pytest.mark.parametrize("column", ["techniques", "rules", "features"])
def test_a_list_is_one_cell(column):
    [line] = json_lines([pattern()])
    cell = rows(pattern())[1][list(COLUMNS).index(column)]
    assert cell.split(" ") == [str(each) for each in json.loads(line)[column]]


def test_the_columns_are_documented_in_their_order():
    section = PAGE.read_text().partition("## JSON lines and CSV")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(COLUMNS)

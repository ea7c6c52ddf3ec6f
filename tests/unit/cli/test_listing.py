"""Lists: tables for people, lines of JSON for programs."""

import json
from uuid import UUID

from drlactors.cli.listing import print_rows

COLUMNS = ("name", "size")


def test_json_has_a_row_a_line_as_it_is(capsys):
    print_rows(COLUMNS, [("one", 1), ("two", None)], as_json=True, cells=lambda row: (row[0].upper(), row[1]))
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert told == [{"name": "one", "size": 1}, {"name": "two", "size": None}]


def test_a_table_has_the_cells_that_are_for_people(capsys):
    print_rows(COLUMNS, [("one", 1000), ("two", None)], as_json=False, cells=lambda row: (row[0].upper(), row[1]))
    told = capsys.readouterr().out
    assert "name" in told
    assert "ONE" in told
    assert "1000" in told
    assert "None" not in told


def test_what_a_sandbox_wrote_is_no_markup(capsys):
    print_rows(COLUMNS, [("[red]evil[/nothing]", 1)], as_json=False)
    assert "[red]evil[/nothing]" in capsys.readouterr().out


def test_no_rows_are_said_in_words_and_no_json(capsys):
    print_rows(COLUMNS, [], as_json=False, empty="There are none.")
    assert capsys.readouterr().out == "There are none.\n"
    print_rows(COLUMNS, [], as_json=True, empty="There are none.")
    assert capsys.readouterr().out == ""


def test_what_goes_to_a_file_has_a_row_a_line_and_is_not_cut_off(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    row = [str(UUID(int=number)) for number in range(9)]
    print_rows([f"column {number}" for number in range(9)], [row, row], as_json=False)
    lines = [line for line in capsys.readouterr().out.splitlines() if row[1] in line]
    assert len(lines) == 2
    assert all(each in line for each in row for line in lines)


def test_on_a_narrow_terminal_all_of_a_cell_is_there(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    row = [f"{number}" * 36 for number in range(1, 6)]
    print_rows(list("abcde"), [row], as_json=False)
    told = capsys.readouterr().out
    assert [told.count(str(number)) for number in range(1, 6)] == [36] * 5

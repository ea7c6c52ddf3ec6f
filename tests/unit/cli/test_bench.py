"""`drlactors bench` finds benchmarks by file name, and shows and writes their figures."""

import json

import pytest

from drlactors.__main__ import run
from drlactors.cli import bench

FIGURES = [{"name": "windows", "value": 8123.0, "unit": "1/s", "compared_with": "0.61 of the raw limit"}]


@pytest.fixture(autouse=True)
def benchmarks(tmp_path, monkeypatch):
    folder = tmp_path / "tests" / "benchmarks"
    folder.mkdir(parents=True)
    (folder / "fast_line.py").write_text(f"def run():\n    return {FIGURES}\n")
    monkeypatch.setattr(bench, "folder", lambda: folder)


def test_without_a_name_the_names_are_listed(capsys):
    assert run(["bench"]) == 0
    assert capsys.readouterr().out == "fast-line\n"


def test_an_unknown_name_lists_the_known_ones(capsys):
    assert run(["bench", "slow-line"]) == 2
    assert "there is no benchmark 'slow-line'; there are: fast-line" in capsys.readouterr().err


def test_figures_are_shown_and_written(tmp_path, capsys):
    assert run(["bench", "fast-line", "--json", str(tmp_path / "out.json")]) == 0
    assert "8,123" in capsys.readouterr().out
    assert json.loads((tmp_path / "out.json").read_text()) == FIGURES

"""What is committed of evaluations is quoted as it is, with what it cannot show."""

import json
from pathlib import Path

import pytest

from drlactors.learner.report.tables import reached

ROOT = Path(__file__).parents[3]
EVALUATION = ROOT / "ops" / "evaluation"
QUOTED = (EVALUATION / "README.md").read_text(encoding="utf-8")
REPORTS = sorted(EVALUATION.glob("*/report.json"))


def test_both_public_sets_were_evaluated_with_ten_seeds():
    names = {path.parent.name: json.loads(path.read_text()) for path in REPORTS}
    assert {"machine-activity", "android-strace"} <= set(names)
    assert all(len(names[name]["boundaries"]) == 10 for name in ("machine-activity", "android-strace"))


@pytest.mark.parametrize("path", REPORTS, ids=lambda path: path.parent.name)
def test_what_is_quoted_is_what_the_report_has(path: Path):
    report = json.loads(path.read_text())
    assert f"`{report['command']}" in QUOTED
    for row in reached(report).rows:
        assert f"| {' | '.join(row)} |" in QUOTED
    for figure in path.parent.glob("*.svg"):
        assert figure.read_text() in (path.parent / "report.html").read_text()


@pytest.mark.parametrize("quoting", [EVALUATION / "README.md", ROOT / "README.md"], ids=lambda path: path.parent.name)
def test_wherever_figures_are_quoted_their_limits_are(quoting: Path):
    assert "does not react to actions" in quoting.read_text(encoding="utf-8").replace("\n", " ")

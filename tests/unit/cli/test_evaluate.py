"""`drlactors evaluate` writes a report from what the checkout holds, and says in one line what it cannot do."""

import json
from pathlib import Path

import pytest

from drlactors.__main__ import run
from drlactors.sandboxes.recording import Recording, recordings, write


def test_a_quick_run_writes_the_page_the_figures_and_the_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["evaluate", "--quick", "--seeds", "1", "--out", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "off-policy replay" in told
    assert "threshold stopping" in told
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["command"] == "drlactors evaluate recordings --seeds 1 --quick"
    assert {"detection", "calibration", "alone", "loss", "stages"} == set(report["found"])
    assert {
        *("stopping policy", "threshold stopping", "always continue", "random", "rules", "rules, tuned", "plain DQN"),
        *(f"fixed {at_s} s" for at_s in (1, 2, 5, 10, 20, 30)),
    } <= set(report["found"]["detection"]["methods"])
    page = (tmp_path / "report.html").read_text()
    assert report["limits"] in page
    svgs = list(tmp_path.glob("*.svg"))
    assert len(svgs) == 6
    assert all(svg.read_text() in page for svg in svgs)


def few(folder: Path, artifacts: int) -> Path:
    """A collection with so many artifacts of each class."""
    chosen: dict[bool, dict[str, Recording]] = {True: {}, False: {}}
    for session in recordings():
        of = chosen[session.malicious]
        if len(of) < artifacts:
            of.setdefault(session.artifact_sha256, session)
    file = folder / "few.jsonl.gz"
    write(file, [*chosen[True].values(), *chosen[False].values()])
    return file


@pytest.mark.parametrize("artifacts", [1, 4])
def test_too_few_artifacts_to_judge_by_are_said_to_be(
    artifacts: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert run(["evaluate", "--quick", "--data", str(few(tmp_path, artifacts))]) == 1
    told = capsys.readouterr().err
    assert "not enough to judge by" in told
    assert len(told.splitlines()) == 1


@pytest.mark.filterwarnings("error")
def test_what_just_suffices_to_judge_by_is_judged_without_a_warning(tmp_path: Path):
    assert run(["evaluate", "--quick", "--seeds", "1", "--data", str(few(tmp_path, 5))]) == 0


def test_a_folder_that_cannot_be_written_to_is_said_before_anything_is_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "out"
    assert run(["evaluate", "--quick", "--out", str(out)]) == 1
    told = capsys.readouterr()
    assert told.err == f"drlactors: {out}: Not a directory\n"
    assert "seeds" not in told.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--data", str(Path(__file__).parent)), "no sessions of recordings lie in"),
        (("everything",), "there is no set 'everything'"),
        (("android-strace",), "say where android-strace-2018 lies"),
        (("recordings", "--split", "date"), "no dates to split them by"),
        (("--split", "family"), "family"),
        (("--seeds", "-1"), "at least 1"),
    ],
)
def test_what_cannot_be_meant_is_said_in_one_line(
    arguments: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.delenv("DRLACTORS_DATA", raising=False)
    assert run(["evaluate", *arguments]) != 0
    told = capsys.readouterr().err
    assert said in told
    assert len(told.splitlines()) == 1

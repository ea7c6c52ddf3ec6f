"""`drlactors train` on few recordings with few updates, and on a real log and its archive."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from drlactors.__main__ import run
from drlactors.config import load
from drlactors.domain.action import Action
from drlactors.inference import Trust, load_model, packaged_model
from drlactors.learner.transitions import Sample
from drlactors.ports.learning import CannotLearn
from drlactors.sandboxes.recording import recordings
from drlactors.signing import KeyRefused, make_key
from drlactors.store.log import PostgresEventLog
from drlactors.wiring.learning import learner, task_of
from tests.contract.store.given import SCHEMA_DIR
from tests.unit.learner.logs import write

TASK = task_of(load("prod", environ={}).settings)
#: Every fifth one: enough artifacts of both classes to hold some out.
FEW = [Sample(one.windows, one.malicious, one.artifact_sha256) for one in recordings()][::5]

Said = Callable[..., tuple[int, str, str]]


@pytest.fixture
def drlactors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    """One command: status, what it printed, what it complained of."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("DRLACTORS_SERVER__DATA_DIR", str(tmp_path / "data"))

    def said(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = run(arguments)
        return status, *capsys.readouterr()

    return said


@pytest.fixture
def log(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostgresEventLog]:
    """Sessions of recordings that were isolated now and then."""
    monkeypatch.setenv("DRLACTORS_POSTGRES__URL", database)
    with closing(PostgresEventLog(database, schema_dir=SCHEMA_DIR)) as opened:
        write(opened, FEW, TASK, lambda window: Action.ISOLATE if window == 3 else Action.CONTINUE)
        yield opened


def test_a_folder_that_cannot_be_written_to_is_said_before_anything_is_learned(drlactors: Said, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "out"
    status, told, complaint = drlactors("train", "--out", str(out), "--updates", "2")
    assert (status, complaint) == (1, f"drlactors: {out}: Not a directory\n")
    assert "seed 0" not in told


def test_recordings_become_a_signed_model_and_figures(drlactors: Said, tmp_path: Path) -> None:
    key = tmp_path / "models.key"
    public, out = make_key(key), tmp_path / "trained"
    train = ("train", "--out", str(out), "--updates", "2", "--seeds", "2", "--version", "3", "--key", str(key))
    status, told, _ = drlactors(*train)
    assert status == 0, told
    assert "cpu" in told or "cuda" in told
    policy = load_model(out / "model.onnx", TASK.schema, Trust(frozenset({public}), allow_unsigned=False))
    assert (policy.metadata.version, policy.metadata.held_out, policy.signed_by) == (3, 52, public)
    figures = json.loads((out / "figures.json").read_text())
    assert (figures["seeds"], figures["held_out_sessions"]) == (2, [52, 52])
    assert {path.name for path in out.glob("*.svg")} == {
        "learning-curve.svg",
        "stopped-by-second.svg",
        "confusion.svg",
        "actions.svg",
    }


def test_one_command_makes_the_shipped_model_again(drlactors: Said, tmp_path: Path) -> None:
    """The same bytes on a machine like the one that made it; elsewhere sums differ in their last bits."""
    out = tmp_path / "trained"
    assert drlactors("train", "--out", str(out))[0] == 0
    again = json.loads((out / "model.json").read_text())
    shipped = json.loads(packaged_model().with_suffix(".json").read_text())
    assert again["hyperparameters"] == shipped["hyperparameters"]
    assert (again["date"], again["episodes"], again["held_out"]) == tuple(
        shipped[name] for name in ("date", "episodes", "held_out")
    )
    assert again["sha256"] == shipped["sha256"] or again["final_reward"] == pytest.approx(
        shipped["final_reward"], abs=0.2
    )


@pytest.mark.parametrize("method", ["bcq", "cql", "dqn"])
def test_the_log_teaches_by_every_method_and_a_repeat_goes_on_where_it_was(
    method: str, drlactors: Said, log: PostgresEventLog, tmp_path: Path
) -> None:
    out = tmp_path / "trained"
    train = ("train", "--log", "--out", str(out), "--method", method)
    status, told, complaint = drlactors(*train, "--updates", "20")
    assert status == 0, complaint
    assert f"the log up to position {log.head()}" in told
    assert json.loads((out / "model.json").read_text())["hyperparameters"]["updates"] == 20
    assert [point["updates"] for point in json.loads((out / "seed-0" / "curve.json").read_text())] == list(range(1, 21))
    assert drlactors(*train, "--updates", "40")[0] == 0
    assert json.loads((out / "seed-0" / "curve.json").read_text())[-1]["updates"] == 40


def test_a_log_does_not_teach_stopping(drlactors: Said, log: PostgresEventLog, tmp_path: Path) -> None:
    status, _, complaint = drlactors("train", "--log", "--out", str(tmp_path / "trained"), "--method", "stopping")
    assert status != 0
    assert "stopping needs sessions to their ends" in complaint


def test_an_archive_teaches_what_its_log_teaches(drlactors: Said, log: PostgresEventLog, tmp_path: Path) -> None:
    assert drlactors("archive", "write", str(tmp_path / "archive"))[0] == 0
    for source, out in ((("--log",), "one"), (("--archive", str(tmp_path / "archive")), "other")):
        status, _, complaint = drlactors("train", *source, "--out", str(tmp_path / out), "--updates", "20")
        assert status == 0, complaint
    assert (tmp_path / "one" / "model.onnx").read_bytes() == (tmp_path / "other" / "model.onnx").read_bytes()
    assert (tmp_path / "one" / "model.json").read_bytes() == (tmp_path / "other" / "model.json").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--log", "--set", "android-strace"), "give one of them"),
        (("--set", "everything"), "no corpus is called 'everything'"),
        (("--archive", "nowhere"), "nowhere holds no archive"),
        (("--method", "sarsa"), "no method is called 'sarsa'"),
        (("--method", "stopping", "--updates", "3"), "stopping has no updates"),
        (("--set", "android-strace"), "say where android-strace-2018 lies"),
        (("--seeds", "0"), "at least 1"),
        (("--updates", "-1"), "at least 0"),
        (("--seed", "-1"), "at least 0"),
        (("--version", "0"), "at least 1"),
        (("--date", "2026-11-30T00:00:00"), "2026-11-30T00:00:00+00:00"),
        (("--date", "yesterday"), "ISO 8601"),
        (("--key", "nowhere.key"), "nowhere.key: No such file"),
    ],
)
def test_what_cannot_be_meant_is_said_in_one_line(
    arguments: tuple[str, ...], said: str, drlactors: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DRLACTORS_DATA", raising=False)
    status, _, complaint = drlactors("train", "--out", str(tmp_path / "trained"), *arguments)
    assert status != 0
    assert said in complaint
    assert len(complaint.splitlines()) == 1
    assert "Error: " not in complaint
    assert not (tmp_path / "trained").exists()


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("", "an unsigned candidate is refused"),
        ("strange.key", "strange.key signs is refused"),
        ("none", "none: No such"),
    ],
)
def test_a_learner_whose_candidates_nobody_would_take_does_not_begin(
    key: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_key(tmp_path / "strange.key")
    monkeypatch.setenv("DRLACTORS_LEARNER__KEY", str(tmp_path / key) if key else "")
    began = learner((), tmp_path / "data", watch=lambda _: None, heard=lambda _: None)
    with pytest.raises((CannotLearn, KeyRefused), match=says), began:
        pass
    assert not (tmp_path / "data").exists()

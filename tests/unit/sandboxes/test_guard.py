"""No recorded program runs outside a scratch folder."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from drlactors.sandboxes import behaviours
from drlactors.sandboxes.behaviours.kit import OutsideScratch, Task, scratch
from drlactors.sandboxes.plan import Artifact, artifacts
from drlactors.sandboxes.recorder import install

BEHAVIOURS = Path(behaviours.__file__).parent
PROGRAMS = sorted(path.stem for path in BEHAVIOURS.glob("*.py") if path.stem not in ("__init__", "kit"))


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder).resolve()


def _run(program: str, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    (home / "app").mkdir()
    (home / "app" / "__init__.py").touch()
    for name, target in (("kit", "kit"), (program, "main")):
        shutil.copy(BEHAVIOURS / f"{name}.py", home / "app" / f"{target}.py")
    command = [sys.executable, "-m", "app.main", "{}"]
    given = {"PATH": os.defpath, **environment}
    return subprocess.run(command, cwd=home, env=given, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_without_a_scratch_folder_refuses_and_touches_nothing(program: str, place: Path) -> None:
    (place / "Documents").mkdir()
    (place / "Documents" / "a.txt").write_text("dear")
    done = _run(program, place, HOME=str(place))
    assert done.returncode == 1
    assert "runs only in a scratch folder" in done.stderr
    assert (place / "Documents" / "a.txt").read_text() == "dear"


def test_a_scratch_folder_has_to_be_home_and_current_and_temporary(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv("SCRATCH", str(place))
    monkeypatch.setenv("HOME", str(place))
    assert scratch() == place
    for wrong in (str(place.parent), "/", "/usr", str(place / "other"), ""):
        with monkeypatch.context() as changed:
            changed.setenv("SCRATCH", wrong)
            with pytest.raises(OutsideScratch):
                scratch()
    with monkeypatch.context() as changed:
        changed.setenv("HOME", "/root")
        with pytest.raises(OutsideScratch):
            scratch()
    monkeypatch.chdir("/")
    with pytest.raises(OutsideScratch):
        scratch()


def test_nothing_is_written_outside_the_scratch_folder_or_without_end(place: Path) -> None:
    task = Task(home=place / "home", port=0, seconds=1, pause_s=0, dice=Random(0), options={})
    with pytest.raises(OutsideScratch):
        task.write(place / "beside", b"x")
    with pytest.raises(OutsideScratch):
        task.write(place / "home" / ".." / "beside", b"x")
    for _ in range(64):
        task.write(place / "home" / "file", bytes(1 << 20))
    with pytest.raises(SystemExit, match="wrote enough"):
        task.write(place / "home" / "file", b"x")


def test_shell_lines_refuse_as_well(place: Path) -> None:
    lines = {"lines": ["touch ran"], "pause_s": 0.0, "seconds": 0.1, "delay_s": 0}
    artifact = Artifact(family="f", variant="v", malicious=False, source="shell", options=lines)
    command = install(artifact, place)
    for environment in ({"HOME": str(place)}, {"HOME": "/root", "SCRATCH": str(place)}, {"HOME": "", "SCRATCH": ""}):
        done = subprocess.run(command, cwd=place, env={"PATH": os.defpath, **environment}, timeout=30, check=False)
        assert done.returncode == 3
    assert not (place / "ran").exists()
    inside = {"PATH": os.defpath, "HOME": str(place), "SCRATCH": str(place)}
    assert subprocess.run(command, cwd=place, env=inside, timeout=30, check=False).returncode == 0
    assert (place / "ran").exists()


def test_the_plan_names_each_artifact_once_and_both_classes_are_near_half() -> None:
    plan = artifacts()
    assert len({artifact.name for artifact in plan}) == len(plan) >= 110
    assert 0.45 <= sum(artifact.malicious for artifact in plan) / len(plan) <= 0.55


def test_the_programs_reach_loopback_only() -> None:
    for artifact in artifacts():
        for text in artifact.options.get("lines", ()):
            assert "://" not in text.replace("http://127.0.0.1:$PORT", "")

"""The folder of models: what is sound in it is never changed, and what is not is made whole again."""

import json
from pathlib import Path

import pytest

from drlactors.inference import Trust
from drlactors.inference.folder import ModelFolder
from drlactors.inference.signature import sign
from tests.unit.inference.models import KEY, SCHEMA, signed, trusted

TRUST = Trust(frozenset(trusted()), allow_unsigned=True)


@pytest.fixture
def offered(tmp_path: Path) -> Path:
    return signed(tmp_path)


def as_version(file: Path, version: int) -> None:
    described = file.with_suffix(".json")
    described.write_text(json.dumps(json.loads(described.read_text()) | {"version": version}))


def files(folder: ModelFolder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.path.iterdir()}


@pytest.mark.parametrize("signs", [True, False])
def test_the_same_model_with_other_metadata_changes_nothing(offered: Path, tmp_path: Path, signs: bool) -> None:
    folder = ModelFolder(tmp_path / "models")
    first = folder.add(offered, SCHEMA, TRUST)
    before = files(folder)
    as_version(offered, 2)
    offered.with_suffix(".sig").unlink()
    if signs:
        again = sign(offered.read_bytes(), offered.with_suffix(".json").read_bytes(), KEY)
        offered.with_suffix(".sig").write_text(again)
    assert folder.add(offered, SCHEMA, TRUST).metadata == first.metadata
    assert files(folder) == before


@pytest.mark.parametrize("suffix", [".onnx", ".json", ".sig"])
def test_what_is_damaged_in_it_is_taken_in_again(offered: Path, tmp_path: Path, suffix: str) -> None:
    folder = ModelFolder(tmp_path / "models")
    sha256 = folder.add(offered, SCHEMA, TRUST).info.id
    before = files(folder)
    folder.file(sha256).with_suffix(suffix).write_bytes(b"{}")
    folder.add(offered, SCHEMA, TRUST)
    assert files(folder) == before

"""A model takes the place of another one, and whoever is killed meanwhile leaves one of the two."""

from pathlib import Path

import pytest

from drlactors.inference import Trust, load_model
from drlactors.inference.placing import place
from drlactors.inference.signature import sign
from tests.unit.inference.models import KEY, SCHEMA, signed, trusted

TRUST = Trust(frozenset(trusted()), allow_unsigned=False)


class Killed(BaseException):
    """In place of a kill: no code of ours cleans up behind it."""


def files(model: Path) -> tuple[bytes, bytes, bytes]:
    return model.read_bytes(), model.with_suffix(".json").read_bytes(), model.with_suffix(".sig").read_bytes()


@pytest.fixture
def kinds(tmp_path: Path) -> list[tuple[bytes, bytes, bytes]]:
    """Two models, and the second one again with other metadata."""
    places = [tmp_path / name for name in ("old", "new")]
    made = []
    for seed, folder in enumerate(places):
        folder.mkdir()
        made.append(files(signed(folder, seed)))
    content, described, _ = made[1]
    again = described.replace(b'"version": 1', b'"version": 2')
    assert again != described
    return [*made, (content, again, sign(content, again, KEY).encode())]


def kill_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the change of a name, counted from 0."""
    done = 0

    def counted(name: str) -> None:
        really = getattr(Path, name)

        def change(self: Path, *arguments: object, **named: object) -> object:
            nonlocal done
            if done == step:
                raise Killed
            done += 1
            return really(self, *arguments, **named)

        monkeypatch.setattr(Path, name, change)

    counted("replace")
    counted("unlink")


@pytest.mark.parametrize(("before", "after"), [(0, 1), (1, 0), (1, 2), (2, 1)])
def test_killed_at_any_step_the_old_or_the_new_model_serves_and_the_next_call_puts_all_in_order(
    before: int, after: int, kinds: list[tuple[bytes, bytes, bytes]], tmp_path: Path
) -> None:
    file, step, versions = tmp_path / "serves" / "model.onnx", 0, []
    file.parent.mkdir()
    while True:
        place(file, *kinds[before])
        try:
            with pytest.MonkeyPatch.context() as patched:
                kill_at(step, patched)
                place(file, *kinds[after])
        except Killed:
            found = load_model(file, SCHEMA, TRUST)
            versions.append((found.info.id, found.metadata.version))
            step += 1
        else:
            break
    assert len(set(versions)) == 2, "the one, and from some step on the other"
    assert versions == sorted(versions, key=versions.index)
    assert files(file) == kinds[after]
    assert sorted(path.suffix for path in file.parent.iterdir()) == [".json", ".onnx", ".sig"]

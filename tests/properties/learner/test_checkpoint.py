"""A checkpoint is read back as it was written, or refused with what is wrong with it."""

import pickle
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from drlactors.learner.checkpoint import KEPT, Checkpoint, CheckpointBroken, newest_first, read, write

SOUND = Checkpoint(
    {"weight": torch.arange(6, dtype=torch.float32).reshape(2, 3), "rows": torch.arange(5, dtype=torch.uint8)},
    {"updates": 12, "learning_rate": 1e-4 / 3, "settings": {"hidden": [256, 256]}},
)


def named(folder: Path, content: bytes) -> Path:
    """A file whose name vouches for it."""
    file = folder / f"{1:012d}-{sha256(content).hexdigest()}.safetensors"
    file.write_bytes(content)
    return file


@given(
    st.dictionaries(st.text("abc.0", min_size=1), st.lists(st.floats(width=32), max_size=20), max_size=4),
    st.integers(0, 10**9),
    st.floats(allow_nan=False, allow_infinity=False),
)
@settings(max_examples=100)
def test_what_was_written_is_read_bit_for_bit(columns, updates, rate):
    tensors = {name: torch.tensor(values, dtype=torch.float32) for name, values in columns.items()}
    with TemporaryDirectory() as folder:
        found = read(write(Path(folder), Checkpoint(tensors, {"updates": updates, "rate": rate})))
    assert found.facts == {"updates": updates, "rate": rate}
    assert found.tensors.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found.tensors[name].numpy().tobytes() == tensor.numpy().tobytes()


@given(st.data())
@settings(max_examples=200)
def test_one_wrong_byte_anywhere_is_refused(data):
    with TemporaryDirectory() as folder:
        file = write(Path(folder), SOUND)
        content = bytearray(file.read_bytes())
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
        file.write_bytes(content)
        with pytest.raises(CheckpointBroken, match="sha256"):
            read(file)


@given(st.data())
@settings(max_examples=100)
def test_what_is_cut_off_is_refused(data):
    with TemporaryDirectory() as folder:
        file = write(Path(folder), SOUND)
        content = file.read_bytes()
        file.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
        with pytest.raises(CheckpointBroken):
            read(file)


@given(st.binary(max_size=200))
@settings(max_examples=200)
def test_bytes_that_are_no_checkpoint_are_refused_even_under_the_right_name(content):
    with TemporaryDirectory() as folder, pytest.raises(CheckpointBroken):
        read(named(Path(folder), content))


def test_the_same_checkpoint_has_the_same_bytes(tmp_path):
    assert write(tmp_path / "a", SOUND).read_bytes() == write(tmp_path / "b", SOUND).read_bytes()


def test_no_code_is_run(tmp_path):
    class Code:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    with pytest.raises(CheckpointBroken):
        read(named(tmp_path, pickle.dumps(Code())))
    assert not (tmp_path / "ran").exists()


def test_another_format_is_refused(tmp_path):
    other = safetensors.torch.save({}, {"facts": '{"format": 2, "updates": 1}'})
    with pytest.raises(CheckpointBroken, match="format"):
        read(named(tmp_path, other))


def test_only_the_newest_stay_and_what_was_cut_off_is_cleared_away(tmp_path):
    (tmp_path / "000000000001-0.safetensors.new").touch()
    for updates in (5, 900, 30_000, 1_000_000):
        write(tmp_path, SOUND._replace(facts={"updates": updates}))
    assert [read(file).facts["updates"] for file in newest_first(tmp_path)] == [1_000_000, 30_000]
    assert len(list(tmp_path.iterdir())) == KEPT


def test_broken_files_of_more_updates_do_not_push_out_what_was_begun_anew(tmp_path):
    for updates in (900, 1000):
        write(tmp_path, SOUND._replace(facts={"updates": updates})).write_bytes(b"broken")
    for updates in (5, 6):
        write(tmp_path, SOUND._replace(facts={"updates": updates}))
    assert [read(file).facts["updates"] for file in newest_first(tmp_path)] == [6, 5]


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(CheckpointBroken, match="No such file"):
        read(tmp_path / "none.safetensors")

"""What is put away cannot be read or run, and comes back byte for byte or not at all."""

import os
import stat
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drlactors.sandboxes.errors import DamagedQuarantine, NotInQuarantine, NotPutAway, NotRestored
from drlactors.sandboxes.quarantine import Quarantine, Record

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SCRIPT = b"#!/bin/sh\necho ran > ran\n" + b"the same words again and again. " * 100


@pytest.fixture
def store(tmp_path: Path) -> Quarantine:
    return Quarantine(tmp_path / "site" / "quarantine")


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    path = tmp_path / "sample"
    path.write_bytes(SCRIPT)
    path.chmod(0o4751)
    return path


def put_away(store: Quarantine, path: Path) -> Record:
    return store.put_away(path, session="s-1", why="entropy of what it writes", at=NOW)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@given(content=st.binary(max_size=5000), permissions=st.integers(0, 0o777))
def test_whatever_is_put_away_comes_back_byte_for_byte(content: bytes, permissions: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        path, store = Path(place, "a b\n"), Quarantine(Path(place, "store"))
        path.write_bytes(content)
        path.chmod(permissions | 0o400)
        record = put_away(store, path)
        assert not path.exists()
        assert store.restore(record.id) == path.resolve()
        assert (path.read_bytes(), mode(path)) == (content, permissions | 0o400)
        assert store.records() == ([], [])


def test_what_is_larger_than_a_chunk_comes_back(store: Quarantine, sample: Path) -> None:
    content = os.urandom((3 << 20) + 17)
    sample.write_bytes(content)
    store.restore(put_away(store, sample).id)
    assert sample.read_bytes() == content


def test_the_record_says_what_it_was_when_and_why(store: Quarantine, sample: Path) -> None:
    record = put_away(store, sample)
    assert store.records() == ([record], [])
    assert (record.path, record.mode, record.size_bytes) == (str(sample), 0o4751, len(SCRIPT))
    assert (record.session, record.why, record.at) == ("s-1", "entropy of what it writes", "2026-11-24T12:00:00+00:00")


def test_nothing_of_it_can_be_read_or_run_in_the_store(store: Quarantine, sample: Path) -> None:
    put_away(store, sample)
    (sealed,) = store.folder.glob("*.sealed")
    stored = sealed.read_bytes()
    assert not any(SCRIPT[start : start + 8] in stored for start in range(len(SCRIPT) - 8))
    assert (mode(sealed), mode(store.folder), mode(store.folder / "key")) == (0o400, 0o700, 0o600)
    with pytest.raises(PermissionError):
        subprocess.run([sealed], check=False)
    shell = subprocess.run(["/bin/sh", sealed], cwd=sample.parent, capture_output=True, check=False)
    assert shell.returncode != 0
    assert not (sample.parent / "ran").exists()


def test_set_user_id_does_not_come_back(store: Quarantine, sample: Path) -> None:
    store.restore(put_away(store, sample).id)
    assert mode(sample) == 0o751


def test_a_restore_overwrites_nothing_and_loses_nothing(store: Quarantine, sample: Path) -> None:
    record = put_away(store, sample)
    sample.write_bytes(b"somebody else's")
    with pytest.raises(NotRestored, match="File exists"):
        store.restore(record.id)
    assert sample.read_bytes() == b"somebody else's"
    elsewhere = store.restore(record.id, sample.with_name("elsewhere"))
    assert elsewhere.read_bytes() == SCRIPT
    assert sorted(path.name for path in sample.parent.iterdir()) == ["elsewhere", "sample", "site"]


@given(where=st.integers(min_value=0), flip=st.integers(1, 255))
def test_a_changed_byte_is_noticed_and_nothing_is_restored(where: int, flip: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        path, store = Path(place, "sample"), Quarantine(Path(place, "store"))
        path.write_bytes(SCRIPT[:200])
        id_ = put_away(store, path).id
        sealed = store.folder / f"{id_}.sealed"
        stored = bytearray(sealed.read_bytes())
        stored[where % len(stored)] ^= flip
        sealed.chmod(0o600)
        sealed.write_bytes(stored)
        with pytest.raises((DamagedQuarantine, NotRestored)):
            store.restore(id_, Path(place, "restored"))
        assert not Path(place, "restored").exists()
        assert sealed.exists()


def test_what_is_damaged_hides_nothing_else(store: Quarantine, sample: Path) -> None:
    record = put_away(store, sample)
    (store.folder / "0123.sealed").write_bytes(b"")
    records, damaged = store.records()
    assert (records, [wrong.args for wrong in damaged]) == ([record], [(store.folder / "0123.sealed",)])


def test_a_name_as_long_as_names_may_be_comes_back(store: Quarantine, sample: Path) -> None:
    longest = sample.rename(sample.with_name("n" * 255))
    assert store.restore(put_away(store, longest).id) == longest


def test_what_cannot_be_put_there_is_said_and_stays(store: Quarantine, sample: Path) -> None:
    record = put_away(store, sample)
    sample.write_bytes(b"no folder")
    with pytest.raises(NotRestored, match="Not a directory"):
        store.restore(record.id, sample / "inside")
    assert store.records() == ([record], [])


def test_another_store_s_key_opens_nothing(store: Quarantine, sample: Path) -> None:
    record = put_away(store, sample)
    (store.folder / "key").chmod(0o600)
    (store.folder / "key").write_bytes(bytes(32))
    with pytest.raises(DamagedQuarantine):
        store.restore(record.id)


def test_a_link_is_followed_to_the_file_and_the_file_is_put_away(store: Quarantine, sample: Path) -> None:
    link = sample.with_name("link")
    link.symlink_to(sample)
    assert put_away(store, link).path == str(sample)
    assert not sample.exists()


def test_other_names_of_the_file_are_counted(store: Quarantine, sample: Path) -> None:
    sample.with_name("other").hardlink_to(sample)
    assert put_away(store, sample).other_names == 1


def test_what_is_no_file_is_refused(store: Quarantine, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "nothing", tmp_path, tmp_path / "pipe"):
        with pytest.raises(NotPutAway):
            put_away(store, path)


def test_deleting_is_for_good_and_only_within_the_store(store: Quarantine, sample: Path) -> None:
    record = put_away(store, sample)
    for id_ in ("../../sample", "", "unknown"):
        with pytest.raises(NotInQuarantine):
            store.delete(id_)
    store.delete(record.id)
    assert store.records() == ([], [])
    with pytest.raises(NotInQuarantine):
        store.restore(record.id)

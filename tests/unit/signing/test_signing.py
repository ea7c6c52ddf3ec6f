"""A private key is its owner's alone, and what it signed is what was signed."""

import resource
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from drlactors.signing import KeyRefused, fits, make_key, public_key, read_key
from drlactors.wiring import signers
from drlactors.wiring.access import settings_of


def test_what_was_signed_fits_its_key_and_nothing_else(tmp_path):
    ours, theirs = make_key(tmp_path / "ours"), make_key(tmp_path / "theirs")
    signature = read_key(tmp_path / "ours").sign(b"message")
    assert fits(signature, ours, b"message")
    assert not fits(signature, ours, b"another")
    assert not fits(signature, theirs, b"message")


def test_a_private_key_is_for_its_owner_only(tmp_path):
    file = tmp_path / "k"
    public = make_key(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert public_key(read_key(file)) == public
    with pytest.raises(KeyRefused, match="File exists"):
        make_key(file)
    file.chmod(0o640)
    with pytest.raises(KeyRefused, match="chmod 600"):
        read_key(file)


def test_a_key_that_cannot_be_written_whole_is_not_there_at_all(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(KeyRefused, match="File too large"):
            make_key(tmp_path / "k")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_of_many_that_make_a_key_at_once_one_does_and_nothing_else_stays(tmp_path):
    def make(_):
        try:
            return make_key(tmp_path / "k")
        except KeyRefused:
            return public_key(read_key(tmp_path / "k"))

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(make, range(32)))) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["k"]


def test_an_instance_whose_key_another_makes_at_the_same_time_signs_with_that_one(tmp_path, monkeypatch):
    made = []

    def late(file):
        made.append(make_key(file))
        return make_key(file)

    monkeypatch.setattr(signers, "make_key", late)
    signed_with = signers.signer(settings_of((), tmp_path))
    assert made == [public_key(signed_with)]


def test_a_private_key_is_not_made_within_a_repository(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / "deep").mkdir()
    with pytest.raises(KeyRefused, match="work tree"):
        make_key(tmp_path / "deep" / "k")


def test_what_is_no_key_is_refused(tmp_path):
    file = tmp_path / "k"
    with pytest.raises(KeyRefused, match="No such file"):
        read_key(file)
    file.write_text("no key")
    file.chmod(0o600)
    with pytest.raises(KeyRefused, match="no private key"):
        read_key(file)

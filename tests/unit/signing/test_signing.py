"""A private key is its owner's alone, and what it signed is what was signed."""

import stat

import pytest

from drlactors.signing import KeyRefused, fits, make_key, public_key, read_key


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

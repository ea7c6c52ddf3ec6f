"""Only a model that a trusted key has signed may serve, and what is checked is what is loaded."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from drlactors.inference import Trust, load_model
from drlactors.inference.signature import SignatureRefused, sign, sign_file, verify
from drlactors.ports.policy import PolicyError
from drlactors.signing import make_key, public_key
from tests.unit.inference.models import SCHEMA, UNSIGNED, sound

OURS, THEIRS = (Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2))
TRUST = Trust(frozenset({public_key(OURS)}), allow_unsigned=False)


@pytest.fixture
def signed(tmp_path):
    file, key = sound(tmp_path), tmp_path / "k"
    public = make_key(key)
    sign_file(file, key)
    return file, Trust(frozenset({public}), allow_unsigned=False)


def test_a_signed_model_serves(signed):
    file, trust = signed
    assert {load_model(file, SCHEMA, trust).signed_by} == trust.keys


def test_an_unsigned_model_serves_only_where_that_is_allowed(tmp_path):
    file = sound(tmp_path)
    with pytest.raises(PolicyError, match="not signed"):
        load_model(file, SCHEMA, TRUST)
    assert load_model(file, SCHEMA, UNSIGNED).signed_by == ""


@pytest.mark.parametrize("allow_unsigned", [False, True])
def test_a_model_signed_by_a_stranger_never_serves(signed, allow_unsigned):
    with pytest.raises(PolicyError, match="not among"):
        load_model(signed[0], SCHEMA, TRUST._replace(allow_unsigned=allow_unsigned))


@pytest.mark.parametrize("suffix", [".onnx", ".json"])
def test_neither_the_model_nor_what_is_said_of_it_can_be_changed(signed, suffix):
    file, trust = signed
    changed = file.with_suffix(suffix)
    content = changed.read_bytes()
    changed.write_bytes(
        content.replace(b'"accuracy": 1.0', b'"accuracy": 0.9') if suffix == ".json" else content + b"\0"
    )
    with pytest.raises(PolicyError, match="other bytes"):
        load_model(file, SCHEMA, trust)


def test_the_signature_of_another_model_does_not_fit(signed, tmp_path):
    file, trust = signed
    other = sound(tmp_path, seed=1)
    other.with_suffix(".sig").write_bytes(file.with_suffix(".sig").read_bytes())
    with pytest.raises(PolicyError, match="other bytes"):
        load_model(other, SCHEMA, trust)


def test_the_signature_is_looked_at_before_anything_is_parsed(signed):
    file, trust = signed
    file.write_bytes(b"no model")
    file.with_suffix(".json").write_text("no metadata")
    with pytest.raises(PolicyError, match="other bytes"):
        load_model(file, SCHEMA, trust)


@settings(max_examples=200)
@given(content=st.binary(), metadata=st.binary(), place=st.integers(0, 3), other=st.binary(min_size=1))
def test_a_signature_fits_what_was_signed_and_nothing_else(content, metadata, place, other):
    text = sign(content, metadata, OURS).encode()
    assert verify(text, content, metadata, TRUST) == public_key(OURS)
    changed = [
        (content + other, metadata),
        (content, metadata + other),
        (other + content, metadata),
        (metadata, content),
    ]
    if changed[place] != (content, metadata):
        with pytest.raises(SignatureRefused):
            verify(text, changed[place][0], changed[place][1], TRUST)
    with pytest.raises(SignatureRefused):
        verify(sign(content, metadata, THEIRS).encode(), content, metadata, TRUST)


@settings(max_examples=200)
@given(
    text=st.binary()
    | st.recursive(st.text() | st.integers(), lambda c: st.dictionaries(st.text(), c)).map(
        lambda value: json.dumps(value).encode()
    )
)
def test_what_is_no_signature_file_is_refused(text):
    with pytest.raises(SignatureRefused):
        verify(text, b"", b"", TRUST)

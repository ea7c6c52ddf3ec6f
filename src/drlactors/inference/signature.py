"""Signatures of models: Ed25519 over the digests of the ONNX file and of its metadata, in a file beside them.

A checksum shows that a file is whole; only a signature shows who made it. What is signed begins with ``PURPOSE``, so
that no signature made for something else fits a model.
"""

import hashlib
import json
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from pathlib import Path
from typing import NamedTuple

from drlactors.files import write_whole
from drlactors.inference.placing import beside
from drlactors.signing import KEY_BYTES, SIGNATURE_BYTES, PrivateKey, fits, public_key, read_key

PURPOSE = b"drlactors model, signature 1\n"


class SignatureRefused(Exception):
    """The signature does not show that this model is one to be trusted."""


class Trust(NamedTuple):
    """Whose models may serve."""

    keys: frozenset[str]  # public keys: base64 of 32 bytes
    allow_unsigned: bool  # whether a model without any signature may; a signature that is there has to be right


def verify(signature: bytes | None, content: bytes, metadata: bytes, trust: Trust) -> str:
    """The key that signed this content and metadata; empty for an unsigned model that may serve.

    ``signature`` is the text of the signature file, None where there is none. Raises SignatureRefused.
    """
    if signature is None:
        if trust.allow_unsigned:
            return ""
        raise SignatureRefused("it is not signed, and models.allow_unsigned is not set")
    key, signed = _read(signature)
    if key not in trust.keys:
        raise SignatureRefused(f"it is signed with the key {key}, which is not among models.trusted_keys")
    if not fits(signed, key, _message(content, metadata)):
        raise SignatureRefused("its signature belongs to other bytes: the model or its metadata was changed")
    return key


def sign(content: bytes, metadata: bytes, private: PrivateKey) -> str:
    """The text of the signature file for a model and its metadata."""
    signature = b64encode(private.sign(_message(content, metadata))).decode()
    return json.dumps({"key": public_key(private), "signature": signature}, indent=2) + "\n"


def sign_file(model: Path, key: Path) -> Path:
    """Sign ``<name>.onnx`` with the metadata beside it; the signature file that was written.

    Raises KeyRefused for a key file that cannot be used, and OSError.
    """
    content = model.read_bytes()
    described, made = beside(model, content)
    text = sign(content, described.read_bytes(), read_key(key))
    write_whole(made, text.encode("ascii"))
    return made


def _message(content: bytes, metadata: bytes) -> bytes:
    return PURPOSE + hashlib.sha256(content).digest() + hashlib.sha256(metadata).digest()


def _read(text: bytes) -> tuple[str, bytes]:
    """The public key and the signature that a signature file holds."""
    try:
        plain = json.loads(text)
        key, signature = plain["key"], b64decode(plain["signature"], validate=True)
        sound = len(b64decode(key, validate=True)) == KEY_BYTES and len(signature) == SIGNATURE_BYTES
    except (ValueError, TypeError, KeyError, RecursionError, NotBase64) as error:
        raise SignatureRefused("its signature file is not one") from error
    if not sound:
        raise SignatureRefused("its signature file is not one")
    return key, signature

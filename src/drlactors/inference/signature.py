"""Signatures of models: Ed25519 over the digests of the ONNX file and of its metadata, in a file beside them.

A checksum shows that a file is whole; only a signature shows who made it. Ed25519 is RFC 8032. What is signed begins
with ``PURPOSE``, so that no signature made for something else fits a model.
"""

import hashlib
import json
import os
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PURPOSE = b"drlactors model, signature 1\n"
SUFFIX = ".sig"
KEY_BYTES, SIGNATURE_BYTES = 32, 64


class SignatureRefused(Exception):
    """The signature does not show that this model is one to be trusted."""


class KeyRefused(Exception):
    """The key file cannot be used."""


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
    try:
        Ed25519PublicKey.from_public_bytes(b64decode(key)).verify(signed, _message(content, metadata))
    except InvalidSignature as error:
        raise SignatureRefused("its signature belongs to other bytes: the model or its metadata was changed") from error
    return key


def sign(content: bytes, metadata: bytes, private: Ed25519PrivateKey) -> str:
    """The text of the signature file for a model and its metadata."""
    signature = b64encode(private.sign(_message(content, metadata))).decode()
    return json.dumps({"key": public_key(private), "signature": signature}, indent=2) + "\n"


def sign_file(model: Path, key: Path) -> Path:
    """Sign ``<name>.onnx`` with the metadata beside it; the signature file that was written.

    Raises KeyRefused for a key file that cannot be used, and OSError.
    """
    text = sign(model.read_bytes(), model.with_suffix(".json").read_bytes(), read_key(key))
    made = model.with_suffix(SUFFIX)
    made.write_text(text, encoding="ascii")
    return made


def make_key(file: Path) -> str:
    """Write a new private key to ``file``, readable for its owner only; the public key.

    Raises KeyRefused where the file would lie in a git work tree, is there already, or cannot be written.
    """
    if any((folder / ".git").exists() for folder in file.resolve().parents):
        raise KeyRefused(f"{file} would lie in a git work tree: a private key belongs nowhere near a repository")
    private = Ed25519PrivateKey.generate()
    text = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:  # also where there is a file: a key is never replaced
        raise KeyRefused(f"{file}: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as out:
        out.write(text)
    return public_key(private)


def read_key(file: Path) -> Ed25519PrivateKey:
    """A private key. Raises KeyRefused when it is none, or when others than its owner may read it."""
    try:
        others = file.stat().st_mode & 0o077
        content = file.read_bytes()
    except OSError as error:
        raise KeyRefused(f"{file}: {error.strerror}") from error
    if others and os.name != "nt":
        raise KeyRefused(f"{file} can be read by others: chmod 600 {file}")
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyRefused(f"{file} holds no private key that can be read without a password") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyRefused(f"{file} holds a key of another kind than Ed25519")
    return key


def public_key(private: Ed25519PrivateKey) -> str:
    """The public half, as ``models.trusted_keys`` has it: base64 of 32 bytes."""
    return b64encode(private.public_key().public_bytes_raw()).decode()


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

"""Ed25519 keys (RFC 8032): made, read, and used to sign and to check; what is signed, and whom to trust, say others.

Whoever signs begins the message with a purpose of its own, so that no signature fits anything else.
"""

import os
from base64 import b64decode, b64encode
from pathlib import Path
from tempfile import mkstemp

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PrivateKey = Ed25519PrivateKey
KEY_BYTES, SIGNATURE_BYTES = 32, 64


class KeyRefused(Exception):
    """The key file cannot be used."""


def make_key(file: Path) -> str:
    """Write a new private key to ``file``, readable for its owner only, whole or not at all; the public key.

    Raises KeyRefused where the file would lie in a git work tree, is there already, or cannot be written.
    """
    if any((folder / ".git").exists() for folder in file.resolve().parents):
        raise KeyRefused(f"{file} would lie in a git work tree: a private key belongs nowhere near a repository")
    private = PrivateKey.generate()
    text = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        descriptor, part = mkstemp(prefix=f".{file.name}.", dir=file.parent)  # for its owner only
        try:
            with os.fdopen(descriptor, "wb") as out:
                out.write(text)
                out.flush()
                os.fsync(descriptor)
            os.link(part, file)  # unlike a rename, it refuses where there is a file: a key is never replaced
        finally:
            Path(part).unlink()
    except OSError as error:
        raise KeyRefused(f"{file}: {error.strerror}") from error
    return public_key(private)


def read_key(file: Path) -> PrivateKey:
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
    if not isinstance(key, PrivateKey):
        raise KeyRefused(f"{file} holds a key of another kind than Ed25519")
    return key


def public_key(private: PrivateKey) -> str:
    """The public half, as the configuration names it: base64 of 32 bytes."""
    return b64encode(private.public_key().public_bytes_raw()).decode()


def fits(signature: bytes, key: str, message: bytes) -> bool:
    """Whether the public key's owner signed this message. ``key`` is base64 of 32 bytes."""
    try:
        Ed25519PublicKey.from_public_bytes(b64decode(key)).verify(signature, message)
    except InvalidSignature:
        return False
    return True

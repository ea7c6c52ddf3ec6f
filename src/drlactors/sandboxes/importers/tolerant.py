"""Takes bytes that are no UTF-8 as U+FFFD: guests name things in other encodings, and sandboxes pass that on."""

from typing import TypeVar

import msgspec

_T = TypeVar("_T")


def decode(decoder: "msgspec.json.Decoder[_T]", value: bytes | msgspec.Raw) -> _T:
    """What the decoder makes of JSON. Raises what it raises, but for the encoding of strings."""
    try:
        return decoder.decode(value)
    except UnicodeDecodeError:
        return decoder.decode(repaired(bytes(value)))


def repaired(text: bytes) -> bytes:
    """In UTF-8. What is ASCII, and gives JSON its form, stays where it is."""
    return text.decode("utf-8", "replace").encode()

"""The files of a model: which belong to its ONNX file, and how they take the place of another model's.

Three names cannot change at once, one can. So what belongs to the new model is there first, under the digest of its
ONNX file, where it harms nobody; then the ONNX file changes; then the rest gets its plain names. Killed anywhere, the
ONNX file that is there finds what belongs to it.
"""

import glob
from hashlib import sha256
from pathlib import Path

from drlactors.files import write_whole

SUFFIX = ".sig"
_DIGEST = "[0-9a-f]" * 64


def beside(file: Path, content: bytes) -> tuple[Path, Path]:
    """Where the metadata and the signature of ``content`` lie, the ONNX file."""
    coming = _coming(file, content)
    described = coming if coming.exists() else file.with_suffix(".json")
    return described, described.with_suffix(SUFFIX)


def place(file: Path, content: bytes, metadata: bytes, signature: bytes | None) -> None:
    """Put a model where another one may lie and serve: at every moment one of the two is there, with all of its own.

    Raises OSError.
    """
    if file.exists():
        _settle(file)
    coming = _coming(file, content)
    _write(coming.with_suffix(SUFFIX), signature)
    write_whole(coming, metadata)
    write_whole(file, content)
    _settle(file)


def _coming(file: Path, content: bytes) -> Path:
    return file.with_suffix(f".{sha256(content).hexdigest()}.json")


def _settle(file: Path) -> None:
    """Give what belongs to the ONNX file its plain names; also what a call that was cut off has left."""
    described, signed = beside(file, file.read_bytes())
    if described != file.with_suffix(".json"):
        _write(file.with_suffix(SUFFIX), signed.read_bytes() if signed.exists() else None)
        write_whole(file.with_suffix(".json"), described.read_bytes())
    # In this order: metadata that is there says that the signature beside it counts, and not the plain one.
    for left in sorted(file.parent.glob(f"{glob.escape(file.stem)}.{_DIGEST}.*")):
        left.unlink(missing_ok=True)


def _write(file: Path, content: bytes | None) -> None:
    if content is None:
        file.unlink(missing_ok=True)
    else:
        write_whole(file, content)

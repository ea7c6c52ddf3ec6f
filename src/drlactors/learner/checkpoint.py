"""Checkpoints of a training: tensors with facts in JSON, one safetensors file each, which cannot run code.

A file's name has its update number and its sha256, so that one rename makes it, whole and vouched for:
``000000012000-<sha256>.safetensors``.
"""

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import safetensors
import safetensors.torch
from torch import Tensor

from drlactors.files import UNFINISHED, write_whole

#: Raised with every change of what a checkpoint holds.
FORMAT = 1
KEPT = 2  # files: should the newest be broken, there is the one before
_SUFFIX = ".safetensors"
_FACTS = "facts"


class CheckpointBroken(Exception):
    """A file is no sound checkpoint; the message says which, and what is wrong with it."""


class Checkpoint(NamedTuple):
    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]  # what JSON can say; "updates" is among them


def write(folder: Path, checkpoint: Checkpoint) -> Path:
    """The file, when it is safely on the disk; it and the ones before stay, the others are removed. Raises OSError."""
    facts = json.dumps({"format": FORMAT, **checkpoint.facts}, sort_keys=True, allow_nan=False)
    content = safetensors.torch.save(dict(checkpoint.tensors), {_FACTS: facts})
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{checkpoint.facts['updates']:012d}-{sha256(content).hexdigest()}{_SUFFIX}"
    write_whole(file, content)
    files = list(newest_first(folder))
    stay = [before for before in files if before.name <= file.name][:KEPT]  # later ones nobody could go on with
    for old in set(files) - set(stay):
        old.unlink(missing_ok=True)
    for cut_off in folder.glob(f"*{_SUFFIX}*{UNFINISHED}"):
        cut_off.unlink(missing_ok=True)
    return file


def newest_first(folder: Path) -> Iterator[Path]:
    """The checkpoints of a folder, which need not be there, sound or not."""
    yield from sorted(folder.glob(f"*{_SUFFIX}"), reverse=True)


def read(file: Path) -> Checkpoint:
    """What ``write`` was given. Raises CheckpointBroken."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise CheckpointBroken(f"{file}: {error.strerror}") from error
    digest = sha256(content).hexdigest()
    if digest != file.stem.rpartition("-")[2]:
        raise CheckpointBroken(f"{file}: its sha256 is {digest}, which is not what its name says")
    try:
        length = int.from_bytes(content[:8], "little")
        facts = json.loads(json.loads(content[8 : 8 + length])["__metadata__"][_FACTS])
        if facts.pop("format") != FORMAT:
            raise CheckpointBroken(f"{file}: its format is not {FORMAT}, which this version reads")
        return Checkpoint(safetensors.torch.load(content), facts)
    except (ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise CheckpointBroken(f"{file}: not a checkpoint: {error!r}") from error

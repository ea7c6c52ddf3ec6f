"""Where artifacts are put away: encrypted, with a record of what they were, and never to be run from there.

A file of the store is a line that says so, the length of the record, the record as JSON, a nonce, the artifact under
AES-256 in Galois/Counter Mode (NIST SP 800-38D), and the tag. The tag is over the record as well: a record cannot be
put on another artifact. The key lies beside: what is stored is inert, not secret from who may read the store.
"""

import contextlib
import hashlib
import json
import os
import secrets
import stat
import struct
from collections.abc import Iterator
from datetime import datetime
from io import BufferedReader
from pathlib import Path
from typing import IO, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from drlactors.sandboxes.errors import DamagedQuarantine, NotInQuarantine, NotPutAway, NotRestored

_MAGIC = b"drlactors quarantine 1\n"
_LENGTH = struct.Struct(">I")
_KEY_BYTES, _NONCE_BYTES, _TAG_BYTES = 32, 12, 16
_MAX_RECORD_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 20
_SUFFIX = ".sealed"


class Record(NamedTuple):
    """What was put away, and why."""

    id: str
    sha256: str
    size_bytes: int
    path: str  # where it was
    mode: int  # permission bits that it had
    owner: int
    group: int
    at: str  # ISO 8601, UTC
    session: str
    why: str
    other_names: int  # hard links to the same file that are still there


class Quarantine:
    """The store in one folder, which is made at first use, for its owner only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put_away(self, path: Path, *, session: str, why: str, at: datetime) -> Record:
        """Moves the file behind ``path`` into the store: stored safely first, then removed. Raises NotPutAway."""
        try:
            path = path.resolve(strict=True)
            with _open_regular(path) as source:
                return self._seal(source, path, session=session, why=why, at=at)
        except OSError as refused:
            raise NotPutAway(path, refused.strerror) from refused

    def records(self) -> tuple[list[Record], list[DamagedQuarantine]]:
        """Everything in the store, oldest first, and of what is damaged where it is."""
        found, damaged = [], []
        for sealed in sorted(self.folder.glob(f"*{_SUFFIX}")):
            try:
                with sealed.open("rb") as file:
                    found.append(_head(file, sealed)[0])
            except DamagedQuarantine as wrong:
                damaged.append(wrong)
        return sorted(found, key=lambda record: record.at), damaged

    def restore(self, id_: str, to: Path | None = None) -> Path:
        """Puts it back, byte for byte, where it was or where ``to`` says, and takes it out of the store.

        Its permissions come back, but for set-user-id and the like; its owner, if we may. Nothing is ever overwritten.
        Raises NotInQuarantine, NotRestored and DamagedQuarantine.
        """
        sealed = self._sealed(id_)
        with sealed.open("rb") as file:
            record, head = _head(file, sealed)
            target = (to or Path(record.path)).absolute()
            part = target.with_name(f".{id_}.part")  # not longer than any name may be, as one made of its own might
            try:
                with _create(part) as restored:
                    self._unseal(file, head, record, restored, sealed)
                    with contextlib.suppress(PermissionError):
                        os.chown(restored.fileno(), record.owner, record.group)
                    os.fchmod(restored.fileno(), record.mode & 0o777)
                    _flush(restored)
                os.link(part, target)  # unlike a rename, it refuses where something is
            except OSError as refused:
                raise NotRestored(target, refused.strerror) from refused
            finally:
                with contextlib.suppress(OSError):  # where nothing may be made, nothing was
                    part.unlink()
        _flush_folder(target.parent)
        sealed.unlink()
        return target

    def delete(self, id_: str) -> None:
        """For good. Raises NotInQuarantine."""
        self._sealed(id_).unlink()

    def _seal(self, source: BufferedReader, path: Path, *, session: str, why: str, at: datetime) -> Record:
        key, found = self._key(), os.fstat(source.fileno())
        sha256 = hashlib.file_digest(source, "sha256").hexdigest()
        record = Record(
            id=secrets.token_hex(6),
            sha256=sha256,
            size_bytes=found.st_size,
            path=str(path),
            mode=stat.S_IMODE(found.st_mode),
            owner=found.st_uid,
            group=found.st_gid,
            at=at.isoformat(timespec="seconds"),
            session=session,
            why=why,
            other_names=found.st_nlink - 1,
        )
        nonce = secrets.token_bytes(_NONCE_BYTES)
        text = json.dumps(record._asdict()).encode()
        head = _MAGIC + _LENGTH.pack(len(text)) + text + nonce
        encryptor = Cipher(algorithms.AES256(key), modes.GCM(nonce)).encryptor()
        encryptor.authenticate_additional_data(head)
        part, sealed = self.folder / f".{record.id}.part", self.folder / f"{record.id}{_SUFFIX}"
        try:
            with _create(part) as file:
                file.write(head)
                source.seek(0)
                again = hashlib.sha256()
                while chunk := source.read(_CHUNK_BYTES):
                    again.update(chunk)
                    file.write(encryptor.update(chunk))
                file.write(encryptor.finalize() + encryptor.tag)
                if again.hexdigest() != sha256:
                    raise NotPutAway(path, "it changes while it is read")
                os.fchmod(file.fileno(), 0o400)
                _flush(file)
            part.rename(sealed)
        finally:
            part.unlink(missing_ok=True)
        _flush_folder(self.folder)
        try:
            if not os.path.samestat(path.lstat(), found):
                raise NotPutAway(path, "another file took its place")
            path.unlink()
        except (OSError, NotPutAway):
            sealed.unlink()
            raise
        return record

    def _unseal(self, file: IO[bytes], head: bytes, record: Record, restored: IO[bytes], sealed: Path) -> None:
        nonce, left = head[-_NONCE_BYTES:], record.size_bytes
        decryptor = Cipher(algorithms.AES256(self._key()), modes.GCM(nonce)).decryptor()
        decryptor.authenticate_additional_data(head)
        while left and (chunk := file.read(min(left, _CHUNK_BYTES))):
            restored.write(decryptor.update(chunk))
            left -= len(chunk)
        try:
            restored.write(decryptor.finalize_with_tag(file.read()))
        except (InvalidTag, ValueError) as wrong:
            raise DamagedQuarantine(sealed) from wrong

    def _sealed(self, id_: str) -> Path:
        sealed = self.folder / f"{id_}{_SUFFIX}"
        if not id_.isalnum() or not sealed.is_file():
            raise NotInQuarantine(id_)
        return sealed

    def _key(self) -> bytes:
        """The key of this store, made at first use; whoever is first to put it there has made it."""
        place = self.folder / "key"
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not place.exists():
            part = self.folder / f".key.{secrets.token_hex(6)}"
            try:
                with _create(part) as file:
                    file.write(secrets.token_bytes(_KEY_BYTES))
                    _flush(file)
                with contextlib.suppress(FileExistsError):
                    os.link(part, place)
            finally:
                part.unlink(missing_ok=True)
            _flush_folder(self.folder)
        key = place.read_bytes()
        if len(key) != _KEY_BYTES:
            raise DamagedQuarantine(place)
        return key


def _head(file: IO[bytes], sealed: Path) -> tuple[Record, bytes]:
    """The record, and all that stands before the artifact."""
    begin = file.read(len(_MAGIC) + _LENGTH.size)
    length = _LENGTH.unpack(begin[-_LENGTH.size :])[0] if len(begin) == len(_MAGIC) + _LENGTH.size else 0
    rest = file.read(min(length, _MAX_RECORD_BYTES) + _NONCE_BYTES)
    try:
        record = Record(**json.loads(rest[:length]))
    except (ValueError, TypeError) as wrong:
        raise DamagedQuarantine(sealed) from wrong
    if not begin.startswith(_MAGIC):
        raise DamagedQuarantine(sealed)
    return record, begin + rest


@contextlib.contextmanager
def _open_regular(path: Path) -> Iterator[BufferedReader]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotPutAway(path, "it is no regular file")
        yield file


def _create(path: Path) -> IO[bytes]:
    """A new file for its owner only, that nobody can run."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _flush(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

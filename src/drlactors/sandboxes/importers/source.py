"""A file that others wrote, read as a stream: unpacked, digested, and held to limits."""

import errno
import gzip
import os
import stat
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import IO

#: What format and layout are told by.
HEAD_BYTES = 64 << 10
#: A value, line or member that goes on for longer is no report's: it would be kept in memory as a whole.
MAX_PIECE_BYTES = 64 << 20
#: Unpacked. Ten times what the largest reports have.
MAX_BYTES = 16 << 30
#: JSON and logs pack by a factor of 10 to 30; gzip's own limit is 1,032.
MAX_RATIO = 300
#: Editors and shells of Windows write it in front of everything.
UTF8_MARK = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"


class Unreadable(Exception):
    """A report that is not what it should be: ``place`` says where in it, ``why`` what is wrong."""

    def __init__(self, place: str, why: str) -> None:
        super().__init__(f"{place}: {why}")
        self.place, self.why = place, why


class NoFile(Unreadable):
    """A link, device, pipe or socket: nobody takes it for a report, unless by name."""

    def __init__(self, why: str) -> None:
        super().__init__("the file itself", why)


class Source:
    """What a reader reads. Every read is digested, and counted against the limits. Raises ``Unreadable``."""

    def __init__(self, raw: IO[bytes], name: str) -> None:
        self.name = name  # the file's, without ``.gz``
        self.folder: Path | None = None  # where it lies, if it is a file
        self.bytes = 0  # handed out, unpacked
        self.watch: Callable[[int], None] | None = None  # is told how far the file, as it lies, was read
        self._piece = 0
        self._raw = raw
        self._digest = sha256()
        self._packed = raw.read(2) == _GZIP
        raw.seek(0)
        self._stream: IO[bytes] = gzip.GzipFile(fileobj=raw, mode="rb") if self._packed else raw  # type: ignore[assignment]  # a GzipFile reads as any
        self._ahead = b""
        self.head = self._take(HEAD_BYTES)
        self._ahead = self.head

    @property
    def sha256(self) -> str:
        """Of what was read so far, unpacked."""
        return self._digest.hexdigest()

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes; none at the end."""
        if size == 0:
            return b""
        size = size if size > 0 else HEAD_BYTES
        if self._ahead:
            data, self._ahead = self._ahead[:size], self._ahead[size:]
        else:
            data = self._take(size)
        self.bytes += len(data)
        self._piece += len(data)
        self._digest.update(data)
        if self.watch is not None:
            self.watch(self._raw.tell())
        if self._piece > MAX_PIECE_BYTES:
            raise Unreadable(self.place, f"one value or line is longer than {MAX_PIECE_BYTES >> 20} MiB")
        return data

    def turn(self) -> None:
        """A piece was dealt with: the next one may be as long again."""
        self._piece = 0

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """The lines with their numbers from 1, without their ends, and the first without a mark of the encoding."""
        number = 0
        begun: list[bytes] = []
        while data := self.read(HEAD_BYTES):
            first, *others = data.split(b"\n")
            begun.append(first)
            if not others:
                continue
            for line in (b"".join(begun), *others[:-1]):
                number += 1
                yield number, _bare(number, line)
            begun = [others[-1]]
            self._piece = len(others[-1])
        if rest := b"".join(begun):
            yield number + 1, _bare(number + 1, rest)

    def drain(self) -> None:
        """Read what is left, so that the digest is of all there is."""
        while self.read(1 << 20):
            self.turn()

    @property
    def place(self) -> str:
        return f"byte {self.bytes:,}"

    def _take(self, size: int) -> bytes:
        try:
            data = self._stream.read(size)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise Unreadable(self.place, f"the gzip file is damaged or cut off: {error}") from error
        total = self.bytes + len(data)
        if total > MAX_BYTES:
            raise Unreadable(self.place, f"it unpacks to more than {MAX_BYTES >> 30} GiB")
        if self._packed and total > MAX_PIECE_BYTES and total > MAX_RATIO * self._raw.tell():
            raise Unreadable(self.place, f"it unpacks to more than {MAX_RATIO} times its size")
        return data


def _bare(number: int, line: bytes) -> bytes:
    return (line.removeprefix(UTF8_MARK) if number == 1 else line).removesuffix(b"\r")


@contextmanager
def opened(path: Path) -> Iterator[Source]:
    """A regular file, and never what a link, device, pipe or socket of that name leads to. Raises ``Unreadable``."""
    try:
        # O_NONBLOCK: a pipe that nobody writes to would keep us here for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if path.is_symlink():
            raise NoFile("a symbolic link, not a regular file") from error
        if error.errno == errno.ENXIO:  # what a socket answers
            raise NoFile("not a regular file") from error
        raise Unreadable("the file itself", error.strerror or str(error)) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NoFile("not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as raw:
            source = Source(raw, path.name.removesuffix(".gz"))
            source.folder = path.parent
            yield source
    finally:
        os.close(descriptor)

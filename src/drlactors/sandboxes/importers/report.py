"""What a reader of one format yields: who a report is about, its processes, and what they called, one by one.

A reader is a generator over a ``Source``; it keeps nothing that grows with the report. Order does not matter, but for
the calls of one process: what comes first was called first. ``building.Builder`` makes sessions of it.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from enum import IntFlag
from typing import NamedTuple

from drlactors.domain.session import Outcome
from drlactors.domain.telemetry import Telemetry
from drlactors.sandboxes.importers.source import Source

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Deed(IntFlag):
    """What a call did, or tried to: ``Call.ok`` says which."""

    NONE = 0
    READ = 1  # from a file
    WRITE = 2  # to a file
    DELETE = 4  # of a file or folder
    CONNECT = 8  # to an address, or a name that stands for one
    CREATE = 16  # of a process
    REGISTRY = 32  # changed: a key or value made, set or deleted
    PRIVILEGE = 64  # sought
    INJECT = 128  # of code into another process


class About(NamedTuple):
    """Facts of the whole run. A reader may yield several: what a later one says is taken, what it leaves out stays.

    The verdict is the report's own, known only when all was over: at most a label, never a feature.
    """

    tool: str = ""  # and its version: "CAPE 2.4"
    sha256: str = ""  # of the artifact, 64 hexadecimal digits; empty where the report does not name it
    kind: str = ""  # of the artifact: "exe", "dll", "elf", "script", ...
    verdict: Outcome | None = None
    because: str = ""  # what the verdict rests on
    unseen: frozenset[str] = frozenset()  # fields of Telemetry that this kind of report cannot tell: missing, not zero
    #: False, said before the first call: calls of one process come in any order, only their times say which was first.
    ordered: bool = True
    #: What is to be added to the times of calls for microseconds since 1970, where the report says: they count from the
    #: guest's start, or are local time. Windows bear the sum; nothing is aligned by it.
    clock_us: int = 0


class Process(NamedTuple):
    """One process. A reader may name it more than once, as it learns more; the builder fills in the last two."""

    pid: int
    parent: int = 0  # 0: not known
    name: str = ""
    first_us: int | None = None  # when it was first seen, by the clock of its calls
    target: bool = False  # the analysed program itself, from which the tree descends
    stand_in: int = 0  # the number, below 0, that its calls bore where they came before its own was known
    in_tree: bool = False  # it is the target, or a descendant
    injected_by: int = 0  # the process that wrote into it, first; 0: none


class Call(NamedTuple):
    """One call of an API function, system call or the like, or one recorded event of the same weight."""

    at_us: int  # by the guest's clock, whatever its zero
    pid: int
    name: str
    ok: bool = True  # it succeeded
    times: int = 1  # once, and as often as it was repeated; 0: it says more of a call that was told already
    deed: Deed = Deed.NONE
    path: str = ""  # of a file it named
    address: str = ""  # it spoke to, without port, or a name that stands for one
    bytes_sent: int = 0  # over the network, all repetitions together
    bytes_received: int = 0
    target_pid: int = 0  # the process that it created or wrote into


class Seen(NamedTuple):
    """A window that the format has already: it is taken as it is."""

    at_us: int  # its end
    telemetry: Telemetry


class Part(NamedTuple):
    """What follows belongs to another run in the same file, with this name. What came before any has none."""

    name: str


class Passed(NamedTuple):
    """What the reader passed over, in the plural, with the reason: ``records without a time``."""

    what: str
    number: int = 1


Item = About | Process | Call | Seen | Part | Passed


class Format(NamedTuple):
    """A kind of report. ``formats.FORMATS`` has all of them."""

    name: str  # "CAPE"
    #: Whether a file is of this kind, by its first 64 KiB, unpacked, and its name without ``.gz``.
    detects: Callable[[bytes, str], bool]
    #: Raises ``Unreadable`` with the place.
    read: Callable[[Source], Iterator[Item]]


def since_1970_us(text: str) -> int:
    """Microseconds since 1970 of an ISO 8601 time; one without a zone is taken for UTC. Raises ValueError."""
    at = datetime.fromisoformat(text)
    since = (at if at.tzinfo else at.replace(tzinfo=UTC)) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds

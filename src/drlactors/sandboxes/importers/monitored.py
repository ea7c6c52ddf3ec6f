"""What reports of the Cuckoo family have in common: processes, each with the calls that a monitor inside it logged."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple, TypeVar

import msgspec

from drlactors.sandboxes.importers.json_cursor import JsonCursor
from drlactors.sandboxes.importers.report import Call, Item, Passed, Process
from drlactors.sandboxes.importers.windows_api import TABLE, WindowsApi

_Logged = TypeVar("_Logged")
#: What a report's own verdict of malicious takes: its score, out of 10. A low one is no word of innocence: ransomware
#: that did not come to its work has it too.
MALICIOUS_SCORE = 7.0
ANY = msgspec.json.Decoder()
#: By the beginning of what `file` said, where no package of the sandbox says it.
_KINDS = (
    ("PE32", "exe"), ("MS-DOS", "exe"), ("ELF", "elf"), ("Mach-O", "macho"), ("PDF", "pdf"), ("HTML", "html"),
    ("Zip", "zip"), ("Java", "jar"), ("Composite Document", "doc"), ("Microsoft", "doc"), ("Rich Text", "rtf"),
    ("MS Windows shortcut", "lnk"), ("ASCII", "script"), ("UTF-8", "script"), ("Unicode text", "script"),
)  # fmt: skip


class Dialect(NamedTuple):
    """How one sandbox writes its processes."""

    pid: str  # the keys
    parent: str
    first_seen: str
    traced: str  # the key that says whether the process belongs to the analysis; empty: all do
    moment: Callable[[object], int | None]  # what first_seen means, in microseconds


def processes(
    cursor: JsonCursor,
    dialect: Dialect,
    decoder: "msgspec.json.Decoder[_Logged]",
    call: Callable[[_Logged, int, WindowsApi], Call],
) -> Iterator[Item]:
    """The processes before which the cursor stands, and their calls. The first one that is traced is the target."""
    target, api = 0, WindowsApi()
    wanted = {dialect.pid, dialect.parent, dialect.first_seen, dialect.traced, "process_name"} - {""}
    for number in cursor.items():
        known: dict[str, object] = {}
        logged = stood_in = False
        for key in cursor.members():
            if key in wanted:
                known[key] = cursor.decoded(ANY)
            elif key == "calls":
                if process := _process(cursor, dialect, known, target):
                    yield process
                pid = process.pid if process else -1 - number
                stood_in = process is None
                for one in cursor.each(decoder):
                    logged = True
                    try:
                        yield call(one, pid, api)
                    except ValueError as error:
                        raise cursor.fault(str(error)) from error
        process = _process(cursor, dialect, known, target)
        if process is None:
            if logged:
                raise cursor.fault(f"calls of a process without {dialect.pid}")
            yield Passed(f"processes without {dialect.pid}")
            continue
        if process.target:
            target = process.pid
        yield process._replace(stand_in=-1 - number if stood_in else 0)


def _process(cursor: JsonCursor, dialect: Dialect, known: dict[str, object], target: int) -> Process | None:
    pid, parent, name = known.get(dialect.pid), known.get(dialect.parent), known.get("process_name")
    if pid is None:
        return None
    if type(pid) is not int or not 0 <= pid < 1 << 32:
        raise cursor.fault(f"{dialect.pid} is no number of a process")
    traced = not dialect.traced or bool(known.get(dialect.traced))
    return Process(
        pid,
        parent if isinstance(parent, int) and 0 < parent < 1 << 32 else 0,
        name if isinstance(name, str) else "",
        dialect.moment(known.get(dialect.first_seen)),
        target=traced and target in (0, pid),
    )


def kind_of(said: str, package: str) -> str:
    """The artifact's kind, by what `file` said of it and the sandbox's package for it."""
    if said.startswith("PE32"):
        return "dll" if "(DLL)" in said else "exe"
    if package.isalnum() and len(package) <= 16:
        return package.lower()
    return next((kind for begins, kind in _KINDS if said.startswith(begins)), "file")


def digest_of(said: object) -> str:
    """A SHA-256, or nothing where it is none."""
    plain = said.lower() if isinstance(said, str) else ""
    return plain if len(plain) == 64 and not set(plain) - set("0123456789abcdef") else ""


@lru_cache(8192)
def tells(name: str) -> bool:
    """Whether a function's arguments say what it did: those of others need not be read."""
    return name in TABLE or name.rstrip("AW") in TABLE


def plain(value: object) -> str:
    """An argument as text; a list or object is none."""
    return value if isinstance(value, str) else str(value) if isinstance(value, int | float) else ""

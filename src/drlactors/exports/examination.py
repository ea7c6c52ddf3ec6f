"""Whether a receipt holds, and where it does not: from the file alone, with no log and no network."""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple

from drlactors.exports.receipt import BEGINS, FORMAT, linked, message
from drlactors.signing import fits

_LINE = re.compile(rb'(\{.*),"link":"([0-9a-f]{64})"(?:,"signature":"([0-9a-f]{128})")?\}\n')
_KIND = re.compile(rb'"kind":"([a-z0-9.:-]{1,80})"')
#: No line of a receipt is longer: the largest event, a window full of texts, comes to 0.6 MiB of escaped characters.
LINE_BYTES = 4 << 20
#: Links that a line may follow, once something did not hold: those of the last places where a chain could go on.
_ENDS = 8
#: What is compared with a log: what is stored there, and nothing that depends on who reads it.
_COMPARED = ("kind", "position", "at_us", "causation", "traceparent", "stored")
#: The kinds of events behind which nothing more is decided.
OVER = ("session.ended:", "session.lost:")


class Fault(NamedTuple):
    """Something that does not hold."""

    line: int  # of the file, from 1
    event: int  # the number of the event that belongs there; 0 for what is no event
    kind: str  # of the event that stands there; empty where that cannot be read
    what: str

    def __str__(self) -> str:
        named = f", event {self.event}" if self.event else ""
        return f"line {self.line}{named}{f' ({self.kind})' if self.kind else ''}: {self.what}"


@dataclass(slots=True)
class Examined:
    session: str = ""  # as the first line says
    instance: str = ""
    key: str = ""  # of whoever signed, as the last line says
    events: int = 0
    over: bool = False  # the session had ended
    compared: dict[int, tuple[Any, ...]] = field(default_factory=dict)  # by event, what a log has of it too
    faults: list[Fault] = field(default_factory=list)


def examine(file: BinaryIO, trusted: frozenset[str]) -> Examined:
    """``trusted``: the public keys of those who may sign (base64 of 32 bytes). The file may be anybody's."""
    walk = _Walk(trusted)
    while line := file.readline(LINE_BYTES + 1):
        if len(line) > LINE_BYTES:
            walk.give_up(line)
            break
        walk.take(line)
    return walk.finish()


def compared(found: Examined, log: Iterable[dict[str, Any]]) -> tuple[list[str], int]:
    """What the log says otherwise of a receipt's events, and how many events it has behind them.

    ``log``: what ``receipt.described`` says of the session's events there.
    """
    faults, behind, last = [], 0, 0
    told = dict(found.compared)
    for last, there in enumerate(log, start=1):
        here = told.pop(there["version"], None)
        if here is None:
            behind += 1
        elif other := [name for name, said in zip(_COMPARED, here, strict=True) if said != _brief(there[name])]:
            faults.append(f"event {last} ({there['kind']}): the log has another {' and '.join(other)}")
    faults += [f"event {version}: the log does not have it" for version in told]
    return faults, behind


class _Walk:
    def __init__(self, trusted: frozenset[str]) -> None:
        self.found = Examined()
        self._trusted = trusted
        self._line = 0
        self._next = 0  # the number of the event that belongs into the line at hand; 0: the head
        self._ends: list[str] = [BEGINS]  # none: what stood before cannot be read, and anything may follow it
        self._closed = False

    def take(self, raw: bytes) -> None:
        self._line += 1
        if self._closed:
            self._fault("it stands behind the closing line", raw, event=0)
            return
        read = _LINE.fullmatch(raw)
        body = _object(read[1]) if read else None
        if read is None or body is None:
            self._unreadable(raw, read)
            return
        text, link = read[1], read[2].decode()
        computed = [linked(end, text) for end in self._ends]
        follows = link in computed or not self._ends
        if read[3] is not None:
            self._close(raw, body, link, read[3], follows=follows)
        elif self._next == 0:
            self._begin(raw, body, follows=follows)
        else:
            self._event(raw, body, follows=follows)
        if follows and len(self._ends) <= 1:
            self._ends = [link]
        else:  # something did not hold: what comes next may follow from either side of it
            self._ends = [*self._ends, *(() if follows else computed), link][-_ENDS:]

    def give_up(self, begin: bytes) -> None:
        """``begin``: of a line that is too long."""
        self._line += 1
        self._closed = True
        what = f"it is longer than {LINE_BYTES} bytes, as no line of a receipt is: it and what follows was not examined"
        self._fault(what, begin, event=0)

    def finish(self) -> Examined:
        if not self._line:
            self.found.faults.append(Fault(1, 0, "", "the file is empty"))
        elif not self._closed:
            last = max(self._next - 1, 0)
            what = f"the receipt was cut off: behind event {last} nothing follows, and no line closes it"
            self.found.faults.append(Fault(self._line, last, "", what))
        return self.found

    def _begin(self, raw: bytes, body: dict[str, Any], *, follows: bool) -> None:
        self._next = 1
        session, instance = body.get("session"), body.get("instance")
        if body.get("receipt") != FORMAT or not isinstance(session, str) or not isinstance(instance, str):
            self._fault(f"it is not the first line of a receipt of format {FORMAT}", raw, event=0)
            return
        self.found.session, self.found.instance = session, instance
        if not follows:
            self._fault("the first line was changed: its link does not hold", raw, event=0)

    def _event(self, raw: bytes, body: dict[str, Any], *, follows: bool) -> None:
        version, kind = body.get("version"), body.get("kind")
        if not follows:
            self._fault(self._misfit(version, body.get("session")), raw)
        self.found.events += 1
        self.found.over = self.found.over or (isinstance(kind, str) and kind.startswith(OVER))
        if not isinstance(version, int):
            self._next += 1
            return
        self.found.compared[version] = tuple(_brief(body.get(name)) for name in _COMPARED)
        if follows or version >= self._next:
            self._next = version + 1

    def _misfit(self, version: Any, session: Any) -> str:
        """Why an event does not follow from the one before it."""
        if session != self.found.session:
            return f"it names another session, {_quoted(session)}: it was changed, or belongs to that one's receipt"
        if version == self._next or not isinstance(version, int):
            return "it was changed: its link does not hold"
        if version > self._next:
            return f"event {version} stands where event {self._next} belongs: events were left out or moved"
        return f"event {version} stands where event {self._next} belongs: it was moved, or put in a second time"

    def _close(self, raw: bytes, body: dict[str, Any], link: str, signature: bytes, *, follows: bool) -> None:
        self._closed = True
        last, count, key = self._next - 1, body.get("events"), body.get("key")
        self.found.key = key if isinstance(key, str) else ""
        if isinstance(count, int) and count > last:
            what = f"events {last + 1} to {count} are missing" if count > last + 1 else f"event {count} is missing"
            self._fault(f"{what}: the closing line speaks of {count} events", raw, event=last + 1)
        elif not follows:
            self._fault(
                "the closing line does not follow from the events: it was changed, or is another's", raw, event=0
            )
        if self.found.key not in self._trusted:
            self._fault(
                f"it is signed with the key {self.found.key or '(none)'}, which is not trusted here", raw, event=0
            )
        elif not fits(bytes.fromhex(signature.decode()), self.found.key, message(link)):
            what = "its signature is not that of this chain: it was changed, or taken from another receipt"
            self._fault(what, raw, event=0)

    def _unreadable(self, raw: bytes, read: re.Match[bytes] | None) -> None:
        whole = raw.endswith(b"\n")
        what = "it was changed: it is no line of a receipt any more" if whole else "the file is cut off in this line"
        self._fault(what, raw)
        self._ends = [*self._ends, read[2].decode()][-_ENDS:] if read else []
        self._next += 1

    def _fault(self, what: str, raw: bytes, *, event: int | None = None) -> None:
        kind = _KIND.search(raw)
        place = self._next if event is None else event
        self.found.faults.append(Fault(self._line, place, kind[1].decode() if kind else "", what))


def _object(text: bytes) -> dict[str, Any] | None:
    """The JSON object of a line, less its end."""
    try:
        found = json.loads(text + b"}")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _brief(value: Any) -> Any:
    """What is equal where the values are, and never long; a log has only texts, whole numbers and None in there."""
    if isinstance(value, str):
        return hashlib.sha256(value.encode(errors="surrogatepass")).digest()
    return value if value is None or isinstance(value, int) else ()


def _quoted(value: Any) -> str:
    """What a file says, on one line and without what a terminal would obey."""
    return json.dumps(value)[:100]

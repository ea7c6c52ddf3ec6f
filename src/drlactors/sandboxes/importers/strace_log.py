"""Reads logs of strace: of one thread or many, with times or without, descriptors decoded (``-yy``) or not.

What a call did is what the live sandbox would have taken it for (``windows.Fold``), so that a program has the same
telemetry whether it was run or imported. Where strace did not decode descriptors, they are followed here, from the call
that opened them: what goes through one that was open before the log began is neither a file's nor the network's, and
is counted as passed over.

- A time of day that falls by more than half a day is of the next day.
- Threads are their process's: ``clone`` says which.
- Without times all calls are in one window. A log that is named after a SHA-256 digest is taken to be of that artifact.
- The summary that ``-C`` adds is of the whole run, the future of every call in it: reading ends before it. How and
  when a thread ended is not read either.
"""

import re
from collections.abc import Iterator

from drlactors.domain.telemetry import Telemetry
from drlactors.sandboxes.importers.descriptors import MOVES, Descriptors, decoded
from drlactors.sandboxes.importers.report import About, Call, Deed, Format, Item, Passed, Process
from drlactors.sandboxes.importers.source import Source, Unreadable
from drlactors.sandboxes.strace import UNTRACED, Exited, Parser
from drlactors.sandboxes.strace import Call as Returned
from drlactors.sandboxes.windows import FORKS, Fold, unescape

#: A log of one thread does not say which.
ONLY_PID = 1
MOST_THREADS = 1 << 16
_UNSEEN = frozenset({"cpu_usage", "memory_usage", "registry_modification"})
_DIGEST = re.compile(r"[0-9a-f]{64}\b")
_DAY_US = 86_400_000_000
_LINE = re.compile(
    r"(?:\[pid +(?P<pid>\d{1,10})\] +|(?P<bare>\d{1,10}) +)?"
    r"(?:(?P<clock>\d\d:\d\d:\d\d(?:\.\d{1,6})?) +|(?P<epoch>\d{1,12}\.\d{1,9}) +)?(?P<text>.*)",
    re.DOTALL,
)
_BEGINS = re.compile(r"\w+\(|<\.\.\. \w+ resumed>|--- |\+\+\+ |strace: ")
_RESULT = re.compile(r"\w+\(.*\) += (?:0x[0-9a-f]+|-?\d|\?)")
_SUMMARY = re.compile(r"% time +seconds +usecs/call")
_OTHER = re.compile(r"(?:PTRACE_\w+, )?(\d{1,9})\b")
_PROGRAM = re.compile(r'"((?:[^"\\]|\\.)*)"')
#: Calls that no field of telemetry needs, but that descriptors and threads may.
_OF_NO_USE = frozenset(UNTRACED.split(","))


def detects(head: bytes, _name: str) -> bool:
    """Whether a call with its result is among the first lines, and most of them are what strace writes."""
    log = _SUMMARY.split(head.decode("utf-8-sig", "replace"), maxsplit=1)[0]
    lines = [line for line in log.split("\n")[:64] if line.strip()]
    texts = [found["text"] for line in lines if (found := _LINE.match(line))]
    written = sum(_BEGINS.match(text) is not None for text in texts)
    return any(_RESULT.match(text) for text in texts) and written > len(texts) / 2


def read(source: Source) -> Iterator[Item]:
    """The processes and calls of a log. Raises Unreadable where it is cut off in the middle of a line."""
    named = _DIGEST.match(source.name)
    yield About(tool="strace", sha256=named[0] if named else "", unseen=_UNSEEN)
    log = _Log()
    place, bad = "line 1", False
    for number, raw in source.lines():
        line, place = raw.decode("utf-8", "replace"), f"line {number}"
        if _SUMMARY.match(line):
            source.drain()
            bad = False
            break
        rubbish = log.parser.rubbish
        yield from log.read(line)
        bad = log.parser.rubbish > rubbish
    if bad:
        raise Unreadable(place, "the log is cut off in the middle of a line")
    if log.parser.rubbish:
        yield Passed("lines that are no calls", log.parser.rubbish)
    if log.untimed:
        yield Passed("times: the log has none, and all is in one window")
    if log.descriptors.unknown:
        yield Passed("moves through descriptors that were open before the log began", log.descriptors.unknown)


class _Log:
    """The lines so far."""

    def __init__(self) -> None:
        self.parser = Parser()
        self.descriptors = Descriptors()
        self.calls = 0
        self.untimed = False
        self._fold = Fold("/")
        self._processes: dict[int, int] = {}  # by thread
        self._last_us: int | None = None
        self._day_us = 0

    def read(self, line: str) -> Iterator[Item]:
        found = _LINE.match(line)
        if found is None or not line.strip():
            return
        thread = int(found["pid"] or found["bare"] or ONLY_PID)
        at_us = self._time(found["clock"], found["epoch"])
        seen = self.parser.feed(f"{thread} {found['text']}")
        if isinstance(seen, Exited):
            self._processes.pop(thread, None)
            self._fold.forget(thread)
            self.descriptors.forget(thread)
        if not isinstance(seen, Returned):
            return
        if not self.calls:
            yield Process(self._process(thread), first_us=at_us, target=True)
        self.calls += 1
        yield from self._called(seen, self._process(thread), at_us)

    def _called(self, call: Returned, pid: int, at_us: int) -> Iterator[Item]:
        call = self.descriptors.decoded(call, pid)
        if call.name in _OF_NO_USE or (call.name in MOVES and not decoded(call)):
            yield Call(at_us, pid, call.name, ok=(call.result or 0) >= 0)
            return
        self._fold.add(call)
        seen = self._fold.close(cpu_usage=None, memory_usage=None)
        child = self._child(call, pid)
        if call.name in ("execve", "execveat") and call.result == 0 and (program := _PROGRAM.search(call.arguments)):
            yield Process(pid, name=unescape(program[1]).rpartition("/")[2])
        target = child or (_target(call) if seen.code_injection_detected else 0)
        address = seen.contacted_ips[0] if seen.contacted_ips else ""
        first, *others = seen.accessed_paths or ("",)
        sent, received = seen.bytes_sent or 0, seen.bytes_received or 0
        deed = _deed(seen)
        ok = bool(deed) or (call.result or 0) >= 0  # an attempt to inject counts here as it does in the live sandbox
        yield Call(at_us, pid, call.name, ok, 1, deed, first, address, sent, received, target)
        for path in others:  # what was renamed has two names
            yield Call(at_us, pid, call.name, times=0, path=path)

    def _child(self, call: Returned, pid: int) -> int:
        """The process that the call made; a thread is none."""
        if call.name not in FORKS or call.result is None or call.result <= 0:
            return 0
        if "CLONE_THREAD" in call.arguments:
            if len(self._processes) < MOST_THREADS:
                self._processes[call.result] = pid
            return 0
        self.descriptors.inherit(pid, call.result)
        return call.result

    def _process(self, thread: int) -> int:
        return self._processes.get(thread, thread)

    def _time(self, clock: str | None, epoch: str | None) -> int:
        if epoch is not None:
            seconds, _, fraction = epoch.partition(".")
            return int(seconds) * 1_000_000 + int(fraction[:6].ljust(6, "0"))
        if clock is None:
            self.untimed = True
            return 0
        hours, minutes, seconds = clock.split(":")
        second, _, fraction = seconds.partition(".")
        at_us = (int(hours) * 3600 + int(minutes) * 60 + int(second)) * 1_000_000 + int(fraction.ljust(6, "0") or 0)
        if self._last_us is not None and self._last_us - at_us > _DAY_US // 2:
            self._day_us += _DAY_US
        self._last_us = at_us
        return self._day_us + at_us


def _deed(seen: Telemetry) -> Deed:
    """What telemetry of one call says that it did."""
    deed = Deed.NONE
    for number, one in (
        (seen.file_read_count, Deed.READ),
        (seen.file_write_count, Deed.WRITE),
        (seen.file_delete_count, Deed.DELETE),
        (seen.network_connections, Deed.CONNECT),
        (seen.child_processes, Deed.CREATE),
        (seen.privilege_escalation_attempt, Deed.PRIVILEGE),
        (seen.code_injection_detected, Deed.INJECT),
    ):
        if number:
            deed |= one
    return deed


def _target(call: Returned) -> int:
    """The other process whose memory the call reaches for; 0 where it is its own, or not known which."""
    found = _OTHER.match(call.arguments) if call.name in ("ptrace", "process_vm_writev") else None
    return int(found[1]) if found else 0


FORMAT = Format("strace", detects, read)

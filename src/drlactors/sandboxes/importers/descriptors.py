"""Writes what a descriptor stands for into system calls, as ``strace -yy`` would have, from the call that opened it."""

import posixpath
import re

from drlactors.sandboxes.strace import Call
from drlactors.sandboxes.windows import READS, RECEIVES, SENDS, WRITES, unescape

MOST_PROCESSES = 4096
MOST_OPEN = 1 << 16
_FIRST = re.compile(r"(\d{1,9})(?=[,)]|$)")
_DECODED = re.compile(r"(?:\d+|AT_FDCWD)<")
_PATH = re.compile(r'"((?:[^"\\]|\\.)*)"')
_PAIR = re.compile(r"\[(\d{1,9}), (\d{1,9})\]")
_ADDRESS = re.compile(r"sa_family=[AP]F_(INET6?)\b")
_SOCKET = re.compile(r"[AP]F_(\w+), SOCK_(\w+?)(?:\||,|$)")
_TRANSPORTS = {"STREAM": "TCP", "DGRAM": "UDP", "RAW": "RAW"}

_OPENS = frozenset({"open", "openat", "openat2", "creat"})
#: They move something through the descriptor that they name first; of what, only that says.
MOVES = READS | WRITES | RECEIVES | SENDS | {"sendmmsg", "recvmmsg"}
#: Reading and writing at a place of one's choice: only files let one.
_AT_A_PLACE = frozenset(name for name in READS | WRITES if name.startswith(("pread", "pwrite")))
_ACCEPTS = frozenset({"accept", "accept4"})
_COPIES = frozenset({"dup", "dup2", "dup3"})
_PAIRS = frozenset({"pipe", "pipe2", "socketpair"})
_ANONYMOUS = frozenset({
    *("eventfd", "eventfd2", "epoll_create", "epoll_create1", "timerfd_create", "signalfd", "signalfd4"),
    *("inotify_init", "inotify_init1", "userfaultfd", "perf_event_open", "pidfd_open"),
})  # fmt: skip


def decoded(call: Call) -> bool:
    """Whether it is known what the first descriptor stands for."""
    return _DECODED.match(call.arguments) is not None


class Descriptors:
    """What the descriptors of each process stand for."""

    def __init__(self) -> None:
        self.unknown = 0  # calls that moved something through one of which the log does not say what it is
        self._open: dict[int, dict[int, str]] = {}

    def decoded(self, call: Call, pid: int) -> Call:
        """The call of this process, with its first descriptor decoded where that is known."""
        call = call._replace(pid=pid)
        if decoded(call):
            return call
        first = _FIRST.match(call.arguments)
        number = int(first[1]) if first else -1
        table = self._table(pid)
        if call.name == "connect" and (address := _ADDRESS.search(call.arguments)):
            table.setdefault(number, "TCPv6:[?]" if address[1] == "INET6" else "TCP:[?]")
        name = table.get(number)
        if name is None and call.name in MOVES and (call.result or 0) > 0:
            if call.name in _AT_A_PLACE:
                name = table[number] = "/?"
            else:
                self.unknown += 1
        if call.result is not None and call.result >= 0:
            self._follow(table, call, number, name)
        if name is None or first is None:
            return call
        return call._replace(arguments=f"{number}<{name}>{call.arguments[first.end() :]}")

    def inherit(self, parent: int, child: int) -> None:
        """A new process has what its parent has open."""
        self._table(child).update(self._table(parent))

    def forget(self, pid: int) -> None:
        """The process is gone."""
        self._open.pop(pid, None)

    def _table(self, pid: int) -> dict[int, str]:
        table = self._open.get(pid)
        if table is None:
            if len(self._open) >= MOST_PROCESSES:
                del self._open[next(iter(self._open))]
            table = self._open[pid] = {}
        return table

    def _follow(self, table: dict[int, str], call: Call, number: int, name: str | None) -> None:
        result, made = call.result or 0, ""
        if call.name in _OPENS and (path := _PATH.search(call.arguments)):
            folder = name if name and name.startswith("/") else "/"
            made = posixpath.normpath(posixpath.join(folder, unescape(path[1])))
        elif call.name == "memfd_create":
            made = "/memfd:"
        elif call.name == "socket" and (kind := _SOCKET.match(call.arguments)):
            made = _socket(kind[1], kind[2])
        elif call.name in _ACCEPTS:
            made = name or ""
        elif call.name in _COPIES or (call.name.startswith("fcntl") and "F_DUPFD" in call.arguments):
            made = name or ""
            table.pop(result, None)
        elif call.name in _PAIRS and (pair := _PAIR.search(call.arguments)):
            table.update({int(pair[1]): "pipe:[?]", int(pair[2]): "pipe:[?]"})
        elif call.name in _ANONYMOUS:
            made = "anon_inode:[?]"
        elif call.name == "close":
            table.pop(number, None)
        if made and len(table) < MOST_OPEN:
            table[result] = _quoted(made)


def _socket(family: str, kind: str) -> str:
    if family in ("INET", "INET6"):
        return f"{_TRANSPORTS.get(kind, 'RAW')}{'v6' if family == 'INET6' else ''}:[?]"
    return f"{family}:[?]"


def _quoted(name: str) -> str:
    """So that it can stand between brackets."""
    return re.sub(r"[<>\\]", "?", name)

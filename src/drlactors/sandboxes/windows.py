"""Folds the calls of one window into telemetry."""

import posixpath
import re
from collections import Counter
from collections.abc import Callable

from drlactors.domain.telemetry import MAX_CHARACTERS, MAX_ENTRIES, Telemetry
from drlactors.sandboxes.intrusion import injects_code, seeks_privilege
from drlactors.sandboxes.strace import Call

#: ``read(3</etc/hosts>, ...``: the first argument is a descriptor, decoded by strace.
_DESCRIPTOR = re.compile(r"(-?\d+|AT_FDCWD)<((?:->|[^<>\\]|\\.|<[^<>]*>)*)>")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"(?!\.\.\.)')
_AT_CWD = re.compile(r"AT_FDCWD<((?:[^<>\\]|\\.)*)>")
_ADDRESS = re.compile(r'(?:inet_addr\(|inet_pton\(AF_INET6, )"([0-9A-Fa-f.:]+)"')
_MESSAGE_BYTES = re.compile(r"msg_len=(\d+)")
_ESCAPE = re.compile(r"\\([0-7]{1,3}|.)")
_INET = ("TCP:", "TCPv6:", "UDP:", "UDPv6:", "UDPLITE:", "RAW:", "RAWv6:", "ICMP:", "ICMPv6:", "PING:", "PINGv6:")
_NO_REGULAR_FILE = ("/dev/", "/proc/", "/sys/")

READS = frozenset({"read", "pread64", "readv", "preadv", "preadv2"})
WRITES = frozenset({"write", "pwrite64", "writev", "pwritev", "pwritev2"})
RECEIVES = frozenset({"recvfrom", "recvmsg"})
SENDS = frozenset({"sendto", "sendmsg"})
DELETES = frozenset({"unlink", "unlinkat", "rmdir"})
FORKS = frozenset({"fork", "vfork", "clone", "clone3"})
ONE_PATH = frozenset(
    {
        "open", "openat", "openat2", "creat", "stat", "lstat", "newfstatat",
        "statx", "access", "faccessat", "faccessat2", "readlink", "readlinkat", "unlink",
        "unlinkat", "rmdir", "mkdir", "mkdirat", "mknod", "mknodat", "truncate",
        "chmod", "fchmodat", "chown", "lchown", "fchownat", "utime", "utimes",
        "utimensat", "execve", "execveat", "chdir", "getxattr", "lgetxattr", "setxattr",
        "lsetxattr", "statfs", "inotify_add_watch",
    }
)  # fmt: skip
TWO_PATHS = frozenset({"rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat"})


class Fold:
    """The telemetry of the window that is open, call by call.

    - ``syscall_count``, ``syscall_types``: every traced call that returned (strace.UNTRACED lists what is not traced);
    - ``file_read_count``, ``file_write_count``: calls that moved at least one byte from or to a file by a path outside
      /dev, /proc and /sys; sendfile, copy_file_range and splice count on both sides; memory-mapped access is not seen;
    - ``file_delete_count``: successful unlink, unlinkat and rmdir; a rename is none, because nothing in the call says
      whether it replaced a file;
    - ``accessed_paths``: what successful calls named, made absolute where the call or the last known folder allows it;
    - ``network_connections``: connect to an internet address, answered or not, and accepted connections from one;
      ``bytes_sent`` and ``bytes_received``: what moved over internet sockets;
    - ``child_processes``: new processes, not threads.
    """

    def __init__(self, cwd: str) -> None:
        self._cwd = cwd
        self._cwds: dict[int, str] = {}
        self._reset()

    def _reset(self) -> None:
        self._types: Counter[str] = Counter()
        self._reads = self._writes = self._deletes = self._connections = self._children = 0
        self._sent = self._received = 0
        self._paths: dict[str, None] = {}
        self._addresses: dict[str, None] = {}
        self._privilege = self._injection = False

    def add(self, call: Call) -> None:
        """Counts one call in."""
        name = call.name
        self._types[name] += 1
        if step := _STEPS.get(name):
            step(self, call)
        self._privilege = self._privilege or seeks_privilege(call)
        self._injection = self._injection or injects_code(call)

    def forget(self, pid: int) -> None:
        """The thread is gone, and with it what was known about it."""
        self._cwds.pop(pid, None)

    def close(self, *, cpu_usage: float | None, memory_usage: float | None) -> Telemetry:
        """The window that ends here; the next one begins empty. ``memory_usage`` in bytes."""
        seen = Telemetry(
            syscall_count=self._types.total(),
            syscall_types=tuple(name for name, _ in self._types.most_common(MAX_ENTRIES)),
            file_read_count=self._reads,
            file_write_count=self._writes,
            file_delete_count=self._deletes,
            accessed_paths=tuple(self._paths),
            network_connections=self._connections,
            bytes_sent=self._sent,
            bytes_received=self._received,
            contacted_ips=tuple(self._addresses),
            child_processes=self._children,
            cpu_usage=cpu_usage,
            memory_usage=memory_usage,
            privilege_escalation_attempt=self._privilege,
            code_injection_detected=self._injection,
        )
        self._reset()
        return seen

    def _read(self, call: Call) -> None:
        moved, target = call.result or 0, _target(call.arguments)
        if moved > 0 and target.startswith(_INET):
            self._received += moved
        elif moved > 0 and _is_file(target):
            self._reads += 1

    def _write(self, call: Call) -> None:
        moved, target = call.result or 0, _target(call.arguments)
        if moved > 0 and target.startswith(_INET):
            self._sent += moved
            self._contact(call.arguments)
        elif moved > 0 and _is_file(target):
            self._writes += 1

    def _several_messages(self, call: Call) -> None:
        if (call.result or 0) > 0 and _target(call.arguments).startswith(_INET):
            moved = sum(int(size[:12]) for size in _MESSAGE_BYTES.findall(call.arguments))
            if call.name == "sendmmsg":
                self._sent += moved
                self._contact(call.arguments)
            else:
                self._received += moved

    def _copy(self, call: Call) -> None:
        moved = call.result or 0
        ends = [found[2] for found in _DESCRIPTOR.finditer(call.arguments)]
        if moved <= 0 or len(ends) < 2:
            return
        into, out_of = (ends[0], ends[1]) if call.name == "sendfile" else (ends[1], ends[0])
        self._reads += _is_file(out_of)
        self._writes += _is_file(into)
        self._sent += moved * into.startswith(_INET)
        self._received += moved * out_of.startswith(_INET)

    def _connect(self, call: Call) -> None:
        if _ADDRESS.search(call.arguments):
            self._connections += 1
            self._contact(call.arguments)

    def _accept(self, call: Call) -> None:
        if call.result is not None and call.result >= 0:
            self._connect(call)

    def _contact(self, arguments: str) -> None:
        for address in _ADDRESS.findall(arguments):
            if len(self._addresses) < MAX_ENTRIES:
                self._addresses[address] = None

    def _fork(self, call: Call) -> None:
        self._children += (call.result or 0) > 0 and "CLONE_THREAD" not in call.arguments

    def _delete(self, call: Call) -> None:
        self._deletes += call.result == 0
        self._one_path(call)

    def _one_path(self, call: Call) -> None:
        self._named(call, 1)

    def _two_paths(self, call: Call) -> None:
        self._named(call, 2)

    def _named(self, call: Call, most: int) -> None:
        arguments = call.arguments
        if known := _AT_CWD.search(arguments):
            self._cwds[call.pid] = unescape(known[1])
        if call.result is None or call.result < 0:
            return
        cwd = self._cwds.get(call.pid, self._cwd)
        folder = _DESCRIPTOR.match(arguments)
        if folder and folder[1] != "AT_FDCWD" and folder[2].startswith("/"):
            cwd = unescape(folder[2])
        for quoted in _STRING.findall(arguments)[:most]:
            if quoted:
                path = posixpath.normpath(posixpath.join(cwd, unescape(quoted)))
                if call.name == "chdir":
                    self._cwds[call.pid] = path
                if len(self._paths) < MAX_ENTRIES:
                    self._paths[path[:MAX_CHARACTERS]] = None


_STEPS: dict[str, Callable[[Fold, Call], None]] = {
    **dict.fromkeys(READS | RECEIVES, Fold._read),
    **dict.fromkeys(WRITES | SENDS, Fold._write),
    **dict.fromkeys(("sendmmsg", "recvmmsg"), Fold._several_messages),
    **dict.fromkeys(("sendfile", "copy_file_range", "splice"), Fold._copy),
    **dict.fromkeys(ONE_PATH, Fold._one_path),
    **dict.fromkeys(TWO_PATHS, Fold._two_paths),
    **dict.fromkeys(DELETES, Fold._delete),
    **dict.fromkeys(FORKS, Fold._fork),
    "connect": Fold._connect,
    "accept": Fold._accept,
    "accept4": Fold._accept,
}


def _target(arguments: str) -> str:
    found = _DESCRIPTOR.match(arguments)
    return found[2] if found else ""


def _is_file(target: str) -> bool:
    """A memfd is a file without a folder: it has a name ("/memfd:x") but is not on any disk."""
    return target.startswith("/") and not target.startswith((*_NO_REGULAR_FILE, "/memfd:"))


def unescape(quoted: str) -> str:
    """The text that strace quoted C-like; bytes that are no UTF-8 become replacement characters."""
    if "\\" not in quoted:
        return quoted
    raw = bytearray()
    last = 0
    for escape in _ESCAPE.finditer(quoted):
        raw += quoted[last : escape.start()].encode("utf-8", "replace")
        code = escape[1]
        raw += (
            bytes([int(code, 8) & 0xFF])
            if code.isdigit() and code < "8"
            else _LETTERS.get(code, code).encode("utf-8", "replace")
        )
        last = escape.end()
    raw += quoted[last:].encode("utf-8", "replace")
    return raw.decode("utf-8", "replace")


_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "v": "\v", "f": "\f", "a": "\a", "b": "\b"}

"""System calls that a launcher needs and the standard library lacks; each raises OSError with its name."""

import ctypes
import fcntl
import os
import signal
import socket
import struct
from pathlib import Path

NEW_MOUNTS = 0x00020000  # sched.h: CLONE_NEWNS and so on
NEW_CGROUP = 0x02000000
NEW_UTS = 0x04000000
NEW_IPC = 0x08000000
NEW_USER = 0x10000000
NEW_PID = 0x20000000
NEW_NET = 0x40000000

_BIND, _RECURSIVE, _PRIVATE = 4096, 16384, 1 << 18
NOSUID, NODEV, NOEXEC = 2, 4, 8  # the same bits for mount and for mount_setattr
READ_ONLY = 1
_DETACH = 2
_MOUNT_SETATTR = 442  # one number on every architecture; Linux 5.12
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_PDEATHSIG, _CAPBSET_DROP, _NO_NEW_PRIVS = 1, 24, 38
_CAPABILITY_VERSION_3 = 0x20080522
_SIOCSIFADDR, _SIOCSIFFLAGS = 0x8916, 0x8914
_UP_AND_RUNNING = 0x1 | 0x40

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def unshare(flags: int) -> None:
    _check(_libc.unshare(flags), "unshare")


def become(uid: int, gid: int, *, outside_uid: int, outside_gid: int) -> None:
    """Says who this process is in the user namespace that it has just made: the one user and group there are."""
    Path("/proc/self/setgroups").write_bytes(b"deny")
    Path("/proc/self/uid_map").write_bytes(b"%d %d 1" % (uid, outside_uid))
    Path("/proc/self/gid_map").write_bytes(b"%d %d 1" % (gid, outside_gid))


def die_with_parent() -> None:
    """SIGKILL as soon as the thread that started this process ends; for good, unless credentials change."""
    _check(_libc.prctl(_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0), "prctl")


def give_up_privileges() -> None:
    """No capability, and none to be had by running another program."""
    capability = 0
    while _libc.prctl(_CAPBSET_DROP, capability, 0, 0, 0) == 0:
        capability += 1
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    _check(_libc.capset(header, bytes(24)), "capset")
    _check(_libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")


def mount(kind: str, target: Path, flags: int = 0, options: str = "") -> None:
    """A fresh file system: tmpfs, proc or devpts."""
    _check(_libc.mount(kind.encode(), os.fsencode(target), kind.encode(), flags, options.encode()), f"mount {target}")


def bind(source: Path, target: Path) -> None:
    """The same files at a second place, with what is mounted below them."""
    _check(_libc.mount(os.fsencode(source), os.fsencode(target), None, _BIND | _RECURSIVE, None), f"bind {target}")


def restrict(target: Path, attributes: int, *, below: bool = True) -> None:
    """READ_ONLY, NOSUID, NODEV, NOEXEC; by default for everything mounted below as well, which remounting is not."""
    wanted = struct.pack("=QQQQ", attributes, 0, 0, 0)
    reach = _AT_RECURSIVE if below else 0
    result = _libc.syscall(_MOUNT_SETATTR, _AT_FDCWD, os.fsencode(target), reach, wanted, ctypes.c_size_t(len(wanted)))
    _check(result, f"mount_setattr {target}")


def keep_mounts_private() -> None:
    """Nothing mounted from here on is seen elsewhere."""
    _check(_libc.mount(None, b"/", None, _RECURSIVE | _PRIVATE, None), "mount --make-rprivate /")


def change_root(root: Path) -> None:
    """``root`` becomes /, and what was / is gone from this mount namespace (pivot_root(2), "." and ".")."""
    os.chdir(root)
    _check(_libc.pivot_root(b".", b"."), "pivot_root")
    _check(_libc.umount2(b".", _DETACH), "umount /")
    os.chdir("/")


def raise_loopback(addresses: tuple[str, ...]) -> None:
    """Brings lo up in this network namespace and gives it further IPv4 addresses, one host each."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("=16sh14x", b"lo", _UP_AND_RUNNING))
        for number, address in enumerate(addresses):
            name = f"lo:{number}".encode()
            wanted = struct.pack("=16sHH4s8x", name, socket.AF_INET, 0, socket.inet_aton(address))
            fcntl.ioctl(control, _SIOCSIFADDR, wanted)

"""Kinds of system calls, and which calls of each kind a session has made so far.

A rate tells how busy a program is. What it needs at all (the time, a socket, to know who it runs as) tells more, and
stays true when it goes quiet. Calls of Linux and Windows that serve the same end are of one kind; a kind has at most
63 of them, so that a stored integer has a bit for each.
"""

from collections.abc import Iterable
from functools import lru_cache
from operator import or_

KINDS: dict[str, tuple[str, ...]] = {
    "file": (
        *("open", "openat", "openat2", "creat", "close", "read", "write", "readv", "writev", "pread64", "pwrite64"),
        *("preadv", "pwritev", "lseek", "_llseek", "sendfile", "copy_file_range", "dup", "dup2", "dup3", "fcntl"),
        *("fcntl64", "ioctl", "stat", "lstat", "fstat", "newfstatat", "fstatat64", "fstat64", "stat64", "lstat64"),
        *("statx", "access", "faccessat", "faccessat2", "readlink", "readlinkat", "statfs", "statfs64", "fstatfs"),
        *("getdents", "getdents64", "getcwd", "eventfd", "eventfd2", "pipe", "pipe2", "memfd_create"),
        *("NtCreateFile", "NtOpenFile", "NtReadFile", "NtWriteFile", "NtQueryDirectoryFile", "NtDeviceIoControlFile"),
        *("NtQueryInformationFile", "NtClose", "FindFirstFileExW"),
    ),
    "change": (
        *("mkdir", "mkdirat", "rmdir", "rename", "renameat", "renameat2", "unlink", "unlinkat", "link", "linkat"),
        *("symlink", "symlinkat", "chmod", "fchmod", "fchmodat", "chown", "fchown", "lchown", "fchownat", "utime"),
        *("utimes", "utimensat", "mknod", "mknodat", "truncate", "ftruncate", "truncate64", "ftruncate64"),
        *("fallocate", "fsync", "fdatasync", "msync", "sync", "flock", "setxattr", "fsetxattr"),
        *("NtSetInformationFile", "NtDeleteFile", "DeleteFileW", "MoveFileWithProgressW", "CopyFileExW"),
        *("CreateDirectoryW", "RemoveDirectoryW", "NtSetValueKey", "NtCreateKey", "NtDeleteKey", "NtDeleteValueKey"),
        *("RegSetValueExW", "RegCreateKeyExW", "RegDeleteValueW"),
    ),
    "process": (
        *("clone", "clone3", "fork", "vfork", "execve", "execveat", "wait4", "waitid", "waitpid", "exit"),
        *("exit_group", "kill", "tkill", "tgkill", "setsid", "setpgid", "futex", "sched_yield", "sched_setaffinity"),
        *("sched_getaffinity", "sched_setscheduler", "gettid", "rt_sigaction", "sigaction", "rt_sigprocmask"),
        *("rt_sigreturn", "sigaltstack", "rt_sigsuspend", "rt_tgsigqueueinfo", "pause", "pidfd_open"),
        *("NtCreateUserProcess", "NtCreateProcessEx", "CreateProcessInternalW", "NtOpenProcess", "NtTerminateProcess"),
        *("NtCreateThreadEx", "CreateRemoteThread", "CreateThread", "NtResumeThread", "NtSuspendThread"),
        *("NtSetContextThread", "NtQueueApcThread", "ShellExecuteExW", "NtCreateMutant", "Process32NextW"),
    ),
    "memory": (
        *("mmap", "mmap2", "munmap", "mprotect", "madvise", "brk", "mremap", "mlock", "munlock", "mincore"),
        *("NtAllocateVirtualMemory", "NtProtectVirtualMemory", "NtFreeVirtualMemory", "NtMapViewOfSection"),
        *("NtUnmapViewOfSection", "NtCreateSection", "NtReadVirtualMemory", "NtWriteVirtualMemory"),
        *("WriteProcessMemory", "ReadProcessMemory", "VirtualProtectEx", "LdrLoadDll", "LdrGetProcedureAddress"),
    ),
    "network": (
        *("socket", "connect", "bind", "listen", "accept", "accept4", "sendto", "recvfrom", "sendmsg", "recvmsg"),
        *("sendmmsg", "recvmmsg", "setsockopt", "getsockopt", "getsockname", "getpeername", "shutdown", "socketpair"),
        *("epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "poll", "ppoll", "select", "pselect6"),
        *("send", "recv", "WSAStartup", "WSASend", "WSARecv", "WSASocketW", "WSAConnect", "getaddrinfo"),
        *("GetAddrInfoW", "DnsQuery_W", "InternetOpenW", "InternetOpenUrlW", "InternetConnectW", "InternetReadFile"),
        *("HttpOpenRequestW", "HttpSendRequestW", "WinHttpOpen", "WinHttpConnect", "WinHttpSendRequest", "closesocket"),
    ),
    "identity": (
        *("getuid", "getuid32", "geteuid", "geteuid32", "getgid", "getgid32", "getegid", "getegid32", "getpid"),
        *("getppid", "getpgrp", "getgroups", "getrlimit", "setrlimit", "ugetrlimit", "prlimit64", "getpriority"),
        *("setpriority", "getrusage", "sysinfo", "uname", "capget"),
        *("GetUserNameW", "GetComputerNameW", "GetSystemInfo", "NtQuerySystemInformation", "GetVolumeInformationW"),
        *("GlobalMemoryStatusEx", "GetSystemMetrics", "NtOpenProcessToken", "NtQueryInformationToken"),
        *("LookupAccountSidW", "NtQueryInformationProcess", "IsDebuggerPresent", "GetAdaptersAddresses"),
    ),
    "control": (
        *("prctl", "ptrace", "seccomp", "capset", "unshare", "setns", "mount", "umount2", "chroot", "pivot_root"),
        *("bpf", "process_vm_writev", "process_vm_readv", "setuid", "setgid", "setresuid", "setresgid"),
        *("setgroups", "init_module", "finit_module", "delete_module", "keyctl", "personality"),
        *("NtAdjustPrivilegesToken", "NtLoadDriver", "SetWindowsHookExW", "OpenSCManagerW", "CreateServiceW"),
        *("OpenServiceW", "StartServiceW", "ControlService", "NtShutdownSystem", "NtRaiseHardError"),
    ),
    "time": (
        *("clock_gettime", "clock_getres", "gettimeofday", "time", "times", "nanosleep", "clock_nanosleep"),
        *("timerfd_create", "timerfd_settime", "timer_create", "timer_settime", "setitimer", "getitimer", "alarm"),
        *("NtDelayExecution", "GetSystemTime", "GetLocalTime", "GetSystemTimeAsFileTime", "GetTickCount"),
        *("NtQueryPerformanceCounter", "NtQuerySystemTime", "SetTimer", "SetWaitableTimer"),
    ),
}

#: For each kind, in their order, the bits of those of its calls that were made.
Made = tuple[int, ...]
NONE_MADE: Made = (0,) * len(KINDS)

_PLACES = {name: (kind, 1 << bit) for kind, names in enumerate(KINDS.values()) for bit, name in enumerate(names)}


def together(earlier: Made, names: tuple[str, ...]) -> Made:
    """What was made by then and now; names that are of no kind do not count."""
    now = _made(names)
    return now if now == earlier else tuple(map(or_, earlier, now))


def varieties(made: Made) -> Iterable[int]:
    """How many calls of each kind were made, in the order of the kinds."""
    return map(int.bit_count, made)


# A program makes the same calls over and over: looking them up together costs a third of one by one.
@lru_cache(maxsize=1 << 12)
def _made(names: tuple[str, ...]) -> Made:
    bits = list(NONE_MADE)
    for name in names:
        if (place := _PLACES.get(name)) is not None:
            kind, bit = place
            bits[kind] |= bit
    return tuple(bits)

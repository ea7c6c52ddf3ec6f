"""Says which single system calls seek privilege or put code where it was not."""

import re

from drlactors.sandboxes.strace import Call

#: Programs whose purpose is to run something as somebody else.
_ELEVATORS = re.compile(r'"(?:[^"]*/)?(?:su|sudo|doas|pkexec)"')
#: Files that say who may be what; reading them is ordinary for passwd, writing is not, and shadow is neither.
_ACCOUNTS_WRITTEN = re.compile(r'"/etc/(?:passwd|group|sudoers(?:\.d/[^"]*)?)", .*O_(?:WRONLY|RDWR)')
_ACCOUNT_SECRETS = re.compile(r'"/etc/g?shadow"')
_BECOMES_ROOT = re.compile(r"(?:^|, )0(?:,|$)")
_SETS_SETUID = re.compile(r"S_ISUID|, 0?[4-7][0-7]{3}\b")
_PTRACE_WRITES = re.compile(r"PTRACE_(?:ATTACH|SEIZE|POKE\w+|SETREGS\w*|SETFPREGS)")
_MEMORY_FILE = re.compile(r"<(?:/proc/\d+/mem|/proc/self/mem)>")
_MEMFD_RUN = re.compile(r'"/(?:proc/(?:self|thread-self|\d+)|dev)/fd/\d+"')

_IDENTITY = frozenset({"setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setfsuid", "setfsgid"})
_ALWAYS_PRIVILEGE = frozenset(
    {"capset", "mount", "umount2", "move_mount", "pivot_root", "setns", "init_module", "finit_module", "kexec_load"}
)


def seeks_privilege(call: Call) -> bool:
    """Whether the call asks for more rights, whatever the answer was.

    Asking to become user or group 0; changing capabilities, mounts or namespaces, or loading a kernel module; a new
    user namespace; running su, sudo, doas or pkexec; opening /etc/shadow, or passwd, group or sudoers for writing;
    making a file set-user-id.
    """
    name, arguments = call.name, call.arguments
    if name in _IDENTITY:
        return _BECOMES_ROOT.search(arguments) is not None
    if name in _ALWAYS_PRIVILEGE:
        return True
    if name in ("unshare", "clone", "clone3"):
        return "CLONE_NEWUSER" in arguments
    if name in ("execve", "execveat"):
        return _ELEVATORS.match(arguments) is not None
    if name in ("open", "openat", "openat2"):
        return "/etc/" in arguments and bool(_ACCOUNT_SECRETS.search(arguments) or _ACCOUNTS_WRITTEN.search(arguments))
    if name in ("chmod", "fchmod", "fchmodat"):
        return _SETS_SETUID.search(arguments) is not None
    return False


def injects_code(call: Call) -> bool:
    """Whether the call can make memory run that was not loaded from the program's own file.

    Attaching to or writing into another process (ptrace, process_vm_writev, /proc/N/mem); running a file that exists
    in memory only; memory that is writable and executable at once, or made executable after it was mapped (what the
    loader maps from a file needs no such change). Just-in-time compilers and debuggers do this by trade.
    """
    name, arguments = call.name, call.arguments
    if name == "mmap":
        return "PROT_WRITE|PROT_EXEC" in arguments
    if name in ("mprotect", "pkey_mprotect"):
        return "PROT_EXEC" in arguments
    if name == "ptrace":
        return _PTRACE_WRITES.match(arguments) is not None
    if name == "process_vm_writev":
        return True
    if name in ("execve", "execveat"):
        return "memfd:" in arguments or _MEMFD_RUN.match(arguments) is not None
    if name in ("write", "pwrite64", "writev", "pwritev"):
        return "/mem>" in arguments and _MEMORY_FILE.search(arguments) is not None
    return False

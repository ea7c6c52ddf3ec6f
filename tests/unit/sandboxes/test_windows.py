"""What the calls of a window become."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drlactors.domain.telemetry import MAX_CHARACTERS, MAX_ENTRIES, Telemetry
from drlactors.sandboxes.intrusion import injects_code, seeks_privilege
from drlactors.sandboxes.strace import Call, Parser
from drlactors.sandboxes.windows import _STEPS, Fold, unescape


def window(*lines: str) -> Telemetry:
    fold, parser = Fold("/start"), Parser()
    for line in lines:
        seen = parser.feed(line)
        assert isinstance(seen, Call)
        fold.add(seen)
    return fold.close(cpu_usage=0.5, memory_usage=4096.0)


def test_calls_are_counted_and_named_most_frequent_first() -> None:
    seen = window("7 poll() = 0", "7 poll() = 0", "7 pause() = ?")
    assert (seen.syscall_count, seen.syscall_types) == (3, ("poll", "pause"))
    assert (seen.cpu_usage, seen.memory_usage, seen.registry_modification) == (0.5, 4096.0, None)


def test_an_empty_window_is_a_window_of_zeros() -> None:
    seen = window()
    assert (seen.syscall_count, seen.file_read_count, seen.bytes_sent, seen.child_processes) == (0, 0, 0, 0)
    assert seen.code_injection_detected is False


def test_only_reads_and_writes_that_moved_bytes_of_files_count() -> None:
    seen = window(
        '7 read(3</etc/hosts>, ""..., 10) = 10',
        '7 read(3</etc/hosts>, "", 10) = 0',
        '7 read(4<pipe:[5]>, ""..., 10) = 10',
        '7 read(5</dev/null<char 1:3>>, ""..., 10) = 10',
        '7 pwrite64(6</tmp/with \\76 sign>, ""..., 10, 0) = 10',
        '7 write(7</memfd:x>(deleted), ""..., 10) = 10',
        '7 write(8</full>, ""..., 10) = -1 ENOSPC (full)',
        "7 copy_file_range(3</a>, NULL, 4</b>, NULL, 99, 0) = 99",
    )
    assert (seen.file_read_count, seen.file_write_count) == (2, 2)


def test_deletions_that_succeeded_count_and_renames_do_not() -> None:
    seen = window(
        '7 unlink("/a") = 0',
        '7 unlinkat(AT_FDCWD</home>, "b", 0) = 0',
        '7 rmdir("/gone") = -1 ENOENT (No)',
        '7 rename("/c", "/d") = 0',
    )
    assert seen.file_delete_count == 2
    assert seen.accessed_paths == ("/a", "/home/b", "/c", "/d")


def test_paths_are_absolute_distinct_and_in_order_of_first_access() -> None:
    seen = window(
        '7 stat("first", 0x1) = 0',
        '7 openat(AT_FDCWD</home>, "x", O_RDONLY) = 3</home/x>',
        '7 openat(5</srv/www>, "../y", O_RDONLY) = 3</srv/y>',
        '7 chdir("/var") = 0',
        '7 open("log", O_RDONLY) = 3</var/log>',
        '7 open("/home/x", O_RDONLY) = 3</home/x>',
        '7 open("absent", O_RDONLY) = -1 ENOENT (No)',
        '7 readlink("/proc/self/exe", ""..., 100) = 9',
    )
    assert seen.accessed_paths == ("/start/first", "/home/x", "/srv/y", "/var", "/var/log", "/proc/self/exe")


def test_lists_are_bounded_and_the_counts_keep_the_truth() -> None:
    lines = [f'7 unlink("/{"n" * 300}{number}") = 0' for number in range(3)]
    lines += [f'7 unlink("/{number}") = 0' for number in range(200)]
    seen = window(*lines)
    assert seen.file_delete_count == 203
    assert len(seen.accessed_paths) == MAX_ENTRIES
    assert max(len(path) for path in seen.accessed_paths) == MAX_CHARACTERS


def test_internet_sockets_are_connections_addresses_and_bytes() -> None:
    seen = window(
        '7 connect(3<TCP:[1]>, {sa_family=AF_INET, sin_addr=inet_addr("10.0.0.1")}, 16) = 0',
        '7 connect(3<TCP:[1]>, {sa_family=AF_INET, sin_addr=inet_addr("10.0.0.1")}, 16) = -1 ECONNREFUSED (x)',
        '7 connect(4<UNIX-STREAM:[2]>, {sa_family=AF_UNIX, sun_path="/run/x"}, 9) = 0',
        '7 accept4(5<TCP:[0.0.0.0:1]>, {sa_family=AF_INET6, inet_pton(AF_INET6, "::1", &sin6_addr)}, [28], 0) = 6',
        "7 accept4(5<TCP:[0.0.0.0:1]>, NULL, NULL, 0) = -1 EAGAIN (again)",
        '7 sendto(3<TCP:[10.0.0.2:1->10.0.0.1:80]>, ""..., 700, 0, NULL, 0) = 700',
        '7 write(3<TCP:[10.0.0.2:1->10.0.0.1:80]>, ""..., 50) = 50',
        '7 recvfrom(3<TCP:[10.0.0.2:1->10.0.0.1:80]>, ""..., 99, 0, NULL, NULL) = 33',
        '7 sendto(7<UDP:[3]>, ""..., 9, 0, {sa_family=AF_INET, sin_addr=inet_addr("10.0.0.9")}, 16) = 9',
        '7 sendmmsg(7<UDP:[3]>, [{msg_hdr={}, msg_len=40}, {msg_hdr={}, msg_len=2}], 2, 0) = 2',
        "7 sendfile(3<TCP:[1]>, 8</srv/page>, NULL, 500) = 500",
    )  # fmt: skip
    assert seen.network_connections == 3
    assert seen.contacted_ips == ("10.0.0.1", "::1", "10.0.0.9")
    assert (seen.bytes_sent, seen.bytes_received, seen.file_read_count) == (700 + 50 + 9 + 42 + 500, 33, 1)


def test_processes_count_as_children_and_threads_do_not() -> None:
    seen = window(
        "7 clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD) = 8",
        "7 vfork() = 9",
        "7 clone3({flags=CLONE_VM|CLONE_THREAD, exit_signal=0}, 88) = 10",
        "7 fork() = -1 EAGAIN (no)",
    )
    assert seen.child_processes == 2


@pytest.mark.parametrize(
    ("line", "attempt"),
    [
        ("setuid(0) = -1 EPERM (no)", True),
        ("setresuid(-1, 0, -1) = 0", True),
        ("setuid(1000) = 0", False),
        ("mount(0x1, 0x2) = -1 EPERM (no)", True),
        ("unshare(CLONE_NEWUSER) = 0", True),
        ("unshare(CLONE_NEWNS) = 0", False),
        ('execve("/usr/bin/sudo", [...], 0x1) = 0', True),
        ('execve("/usr/bin/pseudo", [...], 0x1) = 0', False),
        ('execve("/bin/sh", ["su"], 0x1) = 0', False),
        ('openat(AT_FDCWD</>, "/etc/shadow", O_RDONLY) = 3', True),
        ('openat(AT_FDCWD</>, "/etc/passwd", O_RDONLY) = 3', False),
        ('openat(AT_FDCWD</>, "/etc/passwd", O_WRONLY|O_APPEND) = 3', True),
        ('chmod("x", S_ISUID|0755) = 0', True),
        ('chmod("x", 04755) = 0', True),
        ('chmod("x", 0755) = 0', False),
    ],
)
def test_what_asks_for_more_rights_is_an_attempt(line: str, attempt: bool) -> None:
    call = Parser().feed(f"7 {line}")
    assert isinstance(call, Call)
    assert seeks_privilege(call) is attempt


@pytest.mark.parametrize(
    ("line", "injection"),
    [
        ("mmap(NULL, 4096, PROT_READ|PROT_WRITE|PROT_EXEC, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x1", True),
        ("mmap(NULL, 4096, PROT_READ|PROT_EXEC, MAP_PRIVATE, 3</lib>, 0) = 0x1", False),
        ("mprotect(0x1, 4096, PROT_READ|PROT_EXEC) = 0", True),
        ("mprotect(0x1, 4096, PROT_READ) = 0", False),
        ("ptrace(PTRACE_ATTACH, 8) = -1 EPERM (no)", True),
        ("ptrace(PTRACE_POKEDATA, 8, 0x1, 0x2) = 0", True),
        ("ptrace(PTRACE_TRACEME) = 0", False),
        ("process_vm_writev(8, [], 1, [], 1, 0) = 9", True),
        ('write(4</proc/8/mem>, ""..., 9) = 9', True),
        ('execve("/proc/self/fd/5", [...], 0x1) = 0', True),
        ('execveat(5</memfd:x>(deleted), "", [...], 0x1, AT_EMPTY_PATH) = 0', True),
        ('execve("/bin/sh", [...], 0x1) = 0', False),
    ],
)
def test_what_makes_foreign_memory_run_is_an_injection(line: str, injection: bool) -> None:
    call = Parser().feed(f"7 {line}")
    assert isinstance(call, Call)
    assert injects_code(call) is injection


def test_quoted_bytes_become_text() -> None:
    assert unescape(r"a\303\244\"\n\\z") == 'aä"\n\\z'
    assert unescape(r"\377") == "\N{REPLACEMENT CHARACTER}"


@given(st.sampled_from(sorted(_STEPS)), st.text(), st.one_of(st.none(), st.integers()))
def test_no_arguments_make_the_fold_fail(name: str, arguments: str, result: int | None) -> None:
    fold = Fold("/")
    fold.add(Call(7, name, arguments, result, ""))
    assert fold.close(cpu_usage=None, memory_usage=None).syscall_count == 1

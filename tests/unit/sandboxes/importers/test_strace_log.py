"""Logs of strace become what the live sandbox would have seen of the same calls."""

from typing import Any

import pytest

from drlactors.sandboxes.importers.report import Call, Deed
from drlactors.sandboxes.importers.source import Unreadable
from drlactors.sandboxes.strace import Call as Returned
from drlactors.sandboxes.strace import Parser
from drlactors.sandboxes.windows import Fold
from tests.unit.sandboxes.importers.kit import items, read

HEAD = """\
19:30:20.000000 execve("/bin/sh", ["sh"], 0x7ffd /* 20 vars */) = 0 <0.000144>
19:30:20.100000 brk(NULL)               = 0x55d0 <0.000010>
19:30:20.200000 openat(AT_FDCWD, "/home/ann/a.txt", O_RDWR) = 3 <0.000010>
"""


def calls(log: str) -> list[Call]:
    return [item for item in items(log.encode(), "x.strace") if isinstance(item, Call)]


def last(log: str) -> Call:
    return calls(HEAD + log)[-1]


def telemetry(log: str) -> Any:
    (window,) = read((HEAD + log).encode(), "x.strace").windows
    return window.telemetry


def test_calls_are_counted_with_their_names_and_times():
    found = calls(HEAD)
    assert [call.name for call in found] == ["execve", "brk", "openat"]
    assert [call.at_us - found[0].at_us for call in found] == [0, 100_000, 200_000]


@pytest.mark.parametrize(
    "line",
    [
        "19:30:20.300000 read(3, ..., 5) = 5 <0.1>",
        "41 19:30:20.300000 read(3, ..., 5) = 5",
        "[pid    41] 19:30:20 read(3, ..., 5) = 5",
        "41    1716999136.296068 read(3, ..., 5)     = 5",
        "41 read(3, ..., 5) = 5",
    ],
)
def test_lines_may_begin_with_a_thread_and_a_time_of_any_kind(line):
    found = calls(line + "\n" + line + "\n" + line + "\n")
    assert [call.name for call in found] == ["read"] * 3


def test_descriptors_that_strace_did_not_decode_are_followed_from_where_they_were_opened():
    seen = telemetry("""\
19:30:20.300000 read(3, ..., 5)         = 5 <0.000010>
19:30:20.310000 dup(3)                  = 4 <0.000010>
19:30:20.320000 write(4, ..., 7)        = 7 <0.000010>
19:30:20.330000 close(4)                = 0 <0.000010>
19:30:20.340000 write(4, ..., 7)        = 7 <0.000010>
19:30:20.350000 socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_TCP) = 5 <0.000010>
19:30:20.360000 connect(5, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("192.0.2.1")}, 16) = 0 <0.1>
19:30:20.370000 sendto(5, ..., 300, 0, NULL, 0) = 300 <0.000010>
19:30:20.380000 recvfrom(5, ..., 900, 0, NULL, NULL) = 90 <0.000010>
19:30:20.390000 socketpair(AF_UNIX, SOCK_STREAM, 0, [6, 7]) = 0 <0.000010>
19:30:20.400000 write(6, ..., 9)        = 9 <0.000010>
19:30:20.410000 unlink("/home/ann/a.txt") = 0 <0.000010>
19:30:20.420000 unlink("/home/ann/b.txt") = -1 ENOENT (No such file or directory) <0.000010>
""")
    assert (seen.file_read_count, seen.file_write_count, seen.file_delete_count) == (1, 1, 1)
    assert (seen.network_connections, seen.bytes_sent, seen.bytes_received) == (1, 300, 90)
    assert seen.contacted_ips == ("192.0.2.1",)
    assert seen.accessed_paths == ("/bin/sh", "/home/ann/a.txt")


def test_what_strace_decoded_is_taken_from_the_log():
    log = """\
7 openat(AT_FDCWD</root>, "x", O_WRONLY) = 9</root/x>
7 write(9</root/x>, ..., 3) = 3
7 read(5<TCP:[127.0.0.1:1->127.0.0.1:2]>, ..., 3) = 3
"""
    assert [(call.deed, call.path, call.bytes_received) for call in calls(log)] == [
        (Deed.NONE, "/root/x", 0),
        (Deed.WRITE, "", 0),
        (Deed.NONE, "", 3),
    ]


def test_a_program_has_the_same_telemetry_whether_it_is_run_or_its_log_is_imported():
    log = """\
7 execve("/tmp/a.out", ["a.out"], 0x7ffd) = 0
7 openat(AT_FDCWD</home/ann>, "a.txt", O_RDONLY) = 3</home/ann/a.txt>
7 read(3</home/ann/a.txt>, ""..., 9) = 9
7 openat(AT_FDCWD</home/ann>, "missing", O_RDONLY) = -1 ENOENT (No such file or directory)
7 renameat2(AT_FDCWD</home/ann>, "a.txt", AT_FDCWD</home/ann>, "b.txt", 0) = 0
7 connect(4<TCP:[1]>, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("192.0.2.1")}, 16) = -1 EINPROGRESS (x)
7 sendto(4<TCP:[10.0.0.1:5->192.0.2.1:80]>, ""..., 300, 0, NULL, 0) = 300
7 sendfile(4<TCP:[10.0.0.1:5->192.0.2.1:80]>, 3</home/ann/a.txt>, NULL, 50) = 50
7 setuid(0) = -1 EPERM (Operation not permitted)
7 ptrace(PTRACE_ATTACH, 9) = -1 EPERM (Operation not permitted)
7 unlink("/home/ann/b.txt") = 0
7 vfork() = 9
"""
    parser, fold = Parser(), Fold("/")
    for line in log.splitlines():
        seen = parser.feed(line)
        assert isinstance(seen, Returned)
        fold.add(seen)
    (window,) = read(log.encode(), "x.strace").windows
    live = fold.close(cpu_usage=None, memory_usage=None)
    types = window.telemetry.syscall_types
    assert set(types) == set(live.syscall_types)
    assert window.telemetry == live._replace(syscall_types=types)  # names that are as frequent may stand in any order


def test_a_descriptor_that_was_open_before_the_log_began_is_a_file_only_if_it_is_read_at_a_place():
    built = read((HEAD + "19:30:20.3 read(9, ..., 5) = 5\n19:30:20.4 pread64(8, ..., 5, 0) = 5\n").encode(), "x.strace")
    assert built.windows[0].telemetry.file_read_count == 1
    assert dict(built.passed) == {"moves through descriptors that were open before the log began": 1}


def test_a_rename_names_both_files_and_counts_once():
    seen = telemetry('19:30:20.3 rename("/home/ann/a.txt", "/home/ann/a.txt.locked") = 0\n')
    assert seen.syscall_count == 4
    assert seen.accessed_paths[1:] == ("/home/ann/a.txt", "/home/ann/a.txt.locked")


def test_interrupted_calls_are_put_together_again():
    log = """\
7 19:30:20.000000 read(3</a>,  <unfinished ...>
8 19:30:20.100000 write(4</b>, ..., 1) = 1
7 19:30:20.200000 <... read resumed>..., 10) = 10
"""
    found = calls(log)
    assert [(call.pid, call.name, call.deed) for call in found] == [
        (8, "write", Deed.WRITE),
        (7, "read", Deed.READ),
    ]


def test_threads_are_their_process_and_children_are_their_own():
    built = read(
        b"""\
7 19:30:20.000000 execve("/tmp/a.out", ["a.out"], 0x7ffd) = 0
7 19:30:20.100000 clone(child_stack=0xc9, flags=CLONE_VM|CLONE_FILES|CLONE_THREAD|CLONE_SIGHAND) = 8
8 19:30:20.200000 getppid() = 1
7 19:30:20.300000 clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|SIGCHLD) = 9
9 19:30:20.400000 execve("/usr/bin/id", ["id"], 0x7ffd) = 0
9 19:30:20.500000 +++ exited with 0 +++
""",
        "x.strace",
    )
    assert built.windows[0].telemetry.child_processes == 1
    found = {(one.process.pid, one.process.parent, one.process.name, one.calls) for one in built.processes}
    assert found == {(7, 0, "a.out", 4), (9, 7, "id", 1)}
    assert all(one.process.in_tree for one in built.processes)


def test_a_process_whose_memory_is_written_is_injected():
    log = """\
7 19:30:20.1 vfork() = 9
7 19:30:20.2 process_vm_writev(9, [{iov_base=..., iov_len=9}], 1, [{iov_base=0x1, iov_len=9}], 1, 0) = 9
9 19:30:20.3 getppid() = 7
"""
    built = read(log.encode(), "x.strace")
    assert built.windows[0].telemetry.code_injection_detected
    assert {one.process.pid: one.process.injected_by for one in built.processes} == {7: 0, 9: 7}


def test_code_made_writable_is_injection_into_no_other_process():
    log = (
        HEAD + "19:30:20.3 mmap(NULL, 4096, PROT_READ|PROT_WRITE|PROT_EXEC, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f\n"
    )
    built = read(log.encode(), "x.strace")
    assert built.windows[0].telemetry.code_injection_detected
    assert not any(one.process.injected_by for one in built.processes)


def test_a_time_of_day_that_falls_is_of_the_next_day():
    log = "23:59:59.500000 getppid() = 1\n23:59:59.400000 getppid() = 1\n00:00:00.500000 getppid() = 1\n"
    first, _, third = calls(log)
    assert third.at_us - first.at_us == 1_000_000


def test_neither_the_summary_nor_the_end_of_a_thread_is_read():
    killed = HEAD + "19:30:21.782001 +++ killed by SIGKILL +++\n"
    summary = """\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 46.88    0.005093         138        37           recvfrom
------ ----------- ----------- --------- --------- ----------------
100.00    0.010864                  2145         8 total
"""
    assert calls(killed + summary) == calls(killed) == calls(HEAD)


def test_a_log_without_times_is_one_window_and_says_so():
    built = read(b"7 getppid() = 1\n7 getppid() = 1\n7 getppid() = 1\n", "x.strace")
    assert len(built.windows) == 1
    assert "times: the log has none, and all is in one window" in dict(built.passed)


def test_a_log_named_after_a_digest_is_of_that_artifact():
    assert read(HEAD.encode(), f"{'ab' * 32}.strace").about.sha256 == "ab" * 32
    assert read(HEAD.encode(), "some.strace").about.sha256 == ""


def test_a_log_that_is_cut_off_is_broken_where_it_ends():
    with pytest.raises(Unreadable, match="line 4"):
        calls(HEAD + '19:30:20.3 openat(AT_FDCWD, "/home/an')


def test_lines_that_are_no_calls_are_counted_and_the_rest_is_read():
    log = HEAD + "strace: Process 7 attached\n\x00\xff rubbish\n" + "19:30:20.9 " + "x" * 70_000 + "\n" + HEAD
    built = read(log.encode("latin-1"), "x.strace")
    assert built.calls == 6
    assert dict(built.passed)["lines that are no calls"] == 3

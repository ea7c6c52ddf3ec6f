"""The parser of strace's log."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drlactors.sandboxes.strace import Call, Exited, Parser, Seen, Signalled


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            '7 openat(AT_FDCWD</home>, "a) = 3", O_RDONLY) = 5</home/a>',
            Call(7, "openat", 'AT_FDCWD</home>, "a) = 3", O_RDONLY', 5, "</home/a>"),
        ),
        ('7  unlink("x") = -1 ENOENT (No such file)', Call(7, "unlink", '"x"', -1, "ENOENT (No such file)")),
        ("12345 mmap(NULL, 4096) = 0x7f00", Call(12345, "mmap", "NULL, 4096", 0x7F00, "")),
        ("7 exit_group(0) = ?", Call(7, "exit_group", "0", None, "")),
        ("7 read(3</x>, ?, 9) = ? ERESTARTSYS (again)", Call(7, "read", "3</x>, ?, 9", None, "ERESTARTSYS (again)")),
        ("7 --- SIGCHLD {si_signo=SIGCHLD, si_pid=8} ---", Signalled(7, "SIGCHLD")),
        ("7 --- stopped by SIGSTOP ---", Signalled(7, "SIGSTOP")),
        ("7 +++ exited with 3 +++", Exited(7, 3, None)),
        ("7 +++ killed by SIGKILL (core dumped) +++", Exited(7, None, "SIGKILL")),
    ],
)
def test_each_kind_of_line_is_read(line: str, expected: Seen) -> None:
    parser = Parser()
    assert parser.feed(line) == expected
    assert parser.rubbish == 0


def test_an_interrupted_call_is_put_together_for_its_own_thread() -> None:
    parser = Parser()
    assert parser.feed('7 connect(3<TCP:[1]>, {sin_addr=inet_addr("127.0.0.1")}, 16 <unfinished ...>') is None
    assert parser.feed("8 read(4</x>,  <unfinished ...>") is None
    assert parser.feed("7 <... connect resumed>) = 0") == Call(
        7, "connect", '3<TCP:[1]>, {sin_addr=inet_addr("127.0.0.1")}, 16', 0, ""
    )
    assert parser.feed('8 <... read resumed>""..., 10) = 10') == Call(8, "read", '4</x>, ""..., 10', 10, "")
    assert parser.rubbish == 0


def test_a_thread_that_ends_inside_a_call_leaves_nothing_behind() -> None:
    parser = Parser()
    parser.feed("7 read(4</x>,  <unfinished ...>")
    parser.feed("7 +++ killed by SIGKILL +++")
    assert parser.feed("7 <... read resumed>) = 0") is None
    assert parser.rubbish == 1


def test_an_exec_in_another_thread_goes_on_under_the_first_ones_pid() -> None:
    parser = Parser()
    parser.feed('9 execve("/bin/true", [...], 0x7ff <unfinished ...>')
    assert parser.feed("7 +++ superseded by execve in pid 9 +++") is None
    assert parser.feed("7 <... execve resumed>) = 0") == Call(7, "execve", '"/bin/true", [...], 0x7ff', 0, "")


@pytest.mark.parametrize(
    "line",
    ["", "strace: Process 7 attached", "7", "7 openat(", "7 <... read resumed>) = 0", "x" * 100_000, "7 ??? = 3"],
)
def test_rubbish_is_counted_and_passed_over(line: str) -> None:
    parser = Parser()
    assert parser.feed(line) is None
    assert parser.rubbish == 1


_PIECES = st.sampled_from(
    ["7 ", "99999999999999999999999 ", "read(", '"\\377', ") = ", "-1", "0x", "?", " <unfinished ...>", "<... ",
     " resumed>", "+++ exited with ", " +++", "--- SIG", "<", ">", "\x00", "9" * 400, "TCP:["]
)  # fmt: skip


@given(st.lists(st.one_of(st.text(), st.lists(_PIECES).map("".join))))
def test_nothing_that_is_fed_raises(lines: list[str]) -> None:
    parser = Parser()
    for line in lines:
        parser.feed(line)
    assert parser.lines == len(lines)

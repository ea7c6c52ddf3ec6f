"""A behaviour log is read once and whole while it grows, and what is wrong with it is known."""

import random
from pathlib import Path

import pytest

from drlactors.sandboxes.cape.log import HEAD_BYTES, MAX_RECORD_BYTES, Began, Called, ProcessLog
from tests.unit.sandboxes.cape.kit import Monitor, append, bson

ALL = 1 << 30


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "1234.bson"


def names(log: ProcessLog, most_bytes: int = ALL) -> list[str]:
    return [record.name for record in log.read(most_bytes) if isinstance(record, Called)]


def written(monitor: Monitor, number: int) -> bytes:
    return monitor.calls("NtWriteFile", at_ms=number, FileHandle=0x44, FileName=rf"C:\{number}", Length=number)


def test_a_call_is_what_the_monitor_said(path: Path) -> None:
    monitor = Monitor(1234, parent=99, path=r"C:\Users\u\Ü.exe")
    append(path, monitor.begins())
    append(path, monitor.calls("NtWriteFile", at_ms=250, repeated=3, ok=False, FileHandle=-1, FileName="C:\\ü"))
    began, called = ProcessLog(path).read(ALL)
    assert began == Began(1234, 99, r"C:\Users\u\Ü.exe")
    arguments = {"retval": "0", "FileHandle": "0xffffffff", "FileName": "C:\\ü"}
    assert called == Called(1234, "NtWriteFile", "filesystem", 250_000, False, 4, arguments)


def test_a_log_that_grows_by_any_number_of_bytes_is_read_once_and_whole(path: Path) -> None:
    monitor = Monitor(1234)
    data = monitor.begins() + b"".join(written(monitor, number) for number in range(200))
    log, seen = ProcessLog(path), []
    choice = random.Random(7)
    at = 0
    while at < len(data):
        size = choice.choice((1, 3, 40, 700))
        append(path, data[at : at + size])
        at += size
        seen += [record.arguments["Length"] for record in log.read(ALL) if isinstance(record, Called)]
    assert seen == [str(number) for number in range(200)]
    assert (log.passed_over, log.broken, log.offset) == (0, "", len(data))


def test_no_more_is_read_at_once_than_was_asked_for(path: Path) -> None:
    monitor = Monitor(1234)
    append(path, monitor.begins() + b"".join(written(monitor, number) for number in range(100)))
    log = ProcessLog(path)
    turns = [names(log, 2000) for _ in range(30)]
    assert sum(map(len, turns)) == 100
    assert max(map(len, turns)) < 20


def test_the_longest_record_is_read_however_little_was_asked_for(path: Path) -> None:
    monitor = Monitor(1234)
    long = monitor.calls("NtWriteFile", Buffer=b"x" * (MAX_RECORD_BYTES - 200))
    append(path, monitor.begins() + long + monitor.calls("NtClose"))
    log = ProcessLog(path)
    assert [name for _ in range(9) for name in names(log, 500)] == ["NtWriteFile", "NtClose"]


def test_a_log_that_is_opened_anew_is_read_from_its_beginning(path: Path) -> None:
    first, second = Monitor(1234, began_s=1.7e9), Monitor(1234, path=r"C:\other.exe", began_s=1.8e9)
    append(path, first.begins() + written(first, 1))
    log = ProcessLog(path)
    assert names(log) == ["NtWriteFile"]
    # As long as before, or longer, when it is looked at again.
    path.write_bytes(second.begins() + second.calls("RegSetValueExW", FullName="HKEY") + second.calls("NtClose") * 9)
    assert [type(record) for record in log.read(ALL)] == [Began] + [Called] * 10
    assert log.restarts == 1
    path.write_bytes(first.begins()[:100])
    assert names(log) == []
    assert log.restarts == 2


def test_a_log_that_ends_within_a_record_is_waited_for(path: Path) -> None:
    monitor = Monitor(1234)
    data = monitor.begins() + written(monitor, 1) + written(monitor, 2)
    append(path, data[:-1])
    log = ProcessLog(path)
    assert names(log) == ["NtWriteFile"]
    assert log.offset == len(data) - len(written(monitor, 2))
    append(path, data[-1:])
    assert names(log) == ["NtWriteFile"]


@pytest.mark.parametrize("length", [0, 4, -1, MAX_RECORD_BYTES + 1, 0x7FFFFFFF])
def test_a_length_that_no_record_has_breaks_the_log(path: Path, length: int) -> None:
    monitor = Monitor(1234)
    append(path, monitor.begins() + written(monitor, 1))
    append(path, length.to_bytes(4, "little", signed=True) + bytes(100) + written(monitor, 2))
    log = ProcessLog(path)
    assert names(log) == ["NtWriteFile"]
    assert "no record at byte" in log.broken
    assert names(log) == []


def test_a_record_that_does_not_end_where_it_says_breaks_the_log(path: Path) -> None:
    append(path, Monitor(1234).begins() + (40).to_bytes(4, "little") + b"x" * 100)
    log = ProcessLog(path)
    list(log.read(ALL))
    assert "does not end where it says" in log.broken


def test_a_record_that_makes_no_sense_is_passed_over_and_counted(path: Path) -> None:
    monitor = Monitor(1234)
    append(path, monitor.begins())
    nonsense: list[dict[str, object]] = [
        {"I": 999, "t": 0, "args": [1, 0]},  # an API that was not explained
        {"I": 30, "name": "F", "type": "info", "args": 7},
        {"I": -5, "name": "F", "type": "info", "args": []},
        {"I": "20", "args": []},
        {"t": 0},
        {"I": 0, "args": [1, 0]},  # fewer values than __process__ has
    ]
    for one in nonsense:
        append(path, bson(one))
    broken_inside = bytearray(bson({"I": 20, "args": [1, 0]}))
    broken_inside[4] = 0x99
    append(path, bytes(broken_inside) + written(monitor, 1))
    log = ProcessLog(path)
    assert names(log) == ["NtWriteFile"]
    assert (log.passed_over, log.broken) == (len(nonsense) + 1, "")


def test_what_the_monitor_says_to_people_is_no_call(path: Path) -> None:
    append(path, Monitor(1234).begins() + bson({"type": "debug", "msg": "hello"}))
    log = ProcessLog(path)
    assert names(log) == []
    assert log.passed_over == 0


def test_huge_values_are_cut(path: Path) -> None:
    monitor = Monitor(1234)
    append(path, monitor.begins() + monitor.calls("NtWriteFile", Buffer=b"x" * 900_000, Argv=["y" * 5000] * 9))
    called = next(record for record in ProcessLog(path).read(ALL) if isinstance(record, Called))
    assert {name: len(value) for name, value in called.arguments.items()} == {"retval": 1, "Buffer": 1024, "Argv": 1024}


def test_another_reader_goes_on_where_one_was_left(path: Path) -> None:
    monitor = Monitor(1234)
    append(path, monitor.begins() + written(monitor, 1) + written(monitor, 2))
    first = ProcessLog(path)
    list(first.read(ALL))
    append(path, written(monitor, 3))
    second = ProcessLog(path)
    assert len(list(second.resume(first.mark))) == 3
    assert [record.arguments["Length"] for record in second.read(ALL) if isinstance(record, Called)] == ["3"]


def test_a_log_that_grew_while_it_was_read_first_is_known_again(path: Path) -> None:
    monitor = Monitor(1234)
    data = monitor.begins() + b"".join(written(monitor, number) for number in range(5))
    append(path, data[:300])
    first = ProcessLog(path)
    list(first.read(ALL))
    append(path, data[300 : HEAD_BYTES - 50])
    reading = first.read(ALL)
    next(reading)
    append(path, data[HEAD_BYTES - 50 :])
    assert len(list(reading)) == 5
    second = ProcessLog(path)
    assert len(list(second.resume(first.mark))) == 6
    assert list(second.read(ALL)) == []


def test_another_reader_does_not_go_on_in_a_log_that_was_opened_anew(path: Path) -> None:
    first, second = Monitor(1234, began_s=1.7e9), Monitor(1234, began_s=1.8e9)
    append(path, first.begins() + written(first, 1))
    left = ProcessLog(path)
    list(left.read(ALL))
    path.write_bytes(second.begins() + b"".join(written(second, number) for number in range(5)))
    log = ProcessLog(path)
    assert list(log.resume(left.mark)) == []
    assert len(names(log)) == 5

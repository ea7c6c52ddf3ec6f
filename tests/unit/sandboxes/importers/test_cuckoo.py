"""What Cuckoo's reports say: calls before the number of their process, seconds since 1970, and arguments by name."""

import pytest

from drlactors.domain.session import Outcome
from drlactors.sandboxes.importers.source import Unreadable
from tests.unit.sandboxes.importers.kit import SHA256, cape, cuckoo, cuckoo_call, cuckoo_process, read, telemetry


def test_who_the_report_is_about():
    about = read(cuckoo(cuckoo_process(7, cuckoo_call()))).about
    assert (about.tool, about.sha256, about.kind, about.verdict) == ("Cuckoo 2.0.7", SHA256, "dll", None)
    assert read(cuckoo(info={"version": "2.0.7", "score": 8.0, "owner": ""})).about.verdict is Outcome.MALICIOUS
    assert read(cuckoo(info={"version": "2.0.7", "score": None, "owner": ""})).about.verdict is None


def test_the_two_sandboxes_are_told_apart():
    assert read(cape()).about.tool == "CAPE 2.4"
    assert read(cuckoo()).about.tool == "Cuckoo 2.0.7"


def test_the_target_is_the_first_process_that_is_traced():
    child = cuckoo_process(8, cuckoo_call(), parent=7)
    other = cuckoo_process(9, cuckoo_call(), parent=4)
    processes = [traced.process for traced in read(cuckoo(cuckoo_process(7, cuckoo_call()), child, other)).processes]
    assert {process.pid: process.target for process in processes} == {488: False, 7: True, 8: False, 9: False}
    assert {process.pid for process in processes if process.in_tree} == {7, 8}


def test_what_others_do_is_counted_and_told():
    other = cuckoo_process(9, cuckoo_call(), cuckoo_call(at_s=1), parent=4)
    built = read(cuckoo(cuckoo_process(7, cuckoo_call(), cuckoo_call()), other))
    assert [window.telemetry.syscall_count for window in built.windows] == [3, 1]
    assert built.outside == (1, 1)


def test_what_an_injected_process_does_is_the_samples_doing():
    wrote = cuckoo_call("WriteProcessMemory", arguments={"process_identifier": 9, "process_handle": "0x10"})
    other = cuckoo_process(9, cuckoo_call(), parent=4)
    built = read(cuckoo(cuckoo_process(7, wrote), other))
    assert built.outside == (0,)
    assert {traced.process.pid: traced.process.injected_by for traced in built.processes if traced.calls} == {
        9: 7,
        7: 0,
    }


def test_a_process_that_writes_into_itself_injects_nothing():
    """That it is itself is only known when its own number is: behind its calls."""
    wrote = cuckoo_call("NtCreateThreadEx", arguments={"process_identifier": 7, "process_handle": "0x10"})
    built = read(cuckoo(cuckoo_process(7, wrote)))
    assert built.windows[0].telemetry.code_injection_detected is False
    assert all(traced.process.injected_by == 0 for traced in built.processes)


def test_a_process_that_was_only_made_is_in_the_tree():
    made = cuckoo_call("CreateProcessInternalW", arguments={"process_identifier": 9, "filepath": "C:\\Windows\\b.exe"})
    (_, child, target) = sorted(
        (traced.process for traced in read(cuckoo(cuckoo_process(7, made))).processes), key=lambda one: -one.pid
    )
    assert (child.pid, child.parent, child.name, child.in_tree) == (9, 7, "b.exe", True)
    assert target.pid == 7


def test_calls_that_failed_did_nothing():
    report = cuckoo(cuckoo_process(7, cuckoo_call("DeleteFileW", status=0, arguments={"filepath": "C:\\x"})))
    (seen,) = telemetry(report)
    assert (seen.syscall_count, seen.file_delete_count, seen.accessed_paths) == (1, 0, ())


@pytest.mark.parametrize("time", [1e300, -1, "soon", None])
def test_a_time_that_is_none_is_refused(time):
    with pytest.raises(Unreadable, match=r"behavior\.processes\[1\]\.calls\[0\]"):
        read(cuckoo(cuckoo_process(7, {**cuckoo_call(), "time": time}, first_seen=0)))


@pytest.mark.parametrize("seen", [-1, 10**400, "soon", None])
def test_a_process_that_was_first_seen_at_no_time_is_where_its_calls_are(seen):
    assert read(cuckoo(cuckoo_process(7, cuckoo_call(), first_seen=seen))).calls == 1


def test_calls_of_a_process_that_never_says_its_number_are_refused():
    process = cuckoo_process(7, cuckoo_call())
    del process["pid"]
    with pytest.raises(Unreadable, match="calls of a process without pid"):
        read(cuckoo(process))

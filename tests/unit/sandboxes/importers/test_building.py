"""Clocks that differ, step back or stand still; memory that is bounded; and who did what."""

from itertools import count

import pytest

from drlactors.domain.telemetry import MAX_ENTRIES, Telemetry
from drlactors.sandboxes.importers import building
from drlactors.sandboxes.importers.building import HORIZON_S, Built, build
from drlactors.sandboxes.importers.report import About, Call, Deed, Item, Part, Passed, Process, Seen
from drlactors.sandboxes.importers.source import Unreadable

DAY_S = 86_400
DAYS_S = 186 * DAY_S


def call(at_s: float, pid: int = 7, name: str = "NtClose", **other: object) -> Call:
    return Call(round(at_s * 1_000_000), pid, name, **other)  # type: ignore[arg-type]  # as named


def one(*items: Item, window_ms: int = 1000) -> Built:
    (built,) = build(items, window_ms=window_ms)
    return built


def counts(*items: Item, window_ms: int = 1000) -> list[int | None]:
    return [window.telemetry.syscall_count for window in one(*items, window_ms=window_ms).windows]


def test_windows_begin_with_the_first_call_and_have_no_gaps():
    built = one(call(DAYS_S + 0.9), call(DAYS_S + 1.8), call(DAYS_S + 1.95), call(DAYS_S + 4.0))
    assert [window.telemetry.syscall_count for window in built.windows] == [2, 1, 0, 1]
    assert [window.seq for window in built.windows] == [0, 1, 2, 3]
    assert [window.observed_us for window in built.windows] == [(DAYS_S + 0.9 + n) * 1_000_000 for n in (1, 2, 3, 4)]
    assert built.started_us == (DAYS_S + 0.9) * 1_000_000


def test_a_silent_second_was_seen_and_showed_nothing():
    silent = one(call(0), call(2)).windows[1].telemetry
    assert silent.syscall_count == silent.file_write_count == silent.bytes_sent == 0
    assert silent.registry_modification is False
    assert silent.cpu_usage is None


def test_windows_of_another_length():
    assert counts(call(0), call(0.3), call(0.6), window_ms=250) == [1, 1, 1]


def test_ticks_that_are_coarse_keep_the_order_of_calls():
    paths = [call(0, path=f"/{n}") for n in range(5)]
    assert one(*paths).windows[0].telemetry.accessed_paths == ("/0", "/1", "/2", "/3", "/4")


def test_processes_may_come_in_any_order():
    assert counts(call(5, pid=1), call(3.2, pid=2), call(3.1, pid=2)) == [2, 0, 1]


def test_threads_that_were_logged_out_of_turn_keep_their_time():
    built = one(call(0), call(2.1), call(1.5), call(2.2))
    assert [window.telemetry.syscall_count for window in built.windows] == [1, 1, 2]
    assert built.passed == ()


def test_a_clock_that_steps_back_is_followed_and_never_goes_back():
    built = one(call(500), call(510), call(90), call(92), call(95))
    assert [window.telemetry.syscall_count for window in built.windows][:1] == [1]
    assert len(built.windows) == 16
    assert [at for at, window in enumerate(built.windows) if window.telemetry.syscall_count] == [0, 10, 12, 15]
    assert dict(built.passed) == {"steps of a clock that was set": 1}


def test_a_clock_that_is_set_months_ahead_makes_no_months_of_silence():
    built = one(call(0), call(1), call(DAYS_S), call(DAYS_S + 2))
    assert [at for at, window in enumerate(built.windows) if window.telemetry.syscall_count] == [0, 1, 3]


def test_a_process_whose_clock_was_another_one_is_where_it_was_first_seen():
    child = Process(8, 7, first_us=3_000_000)
    for wrong_s in (-428, DAYS_S, -DAYS_S):
        built = one(Process(7, first_us=0, target=True), call(0), child, call(3 + wrong_s, 8), call(5 + wrong_s, 8))
        assert [at for at, window in enumerate(built.windows) if window.telemetry.syscall_count] == [0, 3, 5]
        assert dict(built.passed) == {"processes whose clock was another one": 1}


def test_a_first_process_whose_clock_was_another_one_leaves_the_others_where_they_are():
    for wrong_s in (-428, DAYS_S, -DAYS_S):
        built = one(
            Process(7, first_us=DAYS_S * 1_000_000, target=True),
            call(DAYS_S + wrong_s, 7),
            call(DAYS_S + wrong_s + 1, 7),
            Process(8, 7, first_us=(DAYS_S + 3) * 1_000_000),
            call(DAYS_S + 3, 8),
            call(DAYS_S + 5, 8),
        )
        assert [at for at, window in enumerate(built.windows) if window.telemetry.syscall_count] == [0, 1, 3, 5]
        assert built.started_us == DAYS_S * 1_000_000


def test_a_process_that_is_months_away_and_says_nothing_begins_with_the_others():
    assert counts(call(0, pid=1), call(DAYS_S, pid=2), call(DAYS_S + 1, pid=2)) == [2, 1]


def test_a_process_that_waits_before_its_first_call_is_left_where_it_is():
    assert counts(Process(7, first_us=0), call(0, pid=1), call(30, pid=7))[30] == 1


def test_where_calls_come_in_any_order_their_times_alone_count():
    built = one(About(ordered=False), call(100), call(0), call(50))
    assert [at for at, window in enumerate(built.windows) if window.telemetry.syscall_count] == [0, 50, 100]


def test_what_comes_after_the_horizon_is_passed_over_and_told():
    built = one(*(call(at) for at in range(0, HORIZON_S + 1000, 100)))
    assert len(built.windows) == HORIZON_S - 99 + 99
    assert dict(built.passed) == {f"calls later than {HORIZON_S} s": 10}


def test_a_call_that_is_told_as_of_1601_does_not_hide_the_others():
    items = [call(0), call(1), call(-13_000_000_000), call(2), call(3), call(3)]
    built = one(About(ordered=False), *items)
    assert [window.telemetry.syscall_count for window in built.windows] == [1, 1, 1, 2]
    assert dict(built.passed) == {f"calls more than {HORIZON_S} s before the first that came": 1}


def test_a_tree_goes_over_processes_that_called_nothing():
    built = one(
        Process(7, 1, target=True),
        call(0, 7, deed=Deed.CREATE, target_pid=8, path="C:\\b.exe"),
        Process(9, 8, "c.exe"),
        call(0, 9),
        call(0, 10),
    )
    assert {traced.process.pid: traced.process.in_tree for traced in built.processes} == {
        7: True, 8: True, 9: True, 10: False,
    }  # fmt: skip
    assert built.outside == (1,)


def test_parents_that_go_in_circles_end():
    built = one(Process(7, 8), Process(8, 7), call(0, 7))
    assert not any(traced.process.in_tree for traced in built.processes)


def test_the_first_who_wrote_into_a_process_injected_it():
    later, first = (call(at, by, deed=Deed.INJECT, target_pid=9) for at, by in ((2, 7), (1, 8)))
    by = {traced.process.pid: traced.process.injected_by for traced in one(later, first).processes}
    assert by == {7: 0, 8: 0, 9: 8}


def test_a_window_that_the_format_has_already_is_taken_as_it_is():
    seen = [Seen(at * 1_000_000, Telemetry(syscall_count=at)) for at in (5, 6)]
    built = one(About("a tool"), *seen)
    assert [window.telemetry for window in built.windows] == [one.telemetry for one in seen]
    assert [window.seq for window in built.windows] == [0, 1]


def test_fields_that_a_kind_of_report_cannot_tell_are_missing():
    unseen = frozenset({"registry_modification", "bytes_sent"})
    seen = one(About(unseen=unseen), call(0, bytes_sent=7)).windows[0].telemetry
    assert (seen.registry_modification, seen.bytes_sent, seen.bytes_received) == (None, None, 0)


def test_facts_that_come_later_fill_what_was_open():
    assert one(About("a tool"), About(sha256="ab"), call(0)).about == About("a tool", "ab")


def test_a_file_may_hold_several_runs():
    first, second = build([Part("a"), call(0), Part("b"), call(0), call(5), Passed("lines")])
    assert (first.part, first.calls, second.part, second.calls) == ("a", 1, "b", 2)
    assert second.passed == (("lines", 1),)


def test_lists_are_cut_and_half_characters_replaced():
    built = one(*(call(0, name=f"{n}", path=f"/{n}") for n in range(200)), call(0, name="\ud800", path="\udfff" * 999))
    seen = built.windows[0].telemetry
    assert len(seen.accessed_paths) == len(seen.syscall_types) == MAX_ENTRIES
    assert seen.syscall_count == 201
    assert one(call(0, name="\ud800")).windows[0].telemetry.syscall_types == ("?",)


@pytest.mark.parametrize(
    ("limit", "call_of", "why"),
    [
        ("MOST_NAMES", lambda n: call(0, name=f"{n}"), "names of functions"),
        ("MOST_PROCESSES", lambda n: call(0, pid=n), "the processes"),
        ("MOST_FOLDS", call, "windows"),
    ],
)
def test_no_report_fills_the_memory(monkeypatch, limit, call_of, why):
    monkeypatch.setattr(building, limit, 100)
    with pytest.raises(Unreadable, match=why):
        list(build(call_of(n) for n in count()))

"""Machine activity shows what a machine did, and nothing of when, how long or in which order it was recorded."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from drlactors.domain.telemetry import Telemetry
from drlactors.sandboxes.errors import BrokenRecording, RecordingsMissing
from drlactors.sandboxes.importers.machine_activity import LATEST_START_S, runs
from drlactors.sandboxes.importers.run import HORIZON_S, Run

MB = 1 << 20


def row(number: int, *, label: int = 1, step_s: float = 1.015, base: int = 0, sent: int = 100, **other: float) -> str:
    """The ``number``-th second of a machine that is busy with always the same."""
    fields = {
        "processes": 40 + base,
        "highest_pid": 3000 + base,
        "cpu_user": 0.25,
        "cpu_system": 0.125,
        "memory": 600 * MB + base + number * MB,
        "swap": 700 * MB + base,
        "received_packets": base + number,
        "sent_packets": base + number,
        "received_bytes": base + 50 * number,
        "sent_bytes": base + sent * number,
    } | other
    values = [float(number), (number - 1) * step_s, float(label), *map(float, fields.values())]
    return ", ".join(map(str, values))


def run(rows: int = 60, **same: float) -> list[str]:
    return [row(number, **same) for number in range(1, rows + 1)]  # type: ignore[arg-type]


def read(folder: Path, *recorded: Sequence[str], seed: int = 0) -> list[Run]:
    (folder / "runs.txt").write_text("".join(line + "\n" for lines in recorded for line in lines))
    return list(runs(folder, seed=seed))


def test_a_second_as_telemetry_and_what_was_not_measured_is_missing(tmp_path):
    (one,) = read(tmp_path, run())
    assert one.windows[2].telemetry == Telemetry(
        bytes_sent=100, bytes_received=50, child_processes=0, cpu_usage=0.375, memory_usage=3.0 * MB
    )


def test_a_run_begins_where_the_number_falls_back_to_1(tmp_path):
    assert [one.malicious for one in read(tmp_path, run(label=1), run(label=0), run(label=1, base=1))] == [
        True,
        False,
        True,
    ]


def test_counters_count_from_the_first_second_shown(tmp_path):
    (fresh,), (used,) = read(tmp_path, run()), read(tmp_path, run(base=5 * MB))
    assert fresh.windows == used.windows


def test_the_true_step_of_the_clock_is_not_shown(tmp_path):
    (quick,), (slow,) = read(tmp_path, run(step_s=1.0)), read(tmp_path, run(step_s=1.03))
    assert quick.windows == slow.windows
    assert {window.window_ms for window in slow.windows} == {1000}


def test_the_length_of_a_run_is_not_shown(tmp_path):
    assert {len(one.windows) for one in read(tmp_path, run(51), run(60), run(300))} == {HORIZON_S}


def squares(rows: int = 60, **same: float) -> list[str]:
    """What is sent in a second tells which one it is."""
    return [row(number, sent=number, **same) for number in range(1, rows + 1)]  # type: ignore[arg-type]


def start_of(one: Run) -> int:
    sent = one.windows[0].telemetry.bytes_sent
    assert sent is not None
    return (sent - 3) // 2  # (n + 1)^2 - n^2, n being start + 1


def test_every_run_begins_at_a_second_of_its_own(tmp_path):
    starts = {start_of(one) for one in read(tmp_path, *(squares(base=base) for base in range(200)))}
    assert starts == set(range(LATEST_START_S + 1))


def test_the_seed_draws_where_a_run_begins(tmp_path):
    recorded = [squares(base=base) for base in range(20)]
    first, again, other = (read(tmp_path, *recorded, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert [start_of(one) for one in first] != [start_of(one) for one in other]


def test_neither_order_nor_label_nor_clock_changes_what_is_shown_of_a_run(tmp_path):
    one, other = read(tmp_path, squares(label=1), squares(label=0, base=7))
    assert read(tmp_path, squares(label=0, base=7), squares(label=1)) == [other, one]
    (flipped,) = read(tmp_path, squares(label=0))
    assert flipped.artifact_sha256 == one.artifact_sha256
    assert flipped.windows == one.windows


def test_windows_are_timed_from_the_first_second_shown(tmp_path):
    (one,) = read(tmp_path, run())
    assert [(window.seq, window.observed_us) for window in one.windows[:2]] == [(0, 1_000_000), (1, 2_000_000)]
    assert one.day is None


def test_a_run_that_would_show_its_length_is_insufficient_and_has_no_truth(tmp_path):
    short, single = read(tmp_path, run(50, label=0), run(1, label=1))
    assert (short.malicious, single.malicious) == (None, None)


def test_what_a_counter_that_was_reset_counted_is_missing(tmp_path):
    lines = run()
    lines[20:] = [row(number, sent_bytes=5.0 * number) for number in range(21, 61)]
    (one,) = read(tmp_path, lines)
    sent = [window.telemetry.bytes_sent for window in one.windows]
    assert sent.count(None) == 1
    assert set(sent) == {100, None, 5}


def test_less_memory_and_fewer_processes_than_before_are_none_at_all(tmp_path):
    lines = [row(number, memory=900 * MB - number * MB, processes=200 - number) for number in range(1, 61)]
    (one,) = read(tmp_path, lines)
    assert {(w.telemetry.memory_usage, w.telemetry.child_processes) for w in one.windows} == {(0.0, 0)}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (row(2)[:40], "numbers instead of 13"),
        ("", "0 numbers instead of 13"),
        (row(2).replace("0.25", "much"), "much"),
        (row(2).replace("0.25", "nan"), "finite"),
        (row(2).replace("0.25", "-0.25"), "negative"),
        (row(2, label=2), "label is 2"),
        (row(2, label=0), "label changes"),
        (row(3), "row 3 follows row 1"),
        (row(2, step_s=0), "second 0 follows second 0"),
    ],
)
def test_a_broken_row_is_named_with_its_file_and_line(tmp_path, line, fault):
    (tmp_path / "runs.txt").write_text("\n".join([*run(), row(1), line, row(3)]))
    read_so_far = runs(tmp_path)
    assert next(read_so_far).malicious
    with pytest.raises(BrokenRecording, match=rf"runs\.txt: line 62: .*{fault}"):
        next(read_so_far)


def test_a_file_that_begins_in_the_middle_of_a_run_is_broken(tmp_path):
    with pytest.raises(BrokenRecording, match=r"line 1: a run begins with row 7"):
        read(tmp_path, [row(7)])


def test_bytes_that_are_no_text_are_broken(tmp_path):
    (tmp_path / "runs.txt").write_bytes(b"\x00\xff" * 50 + b"\n")
    with pytest.raises(BrokenRecording, match=r"runs\.txt: line 1"):
        list(runs(tmp_path))


@pytest.mark.parametrize("content", [None, ""])
def test_no_file_and_an_empty_one_hold_no_recordings(tmp_path, content):
    if content is not None:
        (tmp_path / "runs.txt").write_text(content)
    with pytest.raises(RecordingsMissing, match=r"runs\.txt"):
        list(runs(tmp_path))


def test_the_file_itself_may_be_named(tmp_path):
    file = tmp_path / "some.txt"
    file.write_text("\n".join(run()))
    assert len(list(runs(file))) == 1

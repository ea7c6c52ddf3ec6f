"""Runs are followed at once, and by the next follower where the last one stopped; what is damaged stops nobody."""

from drlactors.domain.action import Action
from drlactors.domain.session import Outcome
from drlactors.sandboxes.cape.note import Note, waiting
from tests.unit.sandboxes.cape.scene import QUICK, Scene, writes_in


def test_a_run_that_begins_while_drlactors_is_away_is_followed_when_it_is_back(scene: Scene) -> None:
    scene.away = 3
    with scene.following(QUICK._replace(again_s=0.02)):
        task, session = scene.start(7)
        monitor = task.begin()
        task.write(1234, monitor.calls("NtWriteFile", HandleName=r"C:\1", Length=9))
        scene.plane.wait(lambda: writes_in(scene.plane.windows(session)) == 1)
        task.end()
        assert scene.wait_ended(session)[0] is Outcome.BENIGN
    assert scene.away == 0
    seqs = [window.seq for window in scene.plane.windows(session)]
    assert seqs == list(range(len(seqs)))


def test_a_run_of_which_what_was_kept_is_damaged_is_told_and_left(scene: Scene) -> None:
    _, session = scene.start(7)
    (path,) = waiting(scene.cape.spool)
    Note.read(path).beside(".windows").write_bytes(b"damaged\n")
    with scene.following():
        scene.wait_told(f"{path.name} is left: ")
    assert scene.plane.of(session) == []
    assert path.exists()


def test_several_tasks_are_followed_at_once_and_do_not_mix(scene: Scene) -> None:
    with scene.following():
        pairs = [scene.start(number) for number in range(1, 9)]
        for task, _ in pairs:
            monitor = task.begin(1000)
            task.write(1000, monitor.calls("NtWriteFile", HandleName=rf"C:\{task.number}", Length=1))
        for _, session in pairs:
            scene.wait_windows(session, 3)
        for task, _ in pairs:
            task.end()
        for task, session in pairs:
            assert scene.wait_ended(session)[0] is Outcome.BENIGN
            paths = {path for window in scene.plane.windows(session) for path in window.telemetry.accessed_paths}
            assert paths == {rf"C:\{task.number}"}


def test_the_next_follower_goes_on_without_doubling_or_losing_anything(scene: Scene) -> None:
    with scene.following():
        task, session = scene.start(7)
        monitor = task.begin()
        task.write(1234, monitor.calls("NtWriteFile", HandleName=r"C:\1", Length=9))
        scene.plane.wait(lambda: writes_in(scene.plane.windows(session)) == 1)
    task.write(1234, monitor.calls("NtWriteFile", HandleName=r"C:\2", Length=9))
    with scene.following():
        scene.plane.wait(lambda: writes_in(scene.plane.windows(session)) == 2)
        task.end()
        assert scene.wait_ended(session)[0] is Outcome.BENIGN
    windows = scene.plane.windows(session)
    assert [window.seq for window in windows] == list(range(len(windows)))
    assert writes_in(windows) == 2


def test_the_next_follower_knows_what_was_broken_and_whose_handles_are_whose(scene: Scene) -> None:
    with scene.following():
        task, session = scene.start(7)
        monitor, broken = task.begin(), task.begin(99)
        task.write(99, broken.calls("NtClose") + b"\xff" * 9)
        task.write(1234, monitor.calls("NtCreateUserProcess", ProcessHandle=0x60, ProcessId=2896))
        scene.plane.wait(lambda: 1 in {window.telemetry.child_processes for window in scene.plane.windows(session)})
        before = scene.wait_windows(session, 3)
    task.write(1234, monitor.calls("WriteProcessMemory", ProcessHandle=0x60, Buffer=b"\x00"))
    with scene.following():
        scene.wait_windows(session, len(before) + 3)
        task.end()
        assert scene.wait_ended(session)[0] is Outcome.FAILED
    windows = scene.plane.windows(session)
    assert not any(window.telemetry.code_injection_detected for window in windows)
    assert windows[-1].seq == len(windows)  # one number was left out, once


def test_a_conviction_outlives_the_follower(scene: Scene) -> None:
    scene.plane.policy = lambda window: Action.TERMINATE if window.seq == 0 else Action.CONTINUE
    with scene.following(QUICK._replace(finish_s=0.05)):
        task, session = scene.start(7)
        task.begin()
        scene.plane.wait(lambda: scene.plane.answers(session))
    with scene.following():
        task.end()
        assert scene.wait_ended(session)[0] is Outcome.MALICIOUS
    assert scene.cape.finished == [7]


def test_a_run_that_ended_before_anybody_followed_it_is_left_to_its_report(scene: Scene) -> None:
    task, session = scene.start(7)
    task.begin()
    task.end()
    with scene.following():
        scene.wait_told("task 7 ended before it was followed: its report can be imported")
    assert scene.plane.of(session) == []
    assert not list(scene.cape.spool.glob("*.task"))


def test_a_note_that_is_none_stops_nobody(scene: Scene) -> None:
    scene.cape.spool.mkdir(parents=True)
    (scene.cape.spool / "bad.task").write_text("nonsense")
    with scene.following():
        task, session = scene.start(7)
        task.begin()
        scene.wait_windows(session, 1)
        task.end()
        assert scene.wait_ended(session)[0] is Outcome.BENIGN
    assert any("bad.task is left" in line for line in scene.told)

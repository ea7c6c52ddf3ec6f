"""A run of which something is missing is failed, and never benign."""

import pytest

from drlactors.domain.session import EndReason, Outcome
from tests.unit.sandboxes.cape.scene import QUICK, Scene, writes_in


def test_a_run_without_a_process_is_missing_telemetry_and_never_benign(scene: Scene) -> None:
    with scene.following():
        task, session = scene.start(7)
        scene.wait_told("followed as session")
        task.end()
        assert scene.wait_ended(session) == (Outcome.FAILED, EndReason.FAILED)
    assert scene.plane.windows(session) == []
    assert "no process was seen" in scene.plane.report(session).detail


def test_a_run_that_cape_calls_failed_is_never_benign(scene: Scene) -> None:
    with scene.following():
        task, session = scene.start(7)
        task.begin()
        scene.wait_windows(session, 1)
        task.end("failed_analysis")
        assert scene.wait_ended(session) == (Outcome.FAILED, EndReason.FAILED)


def test_a_cape_that_dies_leaves_a_failed_run(scene: Scene) -> None:
    with scene.following():
        task, session = scene.start(7)
        task.begin()
        scene.wait_windows(session, 1)
        task.die()
        assert scene.wait_ended(session) == (Outcome.FAILED, EndReason.FAILED)
    assert "CAPE itself ended" in scene.plane.report(session).detail


def test_a_run_whose_machine_was_dead_is_failed_and_the_next_one_is_another_session(scene: Scene) -> None:
    with scene.following():
        first, lost = scene.start(7)
        monitor = first.begin()
        first.write(1234, monitor.calls("NtWriteFile", HandleName=r"C:\1", Length=9))
        scene.plane.wait(lambda: writes_in(scene.plane.windows(lost)) == 1)
        first.lose_machine()
        second, session = scene.start(7)
        monitor = second.begin()
        second.write(1234, monitor.calls("NtWriteFile", HandleName=r"C:\2", Length=9) * 2)
        assert scene.wait_ended(lost) == (Outcome.FAILED, EndReason.FAILED)
        scene.wait_windows(session, 2)
        second.end()
        assert scene.wait_ended(session) == (Outcome.BENIGN, EndReason.FINISHED)
    assert writes_in(scene.plane.windows(lost)) == 1
    assert "C:\\1" not in {path for one in scene.plane.windows(session) for path in one.telemetry.accessed_paths}


def test_a_run_that_was_given_up_while_nobody_followed_does_not_take_the_next_ones_logs(scene: Scene) -> None:
    with scene.following():
        first, lost = scene.start(7)
        first.begin()
        scene.wait_windows(lost, 1)
    first.lose_machine()
    second, session = scene.start(7)
    monitor = second.begin()
    second.write(1234, monitor.calls("NtWriteFile", HandleName=r"C:\2", Length=9))
    with scene.following():
        assert scene.wait_ended(lost)[0] is Outcome.FAILED
        scene.wait_windows(session, 1)
        second.end()
        assert scene.wait_ended(session)[0] is Outcome.BENIGN
    assert writes_in(scene.plane.windows(lost)) == 0


def test_a_log_that_breaks_is_a_loss_in_the_session_and_never_benign(scene: Scene) -> None:
    with scene.following():
        task, session = scene.start(7)
        task.begin()
        before = scene.wait_windows(session, 2)[-1].seq
        task.write(1234, b"\xff" * 100)
        scene.plane.wait(lambda: scene.plane.windows(session)[-1].seq > before + 3)
        task.end()
        assert scene.wait_ended(session)[0] is Outcome.FAILED
    seqs = [window.seq for window in scene.plane.windows(session)]
    assert len(set(range(seqs[-1] + 1)) - set(seqs)) == 1
    assert "not all that it did was seen" in scene.plane.report(session).detail


@pytest.mark.parametrize("declines", [True, False])
def test_windows_that_were_never_answered_are_not_benign(scene: Scene, declines: bool) -> None:
    scene.plane.silent = True
    scene.plane.declines = declines
    terms = QUICK._replace(answers_s=60.0 if declines else 0.1)
    with scene.following(terms):
        task, session = scene.start(7)
        task.begin()
        scene.wait_windows(session, 1)
        task.end()
        assert scene.wait_ended(session) == (Outcome.FAILED, EndReason.FAILED)
    assert "never answered" in scene.plane.report(session).detail

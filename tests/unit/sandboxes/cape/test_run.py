"""A task is followed from its first process to its end; what CAPE can do is done, and what it cannot is said."""

import pytest

from drlactors.domain.action import Action
from drlactors.domain.session import EndReason, Outcome, Start
from drlactors.sandboxes.cape.note import EPISODE_TAG
from drlactors.sandboxes.cape.run import Rerun
from tests.unit.sandboxes.cape.fake import SAMPLE, SHA256
from tests.unit.sandboxes.cape.scene import QUICK, Scene, writes_in


def test_a_quiet_task_is_streamed_to_its_end_and_judged_benign(scene: Scene) -> None:
    with scene.following():
        task, session = scene.start(7)
        monitor = task.begin()
        for number in range(5):
            task.write(1234, monitor.calls("NtWriteFile", HandleName=rf"C:\{number}", Length=9, repeated=1))
            scene.wait_windows(session, number + 1)
        task.end()
        assert scene.wait_ended(session) == (Outcome.BENIGN, EndReason.FINISHED)
    started = scene.plane.of(session)[0]
    assert isinstance(started, Start)
    assert (started.artifact.sha256, started.artifact.kind, started.stage) == (SHA256, "exe", 1)
    windows = scene.plane.windows(session)
    assert [window.seq for window in windows] == list(range(len(windows)))
    assert writes_in(windows) == 10
    assert {path for window in windows for path in window.telemetry.accessed_paths} == {rf"C:\{n}" for n in range(5)}
    assert not list(scene.cape.spool.glob("*.task"))


def test_silence_is_streamed_as_well(scene: Scene) -> None:
    with scene.following():
        task, session = scene.start(7)
        task.begin()
        windows = scene.wait_windows(session, 5)
        task.end()
        scene.wait_ended(session)
    assert windows[-1].telemetry.syscall_count == 0
    assert windows[-1].telemetry.file_write_count == 0
    assert windows[-1].telemetry.cpu_usage is None


def test_calls_that_are_written_after_the_machine_was_stopped_are_taken_in(scene: Scene) -> None:
    with scene.following():
        task, session = scene.start(7)
        monitor = task.begin()
        scene.wait_windows(session, 1)
        task._auxiliary.stop()  # the result server still has something in its buffer
        task.write(1234, monitor.calls("DeleteFileW", FileName=r"C:\a"))
        scene.cape.statuses[7] = "completed"
        scene.wait_ended(session)
    assert sum(window.telemetry.file_delete_count or 0 for window in scene.plane.windows(session)) == 1


def test_terminate_finishes_the_task_early_and_is_answered_when_it_has_ended(scene: Scene) -> None:
    scene.plane.policy = lambda window: Action.TERMINATE if window.telemetry.file_write_count else Action.CONTINUE
    with scene.following():
        task, session = scene.start(7)
        scene.cape.on_finish = lambda _: task.end()
        monitor = task.begin()
        task.write(1234, monitor.calls("NtWriteFile", HandleName=r"C:\a", Length=9))
        assert scene.wait_ended(session) == (Outcome.MALICIOUS, EndReason.TERMINATED)
    assert scene.cape.finished == [7]
    (answer,) = {(answer.success, answer.outcome) for answer in scene.plane.answers(session)}
    assert answer == (True, "terminated")
    assert scene.cape.created == []


@pytest.mark.parametrize(("user_stop", "outcome"), [(False, "not-finished"), (True, "still-running")])
def test_a_task_that_does_not_finish_is_not_said_to_have(scene: Scene, user_stop: bool, outcome: str) -> None:
    scene.plane.policy = lambda window: Action.TERMINATE if window.seq == 0 else Action.CONTINUE
    scene.cape.user_stop = user_stop
    with scene.following(QUICK._replace(finish_s=0.1)):
        task, session = scene.start(7)
        task.begin()
        scene.plane.wait(lambda: scene.plane.answers(session))
        task.end()
        # The policy would have had it ended: it is not benign because CAPE could not.
        assert scene.wait_ended(session) == (Outcome.MALICIOUS, EndReason.TERMINATED)
    answer = scene.plane.answers(session)[0]
    assert (answer.success, answer.outcome) == (False, outcome)


@pytest.mark.parametrize(
    ("action", "success", "outcome"),
    [(Action.ISOLATE, False, "unsupported"), (Action.REVIEW, True, "running"), (Action.QUARANTINE, False, "not-moved")],
)
def test_what_cape_cannot_do_is_said(scene: Scene, action: Action, success: bool, outcome: str) -> None:
    scene.plane.policy = lambda window: action if window.seq == 0 else Action.CONTINUE
    with scene.following():
        task, session = scene.start(7)
        scene.cape.on_finish = lambda _: task.end()
        task.begin()
        scene.plane.wait(lambda: scene.plane.answers(session))
        if action is not Action.QUARANTINE:
            task.end()
        judged = Outcome.MALICIOUS if action is Action.QUARANTINE else Outcome.BENIGN
        assert scene.wait_ended(session)[0] is judged
    answer = scene.plane.answers(session)[0]
    assert (answer.success, answer.outcome) == (success, outcome)
    assert scene.cape.finished == ([7] if action is Action.QUARANTINE else [])


def test_what_was_judged_clean_runs_once_more_and_goes_on_with_its_episode(scene: Scene) -> None:
    with scene.following(QUICK._replace(rerun=Rerun(machine="win11", route="none", timeout_s=300))):
        task, session = scene.start(7)
        task.begin()
        scene.wait_windows(session, 1)
        task.end()
        scene.wait_ended(session)
        scene.wait_told("second stage: task 901")
        ((fields, sample),) = scene.cape.created
        second, later = scene.start(901, tags=fields["tags_tasks"])
        second.begin()
        scene.wait_windows(later, 1)
        second.end()
        assert scene.wait_ended(later)[0] is Outcome.BENIGN
    first, again = scene.plane.of(session)[0], scene.plane.of(later)[0]
    assert isinstance(first, Start)
    assert isinstance(again, Start)
    assert (again.stage, again.episode) == (2, first.episode)
    assert fields == {
        "tags_tasks": f"drlactors,{EPISODE_TAG}{first.episode}", "package": "exe", "machine": "win11", "route": "none",
        "timeout": "300", "filename": "invoice.exe",
    }  # fmt: skip
    assert sample == SAMPLE
    assert len(scene.cape.created) == 1

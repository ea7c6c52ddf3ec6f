"""A task is followed from its first process to its end; what CAPE can do is done, and what it cannot is said."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drlactors.codec.inbound import decode
from drlactors.codec.outbound import Decision, actions, refusal
from drlactors.domain.action import Action
from drlactors.domain.ids import SessionId
from drlactors.domain.permission import Rules
from drlactors.domain.session import ActionSelected, Answer, Command, End, EndReason, Outcome, Record, Report, Start
from drlactors.domain.telemetry import Window
from drlactors.ports.bus import BusUnreachable, Delivery
from drlactors.sandboxes.cape.api import CapeApi
from drlactors.sandboxes.cape.follower import Follower
from drlactors.sandboxes.cape.note import EPISODE_TAG, Note, waiting
from drlactors.sandboxes.cape.run import Rerun, Terms
from drlactors.sandboxes.sandbox import Sandbox
from drlactors.testing.memory_bus import MemoryBus, MemoryLink
from tests.unit.sandboxes.cape.fake import SAMPLE, SHA256, FakeCape, Task

QUICK = Terms(window_ms=40, poll_s=0.01, finish_s=5.0, status_s=5.0, status_every_s=0.02, settle_s=0.05, answers_s=5.0)
Policy = Callable[[Window], Action]


def bystander(window: Window) -> Action:
    return Action.CONTINUE


class Plane:
    """Answers each window once, by its policy, and each repeated one in the same way."""

    def __init__(self, policy: Policy = bystander) -> None:
        self.bus = MemoryBus()
        self.policy = policy
        self.silent = False
        self.declines = False
        self._changed = threading.Condition()
        self._commands: list[tuple[SessionId, Command]] = []
        self.bus.consume(0, self._deliver, credit=10_000)

    def of(self, session: SessionId) -> list[Command]:
        with self._changed:
            return [command for about, command in self._commands if about == session]

    def wait(self, condition: Callable[[], object]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, 20.0), [command for _, command in self._commands]

    def windows(self, session: SessionId) -> list[Window]:
        """Each once, as it came first."""
        found: dict[int, Window] = {}
        for command in self.of(session):
            if isinstance(command, Record):
                assert found.setdefault(command.window.seq, command.window) == command.window, "cut in two ways"
        return list(found.values())

    def answers(self, session: SessionId) -> list[Answer]:
        return [command for command in self.of(session) if isinstance(command, Answer)]

    def ended(self, session: SessionId) -> End | None:
        return next((command for command in self.of(session) if isinstance(command, End)), None)

    def report(self, session: SessionId) -> Report:
        return next(command for command in self.of(session) if isinstance(command, Report))

    def _deliver(self, batch: list[Delivery]) -> None:
        told: list[tuple[SessionId, bytes]] = []
        with self._changed:
            for delivery in batch:
                inbound = decode(delivery.kind, delivery.session, delivery.data, Rules(3, 1, 1, 0, 0))
                self._commands += [(delivery.session, command) for command in inbound.commands]
                decisions = [
                    Decision(2 * command.window.seq + 3, 1, self._selected(command.window), 1)
                    for command in inbound.commands
                    if isinstance(command, Record)
                ]
                if self.declines:
                    told.append((delivery.session, refusal(delivery.session, delivery.kind, "the session is over")))
                if decisions and not self.silent:
                    told.append((delivery.session, actions(delivery.session, decisions)))
            self._changed.notify_all()
        self.bus.publish(told)
        self.bus.replenish(len(batch))

    def _selected(self, window: Window) -> ActionSelected:
        return ActionSelected(window.seq, self.policy(window), (0.0,) * 5, 31, b"", "rules", "schema", (), 1.0)


class _Link(MemoryLink):
    def __init__(self, bus: MemoryBus, scene: "Scene") -> None:
        super().__init__(bus)
        self._scene = scene

    def listen(self, session: SessionId, on_actions: Callable[[bytes], None]) -> None:
        if self._scene.away:
            self._scene.away -= 1
            raise BusUnreachable("away")
        super().listen(session, on_actions)


class Scene:
    """CAPE, drlactors, and what stands between them."""

    def __init__(self, cape: FakeCape, plane: Plane) -> None:
        self.cape = cape
        self.plane = plane
        self.told: list[str] = []
        self.away = 0  # so often drlactors cannot be reached for a session that begins

    @contextmanager
    def following(self, terms: Terms = QUICK) -> Iterator[None]:
        """A follower, until it is stopped: what runs then is left to the next one."""
        stop = threading.Event()
        link = _Link(self.plane.bus, self)
        with Sandbox(link, "cape", journal=self.cape.root / "actions", resend_s=0.2) as sandbox:
            follower = Follower(sandbox, self.cape.spool, CapeApi(self.cape.url), terms, self.told.append)
            thread = threading.Thread(target=follower.follow, args=(stop,))
            thread.start()
            try:
                yield
            finally:
                stop.set()
                thread.join()
        link.close()

    def start(self, number: int, **options: str) -> tuple[Task, SessionId]:
        known = set(waiting(self.cape.spool))
        task = self.cape.start(number, **options)
        (path,) = set(waiting(self.cape.spool)) - known
        return task, Note.read(path).session

    def wait_told(self, text: str) -> None:
        until_s = time.monotonic() + 20
        while not any(text in line for line in self.told):
            assert time.monotonic() < until_s, self.told
            threading.Event().wait(0.01)

    def wait_windows(self, session: SessionId, least: int) -> list[Window]:
        self.plane.wait(lambda: len(self.plane.windows(session)) >= least)
        return self.plane.windows(session)

    def wait_ended(self, session: SessionId) -> tuple[Outcome, EndReason]:
        self.plane.wait(lambda: self.plane.ended(session))
        end = self.plane.ended(session)
        assert end is not None
        return self.plane.report(session).outcome, end.reason


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    plane = Plane()
    with FakeCape(tmp_path / "cape") as cape:
        yield Scene(cape, plane)
    plane.bus.close()


def writes_in(windows: list[Window]) -> int:
    return sum(window.telemetry.file_write_count or 0 for window in windows)


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

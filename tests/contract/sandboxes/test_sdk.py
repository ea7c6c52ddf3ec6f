"""What the SDK promises, over NATS and over gRPC, with threads and with an event loop."""

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest

from drlactors.bus.nats_link import NatsSandboxLink
from drlactors.bus.nats_relay import NatsRelay
from drlactors.codec.outbound import refusal
from drlactors.domain.action import Action
from drlactors.domain.ids import EpisodeId, SessionId, episode_of
from drlactors.domain.session import Answer, End, EndReason, Lose, Outcome, Record, Report, Start
from drlactors.domain.telemetry import Telemetry, Window
from drlactors.gateway.options import Options
from drlactors.gateway.server import Gateway
from drlactors.ports.bus import BusUnreachable, SandboxLink
from drlactors.sandboxes.grpc_link import GrpcSandboxLink
from drlactors.sandboxes.sdk import Done, Instruction
from drlactors.testing.observer import RecordingObserver
from drlactors.testing.servers import EmbeddedNats
from tests.contract.sandboxes.kit import AnySandbox, Looping, Plain, Plane, until

WRITES = Telemetry(file_write_count=3)


class Kit(NamedTuple):
    plane: Plane
    link: Callable[..., SandboxLink]
    sandbox: Callable[..., AnySandbox]
    nats: EmbeddedNats


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedNats]:
    with EmbeddedNats(tmp_path_factory.mktemp("nats")) as running:
        yield running


@pytest.fixture(params=["nats", "grpc"])
def link(request: pytest.FixtureRequest, server: EmbeddedNats) -> Iterator[tuple[str, Callable[..., SandboxLink]]]:
    """A root of subjects of its own, and the way to a link on it."""
    root = f"sdk{secrets.token_hex(4)}"
    with ExitStack() as stack:
        if request.param == "grpc":
            relay = NatsRelay(server.url, root=root)
            stack.callback(relay.close)
            gateway = Gateway(relay, Options(address="127.0.0.1:0"), lambda _: None, RecordingObserver()).start()
            stack.callback(gateway.stop)

        def make(under_way: int = 4096) -> SandboxLink:
            if request.param == "grpc":
                made: SandboxLink = GrpcSandboxLink(f"127.0.0.1:{gateway.port}", under_way=under_way)
            else:
                made = NatsSandboxLink(server.url, root=root, under_way=under_way)
            stack.callback(made.close)
            return made

        yield root, make


@pytest.fixture(params=[Plain, Looping], ids=["threads", "loop"])
def kit(
    request: pytest.FixtureRequest, link: tuple[str, Callable[..., SandboxLink]], server: EmbeddedNats
) -> Iterator[Kit]:
    root, make = link
    with ExitStack() as stack:
        plane = stack.enter_context(Plane(server.url, root))

        def sandbox(made: SandboxLink | None = None, **options: object) -> AnySandbox:
            opened: AnySandbox = request.param(made or make(), "box", **options)
            stack.callback(opened.close)
            return opened

        yield Kit(plane, make, sandbox, server)


class Hands:
    """Carries actions out, and counts them."""

    def __init__(self) -> None:
        self.carried: list[Action] = []

    def __call__(self, instruction: Instruction) -> Done:
        self.carried.append(instruction.action)
        return Done(outcome="stopped")


class TestSandbox:
    def test_an_episode_arrives_as_it_was_said(self, kit: Kit) -> None:
        session = kit.sandbox().start(Hands())
        for _ in range(3):
            session.observe(WRITES)
        session.report(Outcome.BENIGN, "nothing")
        session.end()
        kit.plane.wait(lambda: len(kit.plane.commands(session.id)) == 6)
        start, *windows, report, end = kit.plane.commands(session.id)
        assert isinstance(start, Start)
        assert (start.sandbox, start.stage, start.episode) == ("box", 1, session.episode)
        assert [one.window.seq for one in windows if isinstance(one, Record)] == [0, 1, 2]
        assert (report, end) == (Report(Outcome.BENIGN, "nothing"), End(EndReason.FINISHED))

    def test_stage_2_goes_on_with_the_episode_of_stage_1(self, kit: Kit) -> None:
        sandbox = kit.sandbox()
        first = sandbox.start(Hands())
        second = sandbox.start(Hands(), continues=first.episode)
        assert first.episode == second.episode == episode_of(first.id)
        kit.plane.wait(lambda: kit.plane.commands(second.id))
        (start,) = kit.plane.commands(second.id)
        assert isinstance(start, Start)
        assert (start.stage, start.episode) == (2, first.episode)

    def test_a_window_is_answered(self, kit: Kit) -> None:
        session = kit.sandbox().start(Hands())
        session.observe(WRITES)
        assert not session.wait_answered(0.0)
        kit.plane.wait_seqs(session.id, [0])
        kit.plane.answer(session.id, 0)
        assert session.wait_answered(20.0)
        assert session.told.selected[Action.CONTINUE] == 1
        assert session.told.policy == "rules"

    def test_an_action_is_carried_out_once_and_answered_each_time_it_comes(self, kit: Kit) -> None:
        hands = Hands()
        session = kit.sandbox().start(hands)
        session.observe(WRITES)
        kit.plane.wait_seqs(session.id, [0])
        for attempt in (1, 2, 3):
            kit.plane.answer(session.id, 0, Action.TERMINATE, attempt=attempt)
            kit.plane.wait_answers(session.id, attempt)
        assert hands.carried == [Action.TERMINATE]
        assert kit.plane.answers(session.id) == [Answer(0, True, "stopped", "")] * 3
        assert session.told.stopped is Action.TERMINATE

    def test_an_action_that_raises_is_answered_as_a_failure_and_the_next_one_is_carried_out(self, kit: Kit) -> None:
        def carry_out(instruction: Instruction) -> Done:
            if instruction.seq == 0:
                raise ZeroDivisionError("no program")
            return Done()

        session = kit.sandbox().start(carry_out)
        session.observe(WRITES)
        session.observe(WRITES)
        kit.plane.wait_seqs(session.id, [0, 1])
        kit.plane.answer(session.id, 0, Action.ISOLATE)
        kit.plane.answer(session.id, 1, Action.ISOLATE)
        kit.plane.wait_answers(session.id, 2)
        failed, done = kit.plane.answers(session.id)
        assert (failed.seq, failed.success, "no program" in failed.message) == (0, False, True)
        assert (done.seq, done.success) == (1, True)

    def test_actions_of_a_session_are_carried_out_one_after_the_other(self, kit: Kit) -> None:
        first, order = threading.Event(), []

        def carry_out(instruction: Instruction) -> Done:
            if instruction.seq == 0:
                first.wait(0.3)
            order.append(instruction.seq)
            return Done()

        session = kit.sandbox().start(carry_out)
        for _ in range(3):
            session.observe(WRITES)
        kit.plane.wait_seqs(session.id, [0, 1, 2])
        for seq in range(3):
            kit.plane.answer(session.id, seq, Action.ISOLATE)
        kit.plane.wait_answers(session.id, 3)
        assert order == [0, 1, 2]

    def test_closing_finishes_what_was_begun_and_begins_nothing(self, kit: Kit) -> None:
        begun, may_end, carried = threading.Event(), threading.Event(), list[int]()

        def carry_out(instruction: Instruction) -> Done:
            begun.set()
            may_end.wait(30)
            carried.append(instruction.seq)
            return Done()

        sandbox = kit.sandbox()
        session = sandbox.start(carry_out)
        for _ in range(3):
            session.observe(WRITES)
        kit.plane.wait_seqs(session.id, [0, 1, 2])
        kit.plane.answer(session.id, 0, Action.ISOLATE)
        kit.plane.answer(session.id, 1, Action.ISOLATE)
        assert begun.wait(30)
        assert until(lambda: len(session.told._to_do) == 2)
        closing = threading.Thread(target=sandbox.close)
        closing.start()
        assert until(lambda: not session.told._program.obeys)
        kit.plane.answer(session.id, 2, Action.ISOLATE)
        may_end.set()
        closing.join(30)
        assert not closing.is_alive()
        assert carried == [0, 1]
        kit.plane.wait_answers(session.id, 2)

    def test_an_action_is_not_carried_out_again_by_the_next_program(self, kit: Kit, tmp_path: Path) -> None:
        """The journal stands where memory ended: done is answered as it was, begun as interrupted."""
        hands, journal, link = Hands(), tmp_path / "journal", kit.link()
        before = kit.sandbox(link, journal=journal)
        session = before.start(hands)
        session.observe(WRITES)
        kit.plane.wait_seqs(session.id, [0])
        kit.plane.answer(session.id, 0, Action.TERMINATE)
        kit.plane.wait_answers(session.id, 1)
        before.close()
        with journal.open("a") as file:
            file.write(f'{{"begun": "{session.id}:5"}}\n{{"begun": "{session.id}:7')
        again = kit.sandbox(link, journal=journal).start(hands, session=session.id)
        again.send([Window(seq, 250, 1, WRITES) for seq in range(1, 4)])
        kit.plane.wait_seqs(session.id, [0, 1, 2, 3])
        for seq in (0, 1, 2):
            kit.plane.answer(session.id, seq, Action.TERMINATE, attempt=2)
            kit.plane.wait_answers(session.id, seq + 2)
        assert [(one.seq, one.outcome) for one in kit.plane.answers(session.id)[1:]] == [
            (0, "stopped"),
            (1, "interrupted"),
            (2, "stopped"),
        ]
        assert hands.carried == [Action.TERMINATE] * 2

    def test_an_unanswered_window_is_sent_again(self, kit: Kit) -> None:
        session = kit.sandbox(resend_s=0.05).start(Hands())
        session.observe(WRITES)
        kit.plane.wait_seqs(session.id, [0, 0, 0])
        kit.plane.answer(session.id, 0)
        assert session.wait_answered(20.0)

    def test_a_refusal_is_heard(self, kit: Kit) -> None:
        session = kit.sandbox().start(Hands())
        kit.plane.wait(lambda: kit.plane.commands(session.id))
        kit.plane.say(session.id, refusal(session.id, "telemetry", "not like this"))
        until(lambda: bool(session.told.refusals))
        assert list(session.told.refusals) == [("telemetry", "not like this")]

    def test_a_trace_goes_with_its_windows(self, kit: Kit) -> None:
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        session = kit.sandbox().start(Hands())
        session.send([Window(0, 250, 1, WRITES)], trace)
        session.send([Window(1, 250, 1, WRITES)])
        kit.plane.wait_seqs(session.id, [0, 1])
        assert kit.plane.traces(session.id) == ["", trace, ""]

    def test_what_waits_for_a_connection_is_bounded_and_what_was_dropped_is_reported(self, kit: Kit) -> None:
        """The server is killed; of what is said meanwhile the oldest is reported lost, in its place."""
        sandbox = kit.sandbox(kit.link(under_way=4), buffer_windows=100, resend_s=60.0)
        session = sandbox.start(Hands())
        session.observe(WRITES)
        assert sandbox.flush(20.0)
        kit.nats.kill()
        for _ in range(1000):
            session.observe(WRITES)
        assert session.told.lost >= 800
        session.report(Outcome.FAILED)
        kit.nats.start()
        kit.plane.wait(lambda: any(isinstance(one, Report) for one in kit.plane.commands(session.id)), 60.0)
        seqs: list[int] = []
        lost = 0
        for command in kit.plane.commands(session.id):
            match command:
                case Record(window):
                    seqs.append(window.seq)
                case Lose(first_seq=first, last_seq=last):
                    seqs += range(first, last + 1)
                    lost += last - first + 1
        assert sorted(set(seqs)) == list(range(1001))
        assert lost == session.told.lost

    def test_many_sessions_share_one_link(self, kit: Kit) -> None:
        sandbox = kit.sandbox()
        sessions = [sandbox.start(Hands()) for _ in range(20)]
        for _ in range(50):
            for session in sessions:
                session.observe(WRITES)
        for session in sessions:
            kit.plane.wait_seqs(session.id, list(range(50)))
            for seq in range(50):
                kit.plane.answer(session.id, seq)
        assert all(session.wait_answered(20.0) for session in sessions)

    def test_a_session_may_go_on_that_was_begun_before(self, kit: Kit) -> None:
        link = kit.link()
        id_ = SessionId(uuid4())
        kit.sandbox(link).start(Hands(), session=id_).observe(WRITES)
        kit.plane.wait_seqs(id_, [0])
        later = kit.sandbox(kit.link()).start(Hands(), session=id_)
        later.send([Window(1, 250, 1, WRITES)])
        kit.plane.wait_seqs(id_, [0, 1])
        kit.plane.answer(id_, 1)
        assert later.wait_answered(20.0)
        assert EpisodeId(later.episode) == episode_of(id_)


def test_a_link_to_nobody_says_so() -> None:
    with pytest.raises(BusUnreachable, match="cannot be reached"):
        GrpcSandboxLink("127.0.0.1:1", connect_timeout_s=1.0)
    with pytest.raises(BusUnreachable, match="cannot be reached"):
        NatsSandboxLink("nats://127.0.0.1:1", connect_timeout_s=1.0)

"""Actions on their way to a sandbox: sent again, given up, carried out once."""

import operator
from collections.abc import Iterator
from functools import partial

import pytest

from drlactors.domain.session import ActionFailed, ActionSelected
from drlactors.domain.telemetry import Window
from tests.integration.actors.test_line import SINISTER, Plane, running, until


@pytest.fixture
def plane() -> Iterator[Plane]:
    with running() as one:
        yield one


def test_an_action_is_sent_again_until_it_is_given_up(plane: Plane) -> None:
    stubborn = plane.open()
    heard: list[int] = []
    stubborn._obey = lambda instruction: heard.append(instruction.attempt)  # type: ignore[method-assign]  # deaf
    for seq in range(6):
        stubborn.send([Window(seq, 250, 1, SINISTER)])
    until(lambda: heard, "an action that has to be carried out")
    for attempt, pause_s in ((2, 1.1), (3, 2.1), (4, 4.1)):
        plane.clock.seconds += pause_s
        until(partial(operator.contains, heard, attempt), "it is sent again")
    plane.clock.seconds += 5.1
    failed = lambda: [event for event in plane.events(stubborn.id) if isinstance(event, ActionFailed)]  # noqa: E731
    until(failed, "it is given up")
    assert max(heard) == 4
    assert failed()[0].attempts == 4


def test_no_action_is_given_up_while_no_answer_could_come(plane: Plane) -> None:
    deaf = plane.open()
    heard: list[int] = []
    deaf._obey = lambda instruction: heard.append(instruction.attempt)  # type: ignore[method-assign]
    for seq in range(6):
        deaf.send([Window(seq, 250, 1, SINISTER)])
    until(lambda: heard, "an action that has to be carried out")
    plane.bus.stop_consuming()
    sent, back_s = len(heard), plane.clock.seconds + 60
    until(lambda: plane.clock.seconds > back_s, "time passes", clock=plane.clock, step_s=1)
    plane.bus.consume(plane.line.ledger.through(), plane.deliver, 4096)
    assert len(heard) <= sent + 1
    until(lambda: 4 in heard, "it is sent as often as any other", clock=plane.clock, step_s=0.02)
    assert not any(isinstance(event, ActionFailed) for event in plane.events(deaf.id))


def test_each_action_is_carried_out_once(plane: Plane) -> None:
    session = plane.open()
    for seq in range(6):
        session.send([Window(seq, 250, 1, SINISTER)])
    assert session.wait_answered(10)
    chosen = [event.action for event in plane.events(session.id) if isinstance(event, ActionSelected)]
    until(lambda: len(plane.carried) == sum(action.carried_out for action in chosen), "all are carried out")
    assert plane.carried == [action for action in chosen if action.carried_out]
    assert plane.carried

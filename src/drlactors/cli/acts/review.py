"""A question to a person: the policy asks, a person answers, and the answer reaches the sandbox."""

import threading
import time
from collections.abc import Callable

from drlactors.cli import reviews
from drlactors.cli.acts.scene import AUTHOR, Scene
from drlactors.cli.whereabouts import Whereabouts
from drlactors.domain.ids import ReviewId, review_of
from drlactors.domain.order import OrderAnswered
from drlactors.domain.review import ReviewDecided
from drlactors.domain.telemetry import Telemetry, Window
from drlactors.ports.log import Category, Stream
from drlactors.sandboxes.sdk import Artifact, Done, EndReason, Outcome, Session

PATIENCE_S = 20.0
#: What the rules are unsure about.
KNOCKING = Telemetry(syscall_count=120, network_connections=400, cpu_usage=0.2, memory_usage=2e7)
WHY = "it looks for printers"


def show(scene: Scene) -> None:
    says = "A sandbox reports a sample that knocks at hundreds of doors. The rules are unsure: they ask."
    with scene.act("A question to a person", says):
        session = scene.host.start(Artifact("ab" * 32, "script"), lambda _: Done(outcome="done"))
        session.send([Window(seq=0, window_ms=250, observed_us=0, telemetry=KNOCKING)])
        scene.sent += 1
        question = review_of(session.id, 0)
        asked = Stream(Category.REVIEW, question)
        if not _wait(lambda: asked in scene.log.open_reviews()):
            scene.say("[yellow]The policy in charge does not ask about it.[/]")
            _end(scene, session)
            return
        scene.say(f"  open: what there is to decide by shows `drlactors reviews show {str(question)[:8]}`")
        scene.say(f"  decided: `drlactors reviews decide {str(question)[:8]} --ruling release --why '{WHY}'`")
        reviews.decide(str(question), ruling="release", why=WHY, who=AUTHOR, where=Whereabouts((scene.config,)))
        _wait(lambda: _told_us(scene, session) is not None)
        _end(scene, session)
        scene.say_actions(session.id)
        decided_us, told_us = _decided_us(scene, question), _told_us(scene, session)
        if told_us is None:
            scene.say("[red]The answer did not reach the sandbox.[/]")
            scene.unanswered += 1
        else:
            scene.say(f"  The sandbox had carried the answer out {(told_us - decided_us) / 1000:.0f} ms after it came.")


def _end(scene: Scene, session: Session) -> None:
    session.wait_answered(PATIENCE_S)
    scene.unanswered += session.unanswered()
    session.report(Outcome.BENIGN)
    session.end(EndReason.FINISHED)


def _decided_us(scene: Scene, question: ReviewId) -> int:
    entries = scene.log.stream(Stream(Category.REVIEW, question))
    return next(entry.at_us for entry in entries if isinstance(entry.events[0], ReviewDecided))


def _told_us(scene: Scene, session: Session) -> int | None:
    """When the sandbox's answer to the order was recorded."""
    return next(
        (
            entry.at_us
            for entry in scene.session(session.id)
            if any(isinstance(event, OrderAnswered) and event.success for event in entry.events)
        ),
        None,
    )


def _wait(condition: Callable[[], bool]) -> bool:
    until_s = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > until_s:
            return False
        threading.Event().wait(0.05)
    return True

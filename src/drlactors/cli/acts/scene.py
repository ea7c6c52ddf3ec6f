"""What the acts share: the system that runs, the sandboxes' side of it, and a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from drlactors.cli.board import Board
from drlactors.domain.ids import EpisodeId, SessionId
from drlactors.domain.order import ActionOrdered
from drlactors.domain.session import ActionSelected, FeedbackReceived
from drlactors.ports import log as port
from drlactors.ports.log import Category, Entry, Stream
from drlactors.sandboxes.sdk import Sandbox
from drlactors.wiring import System

#: In whose name the demo answers, and promotes.
AUTHOR = "the person who runs the demo"


@dataclass(kw_only=True)
class Scene:
    console: Console
    system: System
    config: Path  # of the system
    host: Sandbox
    board: Board
    sent: int = 0  # windows, by acts that play no recordings
    unanswered: int = 0

    @property
    def log(self) -> port.EventLog:
        return self.system.log

    @contextmanager
    def act(self, title: str, says: str) -> Iterator[None]:
        self.console.rule(f"[bold]{title}", align="left")
        self.say(says)
        yield

    def say(self, text: str) -> None:
        self.console.print(text, soft_wrap=True, highlight=False)

    def session(self, session: SessionId) -> Iterator[Entry]:
        return self.log.stream(Stream(Category.SESSION, session))

    def episode(self, episode: EpisodeId) -> Iterator[Entry]:
        return self.log.stream(Stream(Category.EPISODE, episode))

    def say_actions(self, session: SessionId) -> None:
        """What was done about a session other than going on, and what came of it."""
        answers: dict[int, FeedbackReceived] = {}
        chosen: list[ActionSelected | ActionOrdered] = []
        for entry in self.session(session):
            for event in entry.of_session:
                if isinstance(event, FeedbackReceived):
                    answers[event.seq] = event
                elif isinstance(event, ActionOrdered) or (isinstance(event, ActionSelected) and event.action):
                    chosen.append(event)
        for event in chosen:
            if isinstance(event, ActionOrdered):
                self.say(f"  {event.action.name.lower()}, ordered by {event.policy}: {escape(event.why)}")
                continue
            answer = answers.get(event.seq)
            came = escape(f" -> {answer.outcome}: {answer.message}".rstrip(": ")) if answer else ""
            why = f" ({', '.join(event.because)})" if event.because else ""
            self.say(f"  window {event.seq}: [bold]{event.action.name.lower()}[/]{why}{came}")

"""The chronicle: writes down what changed about the instance itself."""

from typing import Any

from drlactors.actors.dispatched import DispatchedActor
from drlactors.actors.line import Line
from drlactors.actors.messages import Load, Loaded, Stale, Store, Unloadable
from drlactors.domain.instance import Event
from drlactors.ports.log import Append, Category, Stream


class ChronicleActor(DispatchedActor):
    """Takes events of the instance, one message each, and appends them to its stream."""

    def __init__(self, line: Line) -> None:
        super().__init__(line.main)
        self._line = line
        self._stream = Stream(Category.INSTANCE, line.instance)
        self._waiting: list[Event] = []
        self._stored: list[Event] = []  # told to the writer; again, should that be stale
        self._version = -1  # until it is loaded

    def on_start(self) -> None:
        self._line.writer.tell(Load(self.actor_ref, self._stream))

    def on_receive(self, message: Any) -> None:
        match message:
            case Loaded(_, _, _, entries):
                self._version = entries[-1].version if entries else 0
            case Stale():
                self._waiting = [*self._stored, *self._waiting]
                self._version = -1
                self._line.writer.tell(Load(self.actor_ref, self._stream))
            case Unloadable(stream, reason):
                self._line.observer.note("chronicle.unreadable", stream=str(stream), why=reason)
            case _:
                self._waiting.append(message)
        if self._waiting and self._version >= 0:
            self._stored, self._waiting = self._waiting, []
            append = Append(self._stream, self._version, tuple(self._stored), self._line.clock.now_us(), "self")
            self._line.writer.tell(Store(self.actor_ref, append, (), 0, acts=True))
            self._version += len(self._stored)

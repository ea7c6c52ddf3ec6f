"""The shape of an aggregate: events from a command and a state, and a state from events."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

Command = TypeVar("Command")
Event = TypeVar("Event")
State = TypeVar("State")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decider(Generic[Command, Event, State]):
    """``decide`` may refuse and changes nothing; ``evolve`` never refuses and knows no rule and no clock."""

    decide: Callable[[Command, State], tuple[Event, ...]]
    evolve: Callable[[State, Event], State]
    initial: State

    def fold(self, events: Iterable[Event], state: State | None = None) -> State:
        """The state after these events."""
        folded = self.initial if state is None else state
        for event in events:
            folded = self.evolve(folded, event)
        return folded

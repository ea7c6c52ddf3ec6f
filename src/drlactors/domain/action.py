"""The five answers to a window, and what each of them can undo."""

from enum import IntEnum


class Action(IntEnum):
    """What the sandbox is told to do. The numbers are the model's output order and the wire's: they never change."""

    CONTINUE = 0  # go on watching
    ISOLATE = 1  # one step more isolation
    TERMINATE = 2  # kill the process
    QUARANTINE = 3  # take the artifact away
    REVIEW = 4  # ask a person

    @property
    def irreversible(self) -> bool:
        """A killed process and a removed artifact do not come back by themselves."""
        return self in (Action.TERMINATE, Action.QUARANTINE)

    @property
    def carried_out(self) -> bool:
        """Whether the sandbox has to do something, and so has to answer. Going on needs no answer."""
        return self is not Action.CONTINUE

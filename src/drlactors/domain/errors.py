"""Lawful noes: a refusal is a state of the rules, and its docstring is the message."""


class Refused(Exception):
    """The rules say no."""

    def __init__(self) -> None:
        super().__init__(type(self).__doc__)


class NotStarted(Refused):
    """Nothing is known of this session: it has to be started first."""


class AlreadyStarted(Refused):
    """This session was started before, with other facts."""


class ForeignSession(Refused):
    """The session belongs to another sandbox: only the one that started it may speak for it."""


class SessionOver(Refused):
    """The session has ended: nothing more is recorded or chosen for it."""


class NothingToAnswer(Refused):
    """No action of this session waits for that feedback."""


class NothingToRank(Refused):
    """No recorded window waits for a decision at that sequence number."""


class EpisodeOver(Refused):
    """The episode is closed: no further stage belongs to it."""


class WrongStage(Refused):
    """That stage does not follow from what the episode has seen so far."""


class NoEpisode(Refused):
    """Nothing is known of this episode: no session has entered it."""


class NoVerdict(Refused):
    """A person's verdict on an artifact is malicious or benign."""

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


class WrongStage(Refused):
    """That session is not this stage of the episode."""


class NoEpisode(Refused):
    """Nothing is known of this episode: no session has entered it."""


class NoVerdict(Refused):
    """A person's verdict on an artifact is malicious or benign."""


class NoReview(Refused):
    """Nothing is known of this review: no session has asked for it."""


class AlreadyDecided(Refused):
    """A person has decided this review. To change the verdict, correct its episode."""


class NotDecided(Refused):
    """The review waits for a person, or for its deadline."""


class NotTrained(Refused):
    """Nothing is known of this model: it has to be entered first."""


class AlreadyTrained(Refused):
    """This model was entered before, with other facts."""


class NotEntered(Refused):
    """The registry does not have this model."""


class SeveralModels(Refused):
    """More than one model is called so: give more of the digest."""


class NotEvaluated(Refused):
    """The gate has not seen this model: evaluate it first, or promote it yourself and say why."""


class GateDeclined(Refused):
    """The newest evaluation of this model does not speak for it; promote it yourself and say why, or leave it."""


class EvaluatedAgainstAnother(Refused):
    """This model was compared with another policy than the one that is in charge now: evaluate it again."""


class WasRejected(Refused):
    """This model was rejected: the gate does not promote it any more."""


class AlreadyServing(Refused):
    """This model is in charge already."""


class StillServing(Refused):
    """This model is in charge: put another one there first."""


class ReasonMissing(Refused):
    """This needs a reason: it is recorded."""


class NobodyBefore(Refused):
    """No model was put in charge: there is none to go back from."""

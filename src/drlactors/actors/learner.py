"""The learner: trains in rounds as the log grows, and sees each candidate through to the gate's answer."""

from typing import Any, NamedTuple

from drlactors.actors.dispatched import DispatchedActor, Dispatcher
from drlactors.actors.registrar import Registrar
from drlactors.domain.errors import EvaluatedAgainstAnother, Refused
from drlactors.domain.model import Answer, Authority, Evaluate
from drlactors.domain.registry import CONFIGURED
from drlactors.ports.learning import CannotLearn, Hindered, Round, Trainer, Watch
from drlactors.ports.log import EventLog, LogAway, LogUnreachable
from drlactors.ports.policy import PolicyError

#: Under this name the log remembers up to which position nothing is left to be learned, or to be judged.
NAME = "learned"
GATE = "gate"


class Turn(NamedTuple):
    """To the learner: do the next small thing there is to do. Several that wait are one."""


class Conduct(NamedTuple):
    """``configs/`` has the values, in its section ``learner``."""

    sessions: int  # new ones with a known truth that begin a round
    updates: int  # of a round
    step: int  # updates of a turn
    promote: bool  # on the gate's word; else a person does


class LearnerActor(DispatchedActor):
    """A round: take in the log, do its updates, make a checkpoint, publish the candidate, have it judged, act on that.

    Where it stands is read from the trainer and from the log, never remembered here. A round that was cut off by
    kill -9 goes on from the newest checkpoint. One that was cut off behind its last update publishes the same bytes
    again; what the log has of them by then is not written a second time.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        trainer: Trainer,
        log: EventLog,
        registrar: Registrar,
        conduct: Conduct,
        *,
        configured: str,
        watch: Watch,
    ) -> None:
        """``configured``: the policy that acts where the registry names none. ``watch`` is told what was done."""
        super().__init__(dispatcher)
        self._trainer = trainer
        self._log = log
        self._registrar = registrar
        self._conduct = conduct
        self._configured = configured
        self._watch = watch
        self._held_up: LogAway | Hindered | None = None

    def on_batch(self, _: list[Any]) -> None:
        try:
            goes_on = self._turn()
        except CannotLearn as failed:
            self._watch(failed)
            self.stop()
        except LogUnreachable as error:
            self._hold_up(LogAway(str(error)))
        except PolicyError as error:
            self._hold_up(Hindered(str(error)))
        else:
            self._held_up = None
            if goes_on:
                self.actor_ref.tell(Turn())

    def _hold_up(self, by: LogAway | Hindered) -> None:
        """Said once: an outage may last for hours, and the next turn tries again."""
        if type(by) is not type(self._held_up):
            self._watch(by)
        self._held_up = by

    def _turn(self) -> bool:
        """Whether there is more to do at once."""
        trainer = self._trainer
        if trainer.updates % self._conduct.updates:
            return self._step()
        if trainer.position > self._log.position(NAME):
            self._judge()
            return True
        if trainer.news() < self._conduct.sessions:
            return False
        if trainer.take_in() and self._step():
            return True
        self._pass()  # there was too little to learn from
        return False

    def _step(self) -> bool:
        before = self._trainer.updates
        left = -before % self._conduct.updates or self._conduct.updates
        step = self._trainer.learn(min(self._conduct.step, left))
        self._watch(step)
        if step.updates > before and step.updates % self._conduct.updates == 0:
            self._trainer.keep()  # before anything is published: what is published can be made again
        return step.updates > before

    def _judge(self) -> None:
        sha256, registrar = self._trainer.digest(), self._registrar
        if sha256 not in registrar.charge().models:
            registrar.enter(self._trainer.publish(1 + self._newest_version()))
        while True:
            evaluated = self._evaluated(sha256)
            try:
                self._act(sha256, evaluated)
                break
            except EvaluatedAgainstAnother:
                continue  # somebody has put another model in charge meanwhile
            except Refused:
                break  # somebody has decided about this one already
        known = registrar.life(sha256).trained
        assert known is not None, "it was entered"
        self._pass()
        self._watch(Round(sha256, known.version, evaluated, in_charge=registrar.charge().in_charge == sha256))

    def _pass(self) -> None:
        """Remember that nothing is left to be done about what was taken in."""
        self._log.append([], {NAME: self._trainer.position})

    def _newest_version(self) -> int:
        lives = (self._registrar.life(sha256).trained for sha256 in self._registrar.charge().models)
        return max((known.version for known in lives if known is not None), default=0)

    def _evaluated(self, sha256: str) -> Evaluate:
        """The newest evaluation, unless another model came in charge since; then another one, which is recorded."""
        in_charge = self._registrar.charge().in_charge
        found = self._registrar.life(sha256).evaluated
        if found is not None and (self._configured if in_charge == CONFIGURED else in_charge) in (
            found.against,
            sha256,
        ):
            return Evaluate(*found)
        evaluated = self._trainer.judge(sha256, in_charge)
        self._registrar.evaluate(sha256, evaluated)
        return evaluated

    def _act(self, sha256: str, evaluated: Evaluate) -> None:
        """What speaks neither for nor against it leaves it a candidate. Raises Refused."""
        if evaluated.answer is Answer.REJECT:
            self._registrar.reject(sha256, GATE, evaluated.reasons)
        if evaluated.answer is Answer.PROMOTE and self._conduct.promote:
            self._registrar.promote(
                sha256, configured=self._configured, authority=Authority.GATE, author=GATE, reason=""
            )

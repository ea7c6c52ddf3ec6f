"""Training on what was recorded: one seed, evaluated on the way, and resumed where it was cut off."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from hashlib import sha256
from math import cos, nan, pi
from pathlib import Path
from typing import Any, NamedTuple

from drlactors.files import write_whole
from drlactors.learner.agent import Agent
from drlactors.learner.batch import Experiences
from drlactors.learner.choices import every_choice
from drlactors.learner.course import Course
from drlactors.learner.evaluation import Evaluation, Played, figures, play
from drlactors.learner.export import Servable
from drlactors.learner.fitted_q import FittedQ
from drlactors.learner.fitted_stopping import Stopping
from drlactors.learner.methods import How, Method
from drlactors.learner.occurrences import Occurrence, Progressed
from drlactors.learner.replay_buffer import LEAST_CAPACITY, ReplayBuffer
from drlactors.learner.traces import Traces
from drlactors.learner.training import OtherTraining, Training
from drlactors.learner.transitions import Table, Task, table
from drlactors.ports.learning import CannotLearn, Step

CURVE = "curve.json"
#: Evaluations on the way, at equal distances; nothing is chosen by them.
POINTS = 20


class Point(NamedTuple):
    """Of the learning curve."""

    updates: int
    loss: float  # mean of the newest updates
    held: Evaluation  # on the held-out sessions


class Trained(NamedTuple):
    ranking: Servable
    curve: tuple[Point, ...]
    played: Played  # the held-out sessions, at the end


Heard = Callable[[Occurrence | Step | Point], None]


class Run(NamedTuple):
    """One training."""

    task: Task
    method: How
    seed: int
    folder: Path  # for the agent's checkpoints and curve; what is there is gone on with

    def train(self, course: Course, heard: Heard) -> Trained:
        """Train to the end. Raises what ``Training`` does, and CannotLearn where the method does not fit."""
        held = table(course.held, self.task)
        match self.method, course.learned:
            case FittedQ() as fitted, Traces() as learned:
                return self._fit(fitted.fit(learned.table, self.task.gamma, self.seed), held, heard)
            case Stopping() as stopping, Traces() as learned:
                return self._fit(stopping.fit(learned, self.task, self.seed), held, heard)
            case Method() as method, Traces() as learned:
                return _Learning(self, method, held, heard).through(every_choice(learned.table, self.task.gamma))
            case Method() as method, Experiences() as learned:
                return _Learning(self, method, held, heard).through(learned)
            case Stopping(), _:
                raise CannotLearn(
                    "stopping needs sessions to their ends, and a log has those that were stopped cut off"
                )
            case _:
                raise CannotLearn("fitted Q needs to know what every choice leads to, and a log shows one of them only")

    def played(self, ranking: Servable, held: Table) -> Played:
        return play(ranking.rank, held, self.task.rules.reviews)

    def _fit(self, steps: Iterable[tuple[Servable, float]], held: Table, heard: Heard) -> Trained:
        """Takes seconds: it begins anew each time."""
        curve: list[Point] = []
        for done, (ranking, loss) in enumerate(steps, start=1):
            heard(Step(done, loss, nan))
            if done % max(1, self.method.length // POINTS) == 0 or done == self.method.length:
                played = self.played(ranking, held)
                curve.append(Point(done, loss, figures(played)))
                heard(curve[-1])
        return Trained(ranking, tuple(curve), played)


class _Learning:
    """The agent's way through its updates: a point and a checkpoint at equal distances."""

    def __init__(self, run: Run, method: Method, held: Table, heard: Heard) -> None:
        self._run, self._method, self._held, self._heard = run, method, held, heard
        self._step = max(1, method.updates // POINTS)

    def through(self, experiences: Experiences) -> Trained:
        run, updates, step = self._run, self._method.updates, self._step
        features = experiences.s_tm1.shape[1]
        agent = Agent(self._method.settings, features, seed=run.seed)
        capacity = max(LEAST_CAPACITY, len(experiences.a_tm1))
        buffer = ReplayBuffer(features, seed=run.seed, capacity=capacity)
        training = Training(agent, buffer, self._hear, folder=run.folder, of=self._of(experiences))
        try:
            resumed = training.resume()
        except OtherTraining as error:
            raise OtherTraining(f"{run.folder}: {error}. Move it away to begin anew.") from error
        if agent.updates > updates:
            raise OtherTraining(f"{run.folder}: {agent.updates} updates are done, more than {updates}. Move it away.")
        if not resumed:
            training.add(experiences)
            agent.learning_rate *= self._height(step / 2)
        curve = [point for point in self._kept() if point.updates <= agent.updates]
        while agent.updates < updates:
            if not training.learn(min(step - agent.updates % step, updates - agent.updates)):
                raise CannotLearn(
                    f"{len(buffer)} experiences are fewer than the batch of {self._method.settings.batch}"
                )
            curve.append(Point(agent.updates, training.loss, figures(run.played(agent.ranking, self._held))))
            agent.learning_rate *= self._height(agent.updates + step / 2) / self._height(agent.updates - step / 2)
            self._keep(curve)  # before the checkpoint: a point too many is dropped, one that is missing would stay so
            training.keep()
            self._heard(curve[-1])
        return Trained(agent.ranking, tuple(curve), run.played(agent.ranking, self._held))

    def _of(self, experiences: Experiences) -> str:
        """The same for the same features, experiences and sessions to judge by; more updates are more of the same."""
        told = sha256(repr((self._run.task.schema.id, self._method.annealed)).encode())
        for column in (*experiences, *self._held):
            told.update(column.tobytes())
        return told.hexdigest()

    def _hear(self, occurrence: Occurrence) -> None:
        if isinstance(occurrence, Progressed):
            self._heard(Step(occurrence.updates, occurrence.loss, occurrence.epsilon))
        else:
            self._heard(occurrence)

    def _height(self, update: float) -> float:
        """Of the learning rate, between 1 and 0; what training lowers on its own stays lower."""
        if not self._method.annealed:
            return 1.0
        return max(1e-9, (1 + cos(pi * min(1.0, update / self._method.updates))) / 2)

    def _keep(self, curve: list[Point]) -> None:
        plain = [{"updates": point.updates, "loss": point.loss, "held": asdict(point.held)} for point in curve]
        self._run.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self._run.folder / CURVE, json.dumps(plain, indent=1).encode())

    def _kept(self) -> list[Point]:
        file = self._run.folder / CURVE
        plain: list[dict[str, Any]] = json.loads(file.read_text()) if file.exists() else []
        return [Point(one["updates"], one["loss"], Evaluation(**one["held"])) for one in plain]

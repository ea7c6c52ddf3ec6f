"""Learns from the log while it grows: experiences, updates, and what comes of them before the gate."""

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from math import isfinite
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch

from drlactors.domain.model import Evaluate, Train
from drlactors.learner import evidence, gate, projection
from drlactors.learner.agent import Agent, Settings
from drlactors.learner.batch import Experiences
from drlactors.learner.choices import with_stops
from drlactors.learner.evaluation import Rank, figures, play
from drlactors.learner.export import Exported, export, to_onnx
from drlactors.learner.hyperparameters import hyperparameters
from drlactors.learner.logged import held_out, samples
from drlactors.learner.occurrences import Occurrence
from drlactors.learner.replay_buffer import ReplayBuffer
from drlactors.learner.training import Diverged, Training
from drlactors.learner.transitions import Sample, Task, table
from drlactors.ports.decisions import DecisionSource, Recorded, joined, within
from drlactors.ports.learning import CannotLearn, Step
from drlactors.ports.log import EventLog
from drlactors.ports.policy import Policy

Bools = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.intp]


class Followed(DecisionSource, Protocol):
    """Recorded decisions that follow the log."""

    def catch_up(self) -> int:
        """Bring them up to the log's end, and say where that is."""
        ...


class Shelf(Protocol):
    """Where models lie."""

    def add(self, made: Exported) -> str:
        """Sign and take in; the public key that signed it, or nothing. Raises PolicyError."""
        ...

    def load(self, sha256: str) -> Policy:
        """Verified; empty for what the configuration names. Raises PolicyError."""
        ...

    def tuned_rules(self, learned_from: list[Sample]) -> Rank:
        """The rule policy with its thresholds tuned."""
        ...


class Study(NamedTuple):
    """``configs/`` has the values, in its section ``learner``."""

    held_out: float  # share of the artifacts
    capacity: int  # of the replay buffer
    positions: int  # of the log, the newest: what lies before is not looked at
    settle_s: float  # that an episode without a verdict is waited for, from its session's start
    judged_sessions: int  # the newest held-out ones, and as many to tune the rules on


class LogTrainer:
    """``ports.learning.Trainer`` on recorded decisions.

    What it learns from is a function of the log: the experiences of sessions with a known truth among its newest
    positions, less the artifacts that are held out. They are made anew for each round, in 0.3 us each; only what the
    log has got meanwhile is read for it.
    """

    def __init__(
        self,
        decisions: Followed,
        log: EventLog,
        shelf: Shelf,
        task: Task,
        study: Study,
        limits: gate.Limits,
        settings: Settings,
        *,
        folder: Path,
        heard: Callable[[Occurrence], None],
    ) -> None:
        """Goes on from the newest checkpoint in ``folder``. Raises CannotLearn where that is of other settings."""
        self._decisions = decisions
        self._log = log
        self._shelf = shelf
        self._task = task
        self._study = study
        self._limits = limits
        self._read = 0  # of the log, up to which ``_recorded`` goes
        self._recorded: Recorded | None = None
        features = len(task.schema.names)
        self._agent = Agent(settings, features, seed=0)
        buffer = ReplayBuffer(features, seed=0, capacity=study.capacity)
        self._training = Training(self._agent, buffer, heard, folder=folder)
        try:
            self._training.resume()
        except ValueError as error:
            raise CannotLearn(f"{folder}: {error}. Move it away to begin anew.") from error

    @property
    def position(self) -> int:
        return self._training.position

    @property
    def updates(self) -> int:
        return self._agent.updates

    def news(self) -> int:
        view = self._view(self._follow(), self._read)
        before = self._view(view.recorded, self.position)
        return int(view.settled.sum() - before.settled.sum())

    def take_in(self) -> int:
        view = self._view(self._follow(), self._read)
        rows = self._experiences(view)
        learned = rows.select((view.settled & ~view.held)[rows.session])
        learned = with_stops(learned, view.malicious, self._task.weights)
        self._training.refill(learned.select(slice(-self._study.capacity, None)), self._read)
        return len(learned.a_tm1)

    def learn(self, updates: int) -> Step:
        try:
            self._training.learn(updates)
        except Diverged as error:
            raise CannotLearn(f"training has diverged {error}") from error
        return Step(self.updates, self._training.loss, self._agent.settings.epsilon(self.updates))

    def keep(self) -> None:
        self._training.keep()

    def digest(self) -> str:
        return sha256(to_onnx(self._agent.ranking)).hexdigest()

    def publish(self, version: int) -> Train:
        view = self._view(self._follow(), self.position)
        learned = int((view.settled & ~view.held).sum())
        traces = table(self._samples(view, self._judged(view)), self._task)
        made = export(
            self._agent.ranking,
            self._task.schema,
            figures(play(self._agent.ranking.rank, traces, self._task.rules.reviews)),
            version=version,
            date=self._date(),
            episodes=learned,
            loss=loss if isfinite(loss := self._training.loss) else 0.0,
            hyperparameters=hyperparameters(self._agent.settings._asdict(), self._task)
            | {"updates": self.updates, "torch": torch.__version__},
        )
        signed_by = self._shelf.add(made)
        known, data = made.metadata, f"the log up to position {self.position}"
        return Train(known.sha256, version, known.date, known.feature_schema, learned, data, signed_by)

    def judge(self, sha256: str, in_charge: str) -> Evaluate:
        view = self._view(self._follow(), self.position)
        rows = self._judged(view)
        judged = self._samples(view, rows)
        tuned_on = self._samples(view, np.flatnonzero(view.settled & ~view.held)[-self._study.judged_sessions :])
        candidate, incumbent = self._shelf.load(sha256), self._shelf.load(in_charge)
        traces = table(judged, self._task)
        ranks = candidate.rank, incumbent.rank, self._shelf.tuned_rules(tuned_on)
        plays = [play(rank, traces, self._task.rules.reviews) for rank in ranks]
        _, artifact = np.unique(view.recorded.sessions.artifact, return_inverse=True)
        logged = self._experiences(view)
        log = evidence.Log(logged.select(np.isin(logged.session, rows)), view.malicious, artifact)
        decision = gate.decide(
            gate.HeldOut(plays[0], plays[1], plays[2], artifact[rows]),
            evidence.gather(candidate.rank, incumbent.rank, log, self._task.weights, self._limits),
            self._limits,
        )
        data = f"held-out sessions of the log up to position {self.position}"
        return decision.recorded(incumbent.info.id, data, len(judged))

    def _follow(self) -> Recorded:
        """All that is looked at, up to ``_read``."""
        through = self._decisions.catch_up()
        begins = max(0, through - self._study.positions)
        if self._recorded is None or through > self._read:
            new = self._decisions.recorded(self._task.schema.id, after=max(begins, self._read), through=through)
            whole = new if self._recorded is None else joined([self._recorded, new])
            self._recorded, self._read = within(whole, begins, through), through
        return self._recorded

    def _view(self, recorded: Recorded, through: int) -> "_View":
        stretch = within(recorded, 0, through)
        labels = projection.labels(stretch)
        held = held_out(stretch.sessions.artifact, self._study.held_out)
        waited_us = self._at_us(through) - stretch.sessions.started_us
        settled = projection.concluded(stretch) | (waited_us > self._study.settle_s * 1e6)
        return _View(stretch, labels.known & labels.ended & settled, labels.malicious, held)

    def _experiences(self, view: "_View") -> Experiences:
        return projection.experiences(view.recorded, weights=self._task.weights, gamma=self._task.gamma)

    def _judged(self, view: "_View") -> Rows:
        """The sessions to judge by: the newest that are held out, with a known truth and at least one decision."""
        decided = np.isin(view.recorded.sessions.number, view.recorded.decisions.session)
        return np.flatnonzero(view.settled & view.held & decided)[-self._study.judged_sessions :]

    def _samples(self, view: "_View", rows: Rows) -> list[Sample]:
        return samples(self._log, view.recorded.sessions, view.malicious, rows.tolist())

    def _date(self) -> str:
        """When the newest thing was recorded that was learned from: the same, however often it is asked."""
        return datetime.fromtimestamp(self._at_us(self.position) / 1_000_000, UTC).isoformat()

    def _at_us(self, position: int) -> int:
        """When what stands at a position was decided; 0 before all."""
        return self._log.read(position - 1, 1)[0].at_us if position else 0


class _View(NamedTuple):
    """The log as of some position, with what is known of its m sessions."""

    recorded: Recorded
    settled: Bools  # (m,): ended, and the truth is known and no longer waited for
    malicious: Bools  # (m,)
    held: Bools  # (m,): held out

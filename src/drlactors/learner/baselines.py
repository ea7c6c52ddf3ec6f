"""What an expert would try first, and what a policy has to be better than."""

from math import log

import numpy as np
import numpy.typing as npt

from drlactors.domain.action import Action
from drlactors.domain.features import Vectors
from drlactors.learner.agent import Agent
from drlactors.learner.choices import every_choice
from drlactors.learner.evaluation import Rank
from drlactors.learner.fitted_q import FittedQ
from drlactors.learner.methods import Method
from drlactors.learner.replay_buffer import LEAST_CAPACITY, ReplayBuffer
from drlactors.learner.traces import Margins, Traces
from drlactors.learner.training import Training
from drlactors.learner.trees import Score, log_odds


def always_continue(vectors: Vectors) -> npt.NDArray[np.float32]:
    return np.tile((np.arange(len(Action)) == Action.CONTINUE).astype(np.float32), (len(vectors), 1))


def at_random(seed: int) -> Rank:
    """Any permitted action, each as likely; what it does depends on the order in which it is asked."""
    dice = np.random.default_rng(seed)
    return lambda vectors: dice.random((len(vectors), len(Action)), dtype=np.float32)


class Running:
    """Gradient boosting, asked again in each window: for threshold stopping.

    As in Wald's sequential probability ratio test (1945), a session is stopped as soon as its log-likelihood ratio of
    malicious to benign is above a bound. The state vector holds the session's past, so the ratio of all windows so far
    is the classifier's log-odds less those of the classes.
    """

    def __init__(self, learned: Traces, score: Score) -> None:
        share = learned.malicious.mean()
        self._score, self._prior = score, log(share / (1 - share))

    def margins(self, over: Traces) -> Margins:
        """Log-likelihood ratios."""
        return over.spread(log_odds(self._score.probability(over.vectors())) - self._prior)


def dqn(learned: Traces, method: Method, gamma: float, seed: int) -> Rank:
    """Trained on every permitted choice in every recorded state, drawn uniformly from a replay buffer."""
    experiences = every_choice(learned.own_table(), gamma)
    features = experiences.s_tm1.shape[1]
    agent = Agent(method.settings, features, seed=seed)
    capacity = max(len(experiences.a_tm1), LEAST_CAPACITY)
    training = Training(agent, ReplayBuffer(features, seed=seed, capacity=capacity), _deaf)
    training.add(experiences)
    training.learn(method.updates)
    return agent.ranking.rank


def fitted_q(learned: Traces, method: FittedQ, gamma: float, seed: int) -> Rank:
    """The network after the last iteration."""
    *_, (ranking, _) = method.fit(learned.own_table(), gamma, seed)
    return ranking.rank


def _deaf(_: object) -> None:
    """Nobody listens to what happens in training: what it comes to is measured afterwards."""

"""Ways to learn, by name."""

from typing import Any, NamedTuple

import torch

from drlactors.learner.agent import PLAIN, Settings
from drlactors.learner.fitted_q import FittedQ
from drlactors.learner.fitted_stopping import Stopping
from drlactors.ports.learning import CannotLearn


class Method(NamedTuple):
    """The agent, learning from a replay buffer."""

    settings: Settings
    updates: int
    annealed: bool = False  # whether the learning rate falls to 0 along half a cosine (Loshchilov and Hutter 2017)

    @property
    def length(self) -> int:
        return self.updates

    def hyperparameters(self) -> dict[str, Any]:
        how = {"algorithm": "DQN", "torch": torch.__version__, **self.settings._asdict()}
        return how | {"updates": self.updates, "annealed": self.annealed}


#: Large batches, targets that stay for a while, and weights held small, because there are few artifacts. The loss is
#: square: rewards go from -2 to 1, and a loss that is linear beyond 1 takes the middle of them for their mean. That
#: stopped 62 instead of 30 of 100 benign sessions held out.
OFFLINE = Settings(
    hidden=(64, 64),
    double=False,
    steps=1,
    support=0.0,
    huber=10.0,
    batch=512,
    learning_rate=1e-3,
    weight_decay=1e-2,
    target_period=50,
)
#: For a log: what was not tried there has no support, and is not taken for good. Discrete BCQ as Fujimoto et al. (2019,
#: algorithm 1) have it: the online network picks among what has support, the target network says what that is worth.
LIVE = OFFLINE._replace(double=True, support=0.3)

How = Method | FittedQ | Stopping

METHODS: dict[str, How] = {
    "stopping": Stopping(),
    "fitted-q": FittedQ(),
    "bcq": Method(LIVE, 2000, annealed=True),
    "cql": Method(OFFLINE._replace(conservative=0.1), 2000, annealed=True),
    "dqn": Method(PLAIN, 10_000),
}


def lasting(name: str, long: int, fpr: float) -> How:
    """The method of that name, for so many updates (iterations of fitted Q); 0 for what it takes by default.

    ``fpr``: that a boundary is chosen for. Raises CannotLearn for a name that nobody knows, and for a number of updates
    where there are none.
    """
    if name not in METHODS:
        raise CannotLearn(f"no method is called {name!r}: there are {', '.join(METHODS)}")
    match METHODS[name]:
        case Stopping() as stopping:
            if long:
                raise CannotLearn("stopping has no updates: it learns in one go")
            return stopping._replace(fpr=fpr)
        case FittedQ() as fitted:
            return fitted._replace(iterations=long or fitted.iterations)
        case Method() as method:
            return method._replace(updates=long or method.updates)

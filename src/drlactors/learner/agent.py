"""The DQN agent: which action it takes, and what one batch teaches it."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.optim.adam import adam

from drlactors.domain import exploration
from drlactors.domain.action import Action
from drlactors.learner import targets
from drlactors.learner.batch import Batch, Float32s, Int64s
from drlactors.learner.network import Ranking, network

#: What may be tried out, by number.
EXPLORABLE = np.array([action in exploration.EXPLORABLE for action in Action])


class Settings(NamedTuple):
    """The method and its numbers. The discount is none of them: it comes with the experiences."""

    hidden: tuple[int, ...] = (256, 256)
    dueling: bool = False
    double: bool = True
    steps: int = 3  # of a return, before values are taken for the rest
    support: float = 0.3  # BCQ: least probability in the log, by that of the likeliest action; 0 leaves BCQ out
    conservative: float = 0.0  # CQL(H): its weight beside the TD error; 0 leaves it out
    huber: float = 1.0  # the TD error at which the loss goes from square to linear
    batch: int = 64
    learning_rate: float = 1e-4
    weight_decay: float = 0.0  # L2: times each weight, added to its gradient
    largest_norm: float = 10.0  # of all gradients together; longer ones are shortened to it
    target_period: int = 1000  # updates for which the target network stays as it is
    epsilon_start: float = 1.0
    epsilon_end: float = 0.1
    epsilon_updates: int = 5000  # from the one to the other, in a line

    def epsilon(self, update: int) -> float:
        """The share of choices that explore when so many updates are done."""
        done = min(update / self.epsilon_updates, 1.0)
        return self.epsilon_start + done * (self.epsilon_end - self.epsilon_start)


#: The method of the specification: plain DQN (Mnih et al. 2015).
PLAIN = Settings(double=False, steps=1, support=0.0)


def best_device() -> torch.device:
    """A GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Update(NamedTuple):
    """What one update found, still on the device: reading a number waits for all that computes it."""

    loss: Tensor  # ()
    norm: Tensor  # (): of the gradients, before they were shortened; when this or the loss is not finite, none was used
    td_error: Tensor  # (batch,)


class Agent:
    """Two networks and the optimiser's moments: Adam (Kingma and Ba 2015) with the defaults of its authors."""

    def __init__(
        self,
        settings: Settings,
        features: int,
        *,
        seed: int,
        device: torch.device | None = None,
    ) -> None:
        """Raises ValueError for settings that contradict themselves. Without a device, a GPU where there is one."""
        self.settings = settings
        self.device = device or best_device()
        self.learning_rate = settings.learning_rate
        self.updates = 0
        generator = torch.Generator().manual_seed(seed)
        made = [
            network(features, settings.hidden, len(Action), generator, dueling=dueling).to(self.device)
            for dueling in (settings.dueling, settings.dueling, False)
        ]
        self._online, self._target, behaviour = made
        self._target.load_state_dict(self._online.state_dict())
        self._behaviour = behaviour if settings.support else None
        self.ranking = Ranking(self._online, self._behaviour, settings.support)
        self._parameters: list[Tensor] = list(self.ranking.parameters())
        self._means = [torch.zeros_like(parameter) for parameter in self._parameters]
        self._squares = [torch.zeros_like(parameter) for parameter in self._parameters]
        self._steps = [torch.zeros((), device=self.device) for _ in self._parameters]

    def update(self, batch: Batch) -> Update:
        """One step down the loss of a batch; a batch whose loss or gradient is not finite changes no weight.

        Nothing is read back from the device here, so that a GPU is never waited for.
        """
        loss, td_error = self._loss(batch)
        gradients = torch.autograd.grad(loss, self._parameters)
        loss = loss.detach()
        with torch.no_grad():
            norm = torch.nn.utils.get_total_norm(gradients)
            # Before it is shortened: an infinite gradient by its infinite norm is NaN. A skipped step counts for none.
            unusable = (~torch.isfinite(norm + loss)).float()
            adam(
                self._parameters,
                list(gradients),
                self._means,
                self._squares,
                [],
                self._steps,
                fused=True,
                grad_scale=(norm / self.settings.largest_norm).clamp_(min=1.0),
                found_inf=unusable,
                amsgrad=False,
                beta1=0.9,
                beta2=0.999,
                lr=self.learning_rate,
                weight_decay=self.settings.weight_decay,
                eps=1e-8,
                maximize=False,
            )
        self.updates += 1
        if self.updates % self.settings.target_period == 0:
            self._target.load_state_dict(self._online.state_dict())
        return Update(loss, norm, td_error)

    def _loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        settings = self.settings
        s_tm1, a_tm1, r_t, discount_t, s_t, mask_tm1, mask_t, _, weights, _ = (
            torch.from_numpy(column).to(self.device, non_blocking=True) for column in batch
        )
        with torch.no_grad():
            q_t = self._target(s_t)
            selector_t = self._online(s_t) if settings.double else q_t
            if self._behaviour is not None:
                selector_t = targets.supported(selector_t, self._behaviour(s_t), settings.support)
            target_tm1 = targets.bootstrapped(r_t, discount_t, q_t, selector_t, mask_t)
        q_tm1 = self._online(s_tm1)
        taken = targets.of(q_tm1, a_tm1)
        losses = targets.huber(taken, target_tm1, settings.huber)
        if settings.conservative:
            losses = losses + settings.conservative * targets.conservative(q_tm1, a_tm1, mask_tm1)
        if self._behaviour is not None:
            losses = losses + targets.imitation(self._behaviour(s_tm1), a_tm1)
        return weights.dot(losses) / len(losses), target_tm1 - taken.detach()

    def tensors(self) -> dict[str, Tensor]:
        """Everything that updates change, by name; the tensors themselves, not copies."""
        named = {f"target.{name}": tensor for name, tensor in self._target.state_dict().items()}
        parameters = self.ranking.state_dict()
        named |= {f"online.{name}": tensor for name, tensor in parameters.items()}
        for kind, moments in (("mean", self._means), ("square", self._squares), ("steps", self._steps)):
            named |= {f"{kind}.{name}": moment for name, moment in zip(parameters, moments, strict=True)}
        return named


def probabilities(values: Float32s, masks: npt.NDArray[np.bool_], epsilon: float) -> npt.NDArray[np.float64]:
    """Epsilon-greedy over what is permitted, (n, actions): exploration is uniform over what may be tried of it.

    Where nothing of that is permitted, the best permitted action is taken always.
    """
    best = np.where(masks, values, -np.inf).argmax(axis=1)
    tried = masks & EXPLORABLE
    explored = epsilon * tried.any(axis=1, keepdims=True)
    chances: npt.NDArray[np.float64] = explored * tried / np.maximum(tried.sum(axis=1, keepdims=True), 1)
    chances[np.arange(len(best)), best] += 1.0 - explored[:, 0]
    return chances


class Chosen(NamedTuple):
    actions: Int64s  # (n,)
    propensity: Float32s  # (n,): the probability with which each was chosen


def choose(values: Float32s, masks: npt.NDArray[np.bool_], epsilon: float, generator: np.random.Generator) -> Chosen:
    """An action for each row of values, (n, actions), by ``probabilities``."""
    chances = probabilities(values, masks, epsilon)
    # The first action whose cumulated probability exceeds the draw: one of probability 0 never does.
    bounds = chances.cumsum(axis=1)
    actions = (bounds > generator.random((len(bounds), 1)) * bounds[:, -1:]).argmax(axis=1)
    return Chosen(actions, chances[np.arange(len(actions)), actions].astype(np.float32))

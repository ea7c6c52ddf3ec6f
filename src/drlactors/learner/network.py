"""The Q-network in PyTorch: a small MLP, plain or dueling, and what ranks actions by it."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from drlactors.domain.features import Vectors
from drlactors.learner.batch import Float32s
from drlactors.learner.targets import supported

#: Fills a weight, (units, inputs), in place.
Initialise = Callable[[Tensor, torch.Generator], Tensor]


def he(weight: Tensor, generator: torch.Generator) -> Tensor:
    """He et al. 2015, equation 10, with a uniform distribution."""
    return torch.nn.init.kaiming_uniform_(weight, nonlinearity="relu", generator=generator)


def xavier(weight: Tensor, generator: torch.Generator) -> Tensor:
    """Glorot and Bengio 2010, equation 16."""
    return torch.nn.init.xavier_uniform_(weight, generator=generator)


class Dueling(torch.nn.Module):
    """The state's value and each action's advantage over the mean one (Wang et al. 2016, equation 9)."""

    def __init__(self, inputs: int, actions: int, generator: torch.Generator, initialise: Initialise) -> None:
        super().__init__()
        self.value = _linear(inputs, 1, generator, initialise)
        self.advantage = _linear(inputs, actions, generator, initialise)

    def forward(self, hidden: Tensor) -> Tensor:
        advantage = self.advantage(hidden)
        values: Tensor = self.value(hidden) + advantage - advantage.mean(dim=1, keepdim=True)
        return values

    @torch.no_grad()
    def folded(self) -> torch.nn.Linear:
        """The one linear layer that says the same: nothing in the head bends."""
        made = torch.nn.Linear(self.advantage.in_features, self.advantage.out_features)
        made.weight.copy_(self.value.weight + self.advantage.weight - self.advantage.weight.mean(dim=0))
        made.bias.copy_(self.value.bias + self.advantage.bias - self.advantage.bias.mean())
        return made


def network(
    inputs: int,
    hidden: tuple[int, ...],
    outputs: int,
    generator: torch.Generator,
    *,
    initialise: Initialise = xavier,
    dueling: bool = False,
) -> torch.nn.Sequential:
    """Linear layers with ReLU between them; biases start at 0, and all randomness comes from ``generator``."""
    layers: list[torch.nn.Module] = []
    for before, after in pairwise((inputs, *hidden)):
        # In place: a linear layer's gradient needs its input only, and 64 kB less are written.
        layers += [_linear(before, after, generator, initialise), torch.nn.ReLU(inplace=True)]
    head = Dueling if dueling else _linear
    return torch.nn.Sequential(*layers, head((inputs, *hidden)[-1], outputs, generator, initialise))


def _linear(inputs: int, outputs: int, generator: torch.Generator, initialise: Initialise) -> torch.nn.Linear:
    made = torch.nn.Linear(inputs, outputs)
    initialise(made.weight, generator)
    torch.nn.init.zeros_(made.bias)
    return made


class Ranking(torch.nn.Module):
    """What serves: the Q-values, and with a model of the log's behaviour those that have support in the log first."""

    def __init__(
        self, q: torch.nn.Sequential, behaviour: torch.nn.Sequential | None = None, threshold: float = 0.0
    ) -> None:
        super().__init__()
        self.q, self.behaviour, self.threshold = q, behaviour, threshold

    def forward(self, state: Tensor) -> Tensor:
        values: Tensor = self.q(state)
        return values if self.behaviour is None else supported(values, self.behaviour(state), self.threshold)

    @torch.no_grad()
    def rank(self, vectors: Vectors) -> Float32s:
        """Values of all actions, (windows, actions)."""
        device = next(self.parameters()).device
        values: Float32s = self(torch.from_numpy(vectors).to(device)).cpu().numpy()
        return values

"""How many updates a second the learner does, beside the libraries, the specification's loop and the bare products.

Everyone has one thread, the network 30-256-256-5, batches of 64 drawn from its own replay buffer of the same 20,000
transitions, Huber loss where it is offered, and Adam. Contenders take turns, round by round, and what counts is the
processor's time: the machine may have other work. Libraries whose update is not Double DQN stand beside our plain one.
"""

import random
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from drlactors.learner.agent import PLAIN, Agent, Settings
from drlactors.learner.batch import Experiences
from drlactors.learner.replay_buffer import ReplayBuffer
from drlactors.learner.training import Training
from tests.benchmarks import compared

FEATURES, ACTIONS, HIDDEN, BATCH = 30, 5, (256, 256), 64
TRANSITIONS = 20_000
GAMMA, RATE, PERIOD, NORM = 0.99, 1e-4, 1000, 10.0
ROUNDS, UPDATES = 15, 100
ALL_PERMITTED = 2**ACTIONS - 1

#: Does so many updates.
Contender = Callable[[int], object]
OURS, DOUBLE, DEFAULT = "ours, plain DQN", "ours, Double DQN", "ours, as it is set by default"
PRODUCTS = "the bare matrix products of plain DQN"


class Columns(NamedTuple):
    here: npt.NDArray[np.float32]
    actions: npt.NDArray[np.int64]
    rewards: npt.NDArray[np.float32]
    ends: npt.NDArray[np.bool_]
    there: npt.NDArray[np.float32]


def run() -> list[dict[str, Any]]:
    """Updates a second of processor time: the median of the rounds, and what it is compared with."""
    return compared.figures_of("tests.benchmarks.learner")


def columns() -> Columns:
    dice = np.random.default_rng(0)
    return Columns(
        dice.random((TRANSITIONS, FEATURES), dtype=np.float32),
        dice.integers(0, ACTIONS, TRANSITIONS),
        dice.normal(size=TRANSITIONS).astype(np.float32),
        np.arange(1, TRANSITIONS + 1) % 20 == 0,
        dice.random((TRANSITIONS, FEATURES), dtype=np.float32),
    )


def ours(data: Columns, settings: Settings) -> Contender:
    """The whole loop: with masks, importance weights, finiteness, looks at losses, and good states to roll back to."""
    buffer = ReplayBuffer(FEATURES, seed=0)
    training = Training(Agent(settings, FEATURES, seed=0), buffer, lambda _: None)
    permitted = np.full(TRANSITIONS, ALL_PERMITTED, dtype=np.uint8)
    training.add(
        Experiences(
            s_tm1=data.here,
            a_tm1=data.actions.astype(np.int8),
            r_t=data.rewards,
            discount_t=np.where(data.ends, 0, GAMMA).astype(np.float32),
            s_t=data.there,
            mask_tm1=permitted,
            mask_t=permitted,
            propensity=np.ones(TRANSITIONS, dtype=np.float32),
            session=np.arange(TRANSITIONS) // 20,
        )
    )
    return training.learn


def network() -> torch.nn.Sequential:
    sizes = (FEATURES, *HIDDEN)
    layers: list[torch.nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [torch.nn.Linear(before, after), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers, torch.nn.Linear(sizes[-1], ACTIONS))


def specification(data: Columns) -> Contender:
    """A deque of tuples, stacked for each batch, and ``loss.item()`` after each update."""
    memory = deque(zip(*data, strict=True), maxlen=100_000)
    online, target = network(), network()
    optimiser = torch.optim.Adam(online.parameters(), lr=RATE)
    done = 0

    def update(count: int) -> list[float]:
        nonlocal done
        losses = []
        for _ in range(count):
            here, actions, rewards, ends, there = (
                torch.from_numpy(np.stack(column)) for column in zip(*random.sample(memory, BATCH), strict=True)
            )
            with torch.no_grad():
                wanted = rewards + GAMMA * (~ends).float() * target(there).max(dim=1).values
            value = online(here).gather(1, actions.unsqueeze(1)).squeeze(1)
            loss = functional.smooth_l1_loss(value, wanted)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(online.parameters(), NORM)
            optimiser.step()
            losses.append(loss.item())
            done += 1
            if done % PERIOD == 0:
                target.load_state_dict(online.state_dict())
        return losses

    return update


def products(_: Columns) -> Contender:
    """The 11 products of an update of plain DQN, written where they are read from next: nothing else is left out."""
    dice = np.random.default_rng(0)
    sizes = (FEATURES, *HIDDEN, ACTIONS)
    weights = [dice.random(pair, dtype=np.float32) for pair in pairwise(sizes)]
    layers = [dice.random((BATCH, size), dtype=np.float32) for size in sizes]
    gradients = [np.empty_like(weight) for weight in weights]

    def update(count: int) -> None:
        for _ in range(count):
            for _network in ("target", "online"):
                for number, weight in enumerate(weights):
                    np.dot(layers[number], weight, out=layers[number + 1])
            for number in reversed(range(len(weights))):
                np.dot(layers[number].T, layers[number + 1], out=gradients[number])
                if number:
                    np.dot(layers[number + 1], weights[number].T, out=layers[number])
            for layer in layers:
                layer.fill(0.5)  # or they would grow beyond every bound

    return update


def environment() -> Any:
    import gymnasium

    class Nothing(gymnasium.Env[npt.NDArray[np.float32], np.int64]):
        """Only its spaces are asked for."""

        observation_space = gymnasium.spaces.Box(0, 1, (FEATURES,), np.float32)
        action_space = gymnasium.spaces.Discrete(ACTIONS)

    return Nothing()


def stable_baselines3(data: Columns) -> Contender:
    from stable_baselines3 import DQN
    from stable_baselines3.common.logger import Logger

    model = DQN(
        "MlpPolicy",
        environment(),
        policy_kwargs={"net_arch": list(HIDDEN)},
        learning_rate=RATE,
        buffer_size=TRANSITIONS,
        batch_size=BATCH,
        max_grad_norm=NORM,
        device="cpu",
    )
    model.set_logger(Logger(None, []))
    for here, action, reward, end, there in zip(*data, strict=True):
        model.replay_buffer.add(here, there, action, reward, np.array([end]), [{}])
    done = 0

    def update(count: int) -> None:
        nonlocal done
        model.train(count, BATCH)
        done += count
        if done % PERIOD == 0:
            model.q_net_target.load_state_dict(model.q_net.state_dict())

    return update


def cleanrl(data: Columns) -> Contender:
    """The update of its dqn.py, which is a script, with the buffer that it uses: squared error, no clipping."""
    import gymnasium
    from stable_baselines3.common.buffers import ReplayBuffer as Buffer

    box, actions = gymnasium.spaces.Box(0, 1, (FEATURES,), np.float32), gymnasium.spaces.Discrete(ACTIONS)
    memory = Buffer(TRANSITIONS, box, actions, "cpu", handle_timeout_termination=False)
    for here, action, reward, end, there in zip(*data, strict=True):
        memory.add(here, there, action, reward, np.array([end]), [{}])
    online, target = network(), network()
    optimiser = torch.optim.Adam(online.parameters(), lr=RATE)
    done = 0

    def update(count: int) -> None:
        nonlocal done
        for _ in range(count):
            batch = memory.sample(BATCH)
            with torch.no_grad():
                highest, _ = target(batch.next_observations).max(dim=1)
                wanted = batch.rewards.flatten() + GAMMA * highest * (1 - batch.dones.flatten())
            value = online(batch.observations).gather(1, batch.actions).squeeze()
            loss = functional.mse_loss(wanted, value)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            done += 1
            if done % PERIOD == 0:
                for ours, theirs in zip(target.parameters(), online.parameters(), strict=True):
                    ours.data.copy_(theirs.data)

    return update


def tianshou(data: Columns, *, double: bool) -> Contender:
    from tianshou.algorithm.algorithm_base import policy_within_training_step
    from tianshou.algorithm.modelfree.dqn import DQN, DiscreteQLearningPolicy
    from tianshou.algorithm.optim import AdamOptimizerFactory
    from tianshou.data import Batch
    from tianshou.data import ReplayBuffer as Buffer
    from tianshou.utils.net.common import Net

    spaces = environment()
    algorithm = DQN(
        policy=DiscreteQLearningPolicy(
            model=Net(state_shape=(FEATURES,), action_shape=ACTIONS, hidden_sizes=HIDDEN),
            action_space=spaces.action_space,
            observation_space=spaces.observation_space,
        ),
        optim=AdamOptimizerFactory(lr=RATE),
        gamma=GAMMA,
        target_update_freq=PERIOD,
        is_double=double,
        huber_loss_delta=1.0,
    )
    memory = Buffer(TRANSITIONS)
    for here, action, reward, end, there in zip(*data, strict=True):
        one = {"obs": here, "act": action, "rew": reward, "terminated": end, "truncated": False, "obs_next": there}
        memory.add(Batch(**one, info={}))

    def update(count: int) -> None:
        with policy_within_training_step(algorithm.policy):
            for _ in range(count):
                algorithm.update(memory, BATCH)

    return update


def torchrl(data: Columns, *, double: bool) -> Contender:
    from tensordict import TensorDict
    from torchrl.data import LazyTensorStorage, OneHot, TensorDictReplayBuffer
    from torchrl.modules import QValueActor
    from torchrl.objectives import DQNLoss, HardUpdate, ValueEstimators

    actor = QValueActor(network(), in_keys=["observation"], spec=OneHot(ACTIONS))
    loss_of = DQNLoss(actor, loss_function="smooth_l1", delay_value=True, double_dqn=double)
    loss_of.make_value_estimator(ValueEstimators.TD0, gamma=GAMMA)
    updater = HardUpdate(loss_of, value_network_update_interval=PERIOD)
    optimiser = torch.optim.Adam(loss_of.parameters(), lr=RATE)
    memory = TensorDictReplayBuffer(storage=LazyTensorStorage(TRANSITIONS), batch_size=BATCH)
    end = torch.from_numpy(data.ends).unsqueeze(1)
    following = {"observation": torch.from_numpy(data.there), "reward": torch.from_numpy(data.rewards).unsqueeze(1)}
    memory.extend(
        TensorDict(
            {
                "observation": torch.from_numpy(data.here),
                "action": functional.one_hot(torch.from_numpy(data.actions), ACTIONS),
                "next": {**following, "done": end, "terminated": end},
            },
            [TRANSITIONS],
        )
    )

    def update(count: int) -> None:
        for _ in range(count):
            loss = loss_of(memory.sample())["loss"]
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(loss_of.parameters(), NORM)
            optimiser.step()
            updater.step()

    return update


def d3rlpy(data: Columns, *, double: bool) -> Contender:
    from d3rlpy.algos import DoubleDQNConfig, DQNConfig
    from d3rlpy.constants import ActionSpace
    from d3rlpy.dataset import MDPDataset
    from d3rlpy.logging import LOG
    from d3rlpy.models.encoders import VectorEncoderFactory

    LOG.disabled = True
    memory = MDPDataset(
        data.here,
        data.actions.reshape(-1, 1),
        data.rewards,
        data.ends,
        action_space=ActionSpace.DISCRETE,
        action_size=5,
    )
    algorithm = (DoubleDQNConfig if double else DQNConfig)(
        batch_size=BATCH,
        learning_rate=RATE,
        gamma=GAMMA,
        target_update_interval=PERIOD,
        encoder_factory=VectorEncoderFactory(list(HIDDEN)),
    ).create(device="cpu:0")
    algorithm.build_with_dataset(memory)

    def update(count: int) -> None:
        for _ in range(count):
            algorithm.update(memory.sample_transition_batch(BATCH))

    return update


def contenders(data: Columns) -> Iterator[tuple[str, str, Contender]]:
    """Name, whom it stands beside, and what it does."""
    yield OURS, PRODUCTS, ours(data, PLAIN)
    yield DOUBLE, OURS, ours(data, PLAIN._replace(double=True))
    yield DEFAULT, OURS, ours(data, Settings())
    yield PRODUCTS, OURS, products(data)
    yield "the specification's loop", OURS, specification(data)
    yield "CleanRL's loop (without clipping)", OURS, cleanrl(data)
    yield "Stable-Baselines3", OURS, stable_baselines3(data)
    for name, make in (
        ("Tianshou (without clipping)", tianshou),
        ("TorchRL", torchrl),
        ("d3rlpy (without clipping)", d3rlpy),
    ):
        yield f"{name}, plain", OURS, make(data, double=False)
        yield f"{name}, Double", DOUBLE, make(data, double=True)


def measure() -> list[dict[str, Any]]:
    torch.set_num_threads(1)
    known = list(contenders(columns()))
    rates: dict[str, list[float]] = {name: [] for name, _, _ in known}
    for _, _, update in known:
        update(UPDATES)
    order = random.Random(0)
    for _ in range(ROUNDS):
        # In another order each time: who comes after whom finds other things in the processor's caches.
        for name, _, update in order.sample(known, len(known)):
            began_s = time.process_time()
            update(UPDATES)
            rates[name].append(UPDATES / (time.process_time() - began_s))
    return [
        {
            "name": name,
            "value": round(statistics.median(rates[name]), 1),
            "unit": "updates/s",
            "compared_with": f"{_ratio(rates[name], rates[beside])} of {beside}",
        }
        for name, beside, _ in known
    ] + [
        {"name": library, "value": 0.0, "unit": "updates/s", "compared_with": f"not installed: {why}"}
        for library, why in compared.missing().items()
        if library != "cpprb"
    ]


def _ratio(rates: list[float], others: list[float]) -> str:
    """Of what was measured in the same round: the median, and the quarters around it."""
    low, middle, high = statistics.quantiles([one / other for one, other in zip(rates, others, strict=True)])
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    compared.deliver(measure())

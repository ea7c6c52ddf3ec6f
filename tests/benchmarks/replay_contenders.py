"""Replay buffers of others, and ours, behind one face: what the replay benchmark lets take turns.

Each is given its data in the form that it takes, made beforehand, and by the fastest way that its documentation has.
"""

import random
from collections import deque
from collections.abc import Iterator
from itertools import count, cycle
from threading import Lock
from typing import Any, Protocol

import numpy as np
import torch

from drlactors.learner.batch import Batch, Experiences
from drlactors.learner.prioritised import PrioritisedReplayBuffer
from drlactors.learner.replay_buffer import ReplayBuffer

FEATURES, CAPACITY, BATCH = 30, 100_000, 64
BLOCK = 32  # transitions that come together: the windows of one row of the log
_PREPARED = 64  # blocks, and single transitions, that are added in turn

Tensors = list[torch.Tensor]


class Contender(Protocol):
    def add(self) -> object:
        """One transition."""

    def add_block(self) -> object:
        """``BLOCK`` transitions, in one call where there is one for it."""

    def rebuild(self) -> object:
        """A new buffer, filled with all transitions."""

    def sample(self) -> Any:
        """``BATCH`` transitions, as this buffer hands them out."""

    def tensors(self) -> Tensors:
        """The same, as what an update takes: s_tm1, a_tm1, r_t, whether it goes on or its discount, s_t."""


class Prioritised(Protocol):
    def sample_and_update(self) -> object:
        """``BATCH`` transitions with their weights, and then new priorities for them."""


def transitions() -> Experiences:
    dice = np.random.default_rng(0)
    states = dice.random((CAPACITY + 1, FEATURES), dtype=np.float32)
    ends = np.arange(CAPACITY) % 100 == 99
    return Experiences(
        s_tm1=states[:-1],
        a_tm1=dice.integers(0, 5, CAPACITY).astype(np.int8),
        r_t=dice.normal(size=CAPACITY).astype(np.float32),
        discount_t=np.where(ends, 0, 0.99).astype(np.float32),
        s_t=states[1:],
        mask_tm1=np.full(CAPACITY, 31, np.uint8),
        mask_t=np.full(CAPACITY, 31, np.uint8),
        propensity=np.ones(CAPACITY, np.float32),
        session=np.arange(CAPACITY) // 100,
    )


def _blocks(data: Experiences, size: int) -> list[Experiences]:
    return [data.select(slice(at, at + size)) for at in range(0, _PREPARED * size, size)]


def errors() -> Iterator[np.ndarray]:
    dice = np.random.default_rng(1)
    return cycle([np.abs(dice.normal(size=BATCH)).astype(np.float32) for _ in range(_PREPARED)])


class Ours:
    kind = ReplayBuffer

    def __init__(self, data: Experiences) -> None:
        self._data = data
        self._ones, self._blocks = cycle(_blocks(data, 1)), cycle(_blocks(data, BLOCK))
        self._updates = count()
        self._buffer = self.rebuild()
        self._saved = self._buffer.state()

    def add(self) -> None:
        self._buffer.extend(next(self._ones))

    def add_block(self) -> None:
        self._buffer.extend(next(self._blocks))

    def rebuild(self) -> ReplayBuffer:
        buffer = self._empty()
        buffer.extend(self._data)
        return buffer

    def restore(self) -> ReplayBuffer:
        """From what ``state`` saved."""
        buffer = self._empty()
        buffer.restore(self._saved)
        return buffer

    def sample(self) -> Batch:
        return self._buffer.sample(BATCH, next(self._updates))

    def tensors(self) -> Tensors:
        batch = self.sample()
        return [torch.from_numpy(c) for c in (batch.s_tm1, batch.a_tm1, batch.r_t, batch.discount_t, batch.s_t)]

    def _empty(self) -> ReplayBuffer:
        return self.kind(FEATURES, seed=1, capacity=CAPACITY)


class OursPrioritised(Ours):
    kind = PrioritisedReplayBuffer
    _buffer: PrioritisedReplayBuffer

    def __init__(self, data: Experiences) -> None:
        super().__init__(data)
        self._errors = errors()

    def sample_and_update(self) -> None:
        batch = self.sample()
        self._buffer.update_priorities(batch.indices, next(self._errors))


class SpecifiedDeque:
    """The specification's: a deque of tuples under a lock, ``random.sample``, and a stack of each column."""

    def __init__(self, data: Experiences) -> None:
        self._data = data
        self._lock = Lock()
        self._buffer = self.rebuild()
        transitions = list(self._buffer)[: _PREPARED * BLOCK]
        self._ones = cycle(transitions)
        self._blocks = cycle([transitions[at : at + BLOCK] for at in range(0, len(transitions), BLOCK)])

    def add(self) -> None:
        self._add(self._buffer, *next(self._ones))

    def add_block(self) -> None:
        for transition in next(self._blocks):
            self._add(self._buffer, *transition)

    def rebuild(self) -> deque[Any]:
        data, buffer = self._data, deque[Any](maxlen=CAPACITY)
        states = [*data.s_tm1.copy(), data.s_t[-1]]
        numbers = (column.tolist() for column in (data.a_tm1, data.r_t, data.discount_t == 0))
        for state, action, reward, done, following in zip(states, *numbers, states[1:], strict=False):
            self._add(buffer, state, action, reward, following, done)
        return buffer

    def sample(self) -> Any:
        with self._lock:
            chosen = random.sample(self._buffer, BATCH)
        state, action, reward, following, done = zip(*chosen, strict=True)
        return np.stack(state), np.array(action), np.array(reward, np.float32), np.stack(following), np.array(done)

    def tensors(self) -> Tensors:
        return [torch.from_numpy(column) for column in self.sample()]

    def _add(self, buffer: deque[Any], state: Any, action: int, reward: float, following: Any, done: bool) -> None:
        with self._lock:
            buffer.append((state, action, reward, following, done))


class StableBaselines3:
    """Adds what as many environments saw in one step: blocks go to a buffer for ``BLOCK`` environments."""

    def __init__(self, data: Experiences) -> None:
        self._data = data
        self._buffer = self._empty(1)
        for block in _blocks(data, 1) * (CAPACITY // _PREPARED + 1):
            self._buffer.add(*self._form(block))
        self._many = self.rebuild()
        self._ones = cycle([self._form(block) for block in _blocks(data, 1)])
        self._blocks = cycle([self._form(block) for block in _blocks(data, BLOCK)])

    def add(self) -> None:
        self._buffer.add(*next(self._ones))

    def add_block(self) -> None:
        self._many.add(*next(self._blocks))

    def rebuild(self) -> Any:
        buffer = self._empty(BLOCK)
        for at in range(0, CAPACITY, BLOCK):
            buffer.add(*self._form(self._data.select(slice(at, at + BLOCK))))
        return buffer

    def sample(self) -> Any:
        return self._buffer.sample(BATCH)

    def tensors(self) -> Tensors:
        drawn = self.sample()
        return [drawn.observations, drawn.actions, drawn.rewards, drawn.dones, drawn.next_observations]

    @staticmethod
    def _form(block: Experiences) -> tuple[Any, ...]:
        infos: list[dict[str, Any]] = [{}] * len(block.a_tm1)
        return block.s_tm1, block.s_t, block.a_tm1, block.r_t, block.discount_t == 0, infos

    @staticmethod
    def _empty(environments: int) -> Any:
        from gymnasium.spaces import Box, Discrete
        from stable_baselines3.common.buffers import ReplayBuffer as Theirs

        seen = Box(0, 1, (FEATURES,), np.float32)
        return Theirs(CAPACITY, seen, Discrete(5), device="cpu", n_envs=environments, handle_timeout_termination=False)


class Tianshou:
    """Blocks go to a vector buffer, with a part for each of ``BLOCK`` environments."""

    def __init__(self, data: Experiences) -> None:
        self._data = data
        self._ones = cycle([self._form(block, 0) for block in _blocks(data, 1)])
        self._blocks = cycle([self._form(block) for block in _blocks(data, BLOCK)])
        self._many = self.rebuild()
        self._buffer = self._filled()

    def add(self) -> None:
        self._buffer.add(next(self._ones))

    def add_block(self) -> None:
        self._many.add(next(self._blocks))

    def rebuild(self) -> Any:
        from tianshou.data import VectorReplayBuffer

        buffer = VectorReplayBuffer(CAPACITY, BLOCK)
        for at in range(0, CAPACITY, BLOCK):
            buffer.add(self._form(self._data.select(slice(at, at + BLOCK))))
        return buffer

    def from_data(self) -> Any:
        """Takes arrays over without a look at them, as full as they are: here copies, since others copy as well."""
        from tianshou.data import ReplayBuffer as Theirs

        return Theirs.from_data(**{name: column.copy() for name, column in self._columns(self._data).items()})

    def sample(self) -> Any:
        return self._buffer.sample(BATCH)[0]

    def tensors(self) -> Tensors:
        drawn = self.sample()
        return [torch.from_numpy(c) for c in (drawn.obs, drawn.act, drawn.rew, drawn.terminated, drawn.obs_next)]

    def _filled(self) -> Any:
        return self.from_data()

    @staticmethod
    def _columns(block: Experiences) -> dict[str, Any]:
        done = block.discount_t == 0
        columns = {"obs": block.s_tm1, "act": block.a_tm1, "rew": block.r_t, "obs_next": block.s_t}
        return columns | {"terminated": done, "truncated": np.zeros_like(done), "done": done}

    def _form(self, block: Experiences, rows: Any = slice(None)) -> Any:
        from tianshou.data import Batch as Form

        return Form({name: column[rows] for name, column in self._columns(block).items() if name != "done"})


class TianshouPrioritised(Tianshou):
    def __init__(self, data: Experiences) -> None:
        super().__init__(data)
        self._errors = errors()

    def sample_and_update(self) -> None:
        _, indices = self._buffer.sample(BATCH)
        self._buffer.update_weight(indices, next(self._errors))

    def _filled(self) -> Any:
        from tianshou.data import PrioritizedReplayBuffer

        buffer = PrioritizedReplayBuffer(CAPACITY, alpha=0.6, beta=0.4)
        for _ in range(CAPACITY):
            buffer.add(next(self._ones))
        return buffer


class Cpprb:
    def __init__(self, data: Experiences) -> None:
        self._all = self._form(data)
        self._ones = cycle([self._form(block) for block in _blocks(data, 1)])
        self._blocks = cycle([self._form(block) for block in _blocks(data, BLOCK)])
        self._buffer = self.rebuild()

    def add(self) -> None:
        self._buffer.add(**next(self._ones))

    def add_block(self) -> None:
        self._buffer.add(**next(self._blocks))

    def rebuild(self) -> Any:
        buffer = self._empty()
        buffer.add(**self._all)
        return buffer

    def sample(self) -> Any:
        return self._buffer.sample(BATCH)

    def tensors(self) -> Tensors:
        drawn = self.sample()
        return [torch.from_numpy(drawn[name]) for name in ("obs", "act", "rew", "done", "next_obs")]

    def _empty(self) -> Any:
        from cpprb import ReplayBuffer as Theirs

        return Theirs(CAPACITY, self._columns())

    @staticmethod
    def _columns() -> dict[str, Any]:
        state: dict[str, Any] = {"shape": FEATURES, "dtype": np.float32}
        number: dict[str, Any] = {"dtype": np.float32}
        return {"obs": state, "act": {"dtype": np.int64}, "rew": number, "next_obs": state, "done": number}

    @staticmethod
    def _form(block: Experiences) -> dict[str, Any]:
        done = (block.discount_t == 0).astype(np.float32)
        return {"obs": block.s_tm1, "act": block.a_tm1, "rew": block.r_t, "next_obs": block.s_t, "done": done}


class CpprbPrioritised(Cpprb):
    def __init__(self, data: Experiences) -> None:
        super().__init__(data)
        self._errors = errors()

    def sample_and_update(self) -> None:
        drawn = self._buffer.sample(BATCH, beta=0.4)
        self._buffer.update_priorities(drawn["indexes"], next(self._errors))

    def _empty(self) -> Any:
        from cpprb import PrioritizedReplayBuffer

        return PrioritizedReplayBuffer(CAPACITY, self._columns(), alpha=0.6)


class TorchRL:
    def __init__(self, data: Experiences) -> None:
        self._all = self._form(data)
        self._ones = cycle([self._form(block)[0] for block in _blocks(data, 1)])
        self._blocks = cycle([self._form(block) for block in _blocks(data, BLOCK)])
        self._buffer = self.rebuild()

    def add(self) -> None:
        self._buffer.add(next(self._ones))

    def add_block(self) -> None:
        self._buffer.extend(next(self._blocks))

    def rebuild(self) -> Any:
        buffer = self._empty()
        buffer.extend(self._all)
        return buffer

    def sample(self) -> Any:
        return self._buffer.sample()

    def tensors(self) -> Tensors:
        drawn = self.sample()
        return [drawn[name] for name in ("obs", "act", "rew", "done", "next_obs")]

    def _empty(self) -> Any:
        from torchrl.data import LazyTensorStorage, TensorDictReplayBuffer

        return TensorDictReplayBuffer(storage=LazyTensorStorage(CAPACITY), batch_size=BATCH)

    @staticmethod
    def _form(block: Experiences) -> Any:
        from tensordict import TensorDict

        columns = {"obs": block.s_tm1, "act": block.a_tm1.astype(np.int64), "rew": block.r_t, "next_obs": block.s_t}
        columns |= {"done": block.discount_t == 0}
        tensors = {name: torch.from_numpy(column) for name, column in columns.items()}
        return TensorDict(tensors, batch_size=[len(block.a_tm1)])


class TorchRLPrioritised(TorchRL):
    def __init__(self, data: Experiences) -> None:
        super().__init__(data)
        self._errors = cycle([torch.from_numpy(next(errors())) for _ in range(_PREPARED)])

    def sample_and_update(self) -> None:
        drawn = self._buffer.sample()
        drawn["td_error"] = next(self._errors)
        self._buffer.update_tensordict_priority(drawn)

    def _empty(self) -> Any:
        from torchrl.data import LazyTensorStorage, TensorDictPrioritizedReplayBuffer

        storage = LazyTensorStorage(CAPACITY)
        return TensorDictPrioritizedReplayBuffer(alpha=0.6, beta=0.4, storage=storage, batch_size=BATCH)

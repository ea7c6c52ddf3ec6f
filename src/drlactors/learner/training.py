"""The training loop: updates from a replay buffer, watched over, and resumed exactly where a checkpoint stands."""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from drlactors.learner.agent import Agent, Settings
from drlactors.learner.batch import Experiences
from drlactors.learner.checkpoint import Checkpoint, CheckpointBroken, newest_first, read, write
from drlactors.learner.n_step import n_step
from drlactors.learner.occurrences import (
    BatchHalved,
    BatchSkipped,
    CheckpointNotWritten,
    CheckpointRefused,
    CheckpointWritten,
    FingerprintChanged,
    GradientExploded,
    Heard,
    Progressed,
    RolledBack,
)
from drlactors.learner.prioritised import PrioritisedReplayBuffer
from drlactors.learner.replay_buffer import ReplayBuffer
from drlactors.learner.reproducibility import fingerprint, one_thread

_BUFFER = "buffer."


class Diverged(Exception):
    """Batches stay unusable after every remedy: what the buffer holds cannot be learned from."""


class OtherTraining(ValueError):
    """What stands in the folder is of another training; the message says what differs."""


class Recovery(NamedTuple):
    """When what is done about updates that go wrong."""

    look: int = 100  # updates between two looks at losses and gradients
    good: int = 1000  # updates between two states to roll back to: a multiple of ``look``
    checkpoint: int = 10_000  # updates between two checkpoints, which hold the buffer, too: a multiple of ``good``
    exploded: float = 1000.0  # a gradient longer than this lowers the learning rate
    skipped: int = 10  # as many batches skipped between two looks, and the training rolls back
    rollbacks: int = 3  # to the same state; with one more, the training has diverged
    lower: float = 0.5  # what the learning rate is multiplied by
    least_rate: float = 1e-6
    least_batch: int = 8


DEFAULTS = Recovery()


class Training:
    """One agent that learns from one buffer.

    What it does depends on the number of each update alone: how updates are split into calls of ``learn``, and whether
    the process was killed and resumed from a checkpoint between them, changes no bit of the weights.
    """

    def __init__(
        self,
        agent: Agent,
        buffer: ReplayBuffer,
        heard: Heard,
        *,
        folder: Path | None = None,
        recovery: Recovery = DEFAULTS,
        of: str = "",
    ) -> None:
        """Checkpoints are files in ``folder``; without one there are none. ``of``: what is learned, and from what.

        Nothing is gone on with that was made of something else. Who fills the buffer anew as it goes on leaves it out.
        """
        if recovery.good % recovery.look or recovery.checkpoint % recovery.good:
            raise ValueError(f"{recovery}: checkpoint has to be a multiple of good, and good one of look")
        self.agent = agent
        self.position = 0  # of the log, up to which the buffer has been filled: the caller's, kept in checkpoints
        self._buffer = buffer
        self._heard = heard
        self._folder = folder
        self._recovery = recovery
        self._of = of
        self._batch = agent.settings.batch
        # Written on the device and read once a look: nobody waits for a GPU in between.
        self._losses = torch.zeros(recovery.look, device=agent.device)
        self._norms = torch.zeros(recovery.look, device=agent.device)
        self._good = _copies(agent.tensors())
        self._good_update = agent.updates
        self._rollbacks = 0

    @property
    def loss(self) -> float:
        """Mean of the newest updates, at most as many as a look reads, without skipped ones; resumed, it is the same.

        Not a number before the first one.
        """
        newest = slice(min(self.agent.updates, self._recovery.look))
        losses = self._losses[newest]
        return losses[torch.isfinite(losses + self._norms[newest])].mean().item()

    def add(self, experiences: Experiences) -> None:
        """Add whole sessions, as returns over the steps of the settings. Raises what ``ReplayBuffer.extend`` raises."""
        self._buffer.extend(n_step(experiences, self.agent.settings.steps))

    def refill(self, experiences: Experiences, position: int) -> None:
        """Let the buffer hold these instead, as ``add`` takes them: what the log teaches up to ``position``."""
        self._buffer.clear()
        self.add(experiences)
        self.position = position

    def learn(self, updates: int) -> int:
        """Do so many updates, or none while the buffer holds less than a batch; returns how many were done.

        Raises Diverged, and the error of whoever had no memory for the smallest batch.
        """
        if not self._buffer.ready(self.agent.settings.batch):
            return 0
        with one_thread():
            for _ in range(updates):
                self._update()
                if self.agent.updates % self._recovery.look == 0:
                    self._look()
                if self.agent.updates % self._recovery.checkpoint == 0:
                    self.keep()
                elif self.agent.updates % self._recovery.good == 0:
                    self._remember()
        return updates

    def keep(self) -> None:
        """Make a checkpoint of this moment: to roll back to, and where there is a folder to resume from."""
        self._remember()
        if self._folder is None:
            return
        try:
            path = write(self._folder, self._checkpoint())
        except OSError as error:
            self._heard(CheckpointNotWritten(updates=self.agent.updates, because=str(error)))
        else:
            self._heard(CheckpointWritten(updates=self.agent.updates, path=path))

    def resume(self) -> bool:
        """Go on from the newest sound checkpoint in the folder, with the buffer as it was; False where there is none.

        Raises OtherTraining when that was made with other settings or of something else, and ValueError for a buffer
        of another shape.
        """
        for file in newest_first(self._folder) if self._folder else ():
            try:
                checkpoint = read(file)
            except CheckpointBroken as error:
                self._heard(CheckpointRefused(because=str(error)))
            else:
                self._take(checkpoint)
                return True
        return False

    def _update(self) -> None:
        while True:
            try:
                batch = self._buffer.sample(self._batch, self.agent.updates)
                done = self.agent.update(batch)
                break
            except (MemoryError, RuntimeError) as error:
                if not _no_memory(error) or self._batch // 2 < self._recovery.least_batch:
                    raise
                self._batch //= 2
                self._heard(BatchHalved(update=self.agent.updates + 1, batch=self._batch, because=str(error)))
        if isinstance(self._buffer, PrioritisedReplayBuffer):
            td_errors = done.td_error.cpu()
            if td_errors.isfinite().all():
                self._buffer.update_priorities(batch.indices, td_errors.numpy())
        slot = (self.agent.updates - 1) % self._recovery.look
        self._losses[slot], self._norms[slot] = done.loss, done.norm

    def _remember(self) -> None:
        """Take the state of this moment for a good one, unless a weight is not finite."""
        state = _copies(self.agent.tensors())
        if all(tensor.isfinite().all() for tensor in state.values()):
            self._good, self._good_update, self._rollbacks = state, self.agent.updates, 0
        else:
            self._roll_back()

    def _look(self) -> None:
        """Read what the updates since the last look found, say it, and do something about it."""
        updates, recovery = self.agent.updates, self._recovery
        usable = torch.isfinite(self._losses + self._norms)
        first = updates - recovery.look + 1
        for slot in torch.nonzero(~usable).flatten().tolist():
            self._heard(
                BatchSkipped(update=first + slot, loss=self._losses[slot].item(), norm=self._norms[slot].item())
            )
        if len(usable) - int(usable.sum()) >= recovery.skipped:
            self._roll_back()
        elif (longest := torch.where(usable, self._norms, 0.0).max().item()) > recovery.exploded:
            self._lower()
            slot = int(torch.where(usable, self._norms, 0.0).argmax())
            self._heard(GradientExploded(update=first + slot, norm=longest, learning_rate=self.agent.learning_rate))
        self._heard(
            Progressed(
                updates=updates,
                loss=self._losses[usable].mean().item(),
                norm=self._norms[usable].mean().item(),
                learning_rate=self.agent.learning_rate,
                batch=self._batch,
                epsilon=self.agent.settings.epsilon(updates),
            )
        )

    def _roll_back(self) -> None:
        """Weights and moments go back, the number of updates goes on: the batches to come are others."""
        if self._rollbacks == self._recovery.rollbacks:
            raise Diverged(f"at update {self.agent.updates}, after {self._rollbacks} rollbacks to {self._good_update}")
        self._rollbacks += 1
        for name, tensor in self.agent.tensors().items():
            tensor.copy_(self._good[name])
        self._lower()
        self._heard(RolledBack(update=self.agent.updates, to=self._good_update, learning_rate=self.agent.learning_rate))

    def _lower(self) -> None:
        self.agent.learning_rate = max(self.agent.learning_rate * self._recovery.lower, self._recovery.least_rate)

    def _checkpoint(self) -> Checkpoint:
        buffer = {_BUFFER + name: torch.from_numpy(array) for name, array in self._buffer.state().items()}
        looked = {"losses": self._losses, "norms": self._norms}
        facts = {
            "updates": self.agent.updates,
            "learning_rate": self.agent.learning_rate,
            "batch": self._batch,
            "position": self.position,
            "of": self._of,
            "settings": self.agent.settings._asdict(),
            "fingerprint": fingerprint(self.agent.device),
        }
        return Checkpoint(self._good | looked | buffer, facts)

    def _take(self, checkpoint: Checkpoint) -> None:
        tensors, facts = checkpoint
        made_with = Settings(**facts["settings"] | {"hidden": tuple(facts["settings"]["hidden"])})
        if made_with != self.agent.settings:
            raise OtherTraining(f"the checkpoint was made with {made_with}, not {self.agent.settings}")
        if facts.get("of", "") != self._of:
            raise OtherTraining("the checkpoint was made of other experiences, or judged by other sessions")
        kept = {name.removeprefix(_BUFFER): t.numpy() for name, t in tensors.items() if name.startswith(_BUFFER)}
        self._buffer.restore(kept)
        for name, tensor in (self.agent.tensors() | {"losses": self._losses, "norms": self._norms}).items():
            tensor.copy_(tensors[name])
        self.agent.updates, self.agent.learning_rate = facts["updates"], facts["learning_rate"]
        self._batch, self.position = facts["batch"], facts["position"]
        self._remember()
        if (now := fingerprint(self.agent.device)) != facts["fingerprint"]:
            self._heard(FingerprintChanged(was=facts["fingerprint"], is_now=now))


def _copies(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def _no_memory(error: MemoryError | RuntimeError) -> bool:
    """PyTorch has an error of its own for the GPU's memory, and none for the machine's."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in str(error)

"""Training begins, looks, recovers and resumes as it says it does, and tells each of it."""

import resource
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch

from drlactors.learner.agent import PLAIN, Agent, Settings
from drlactors.learner.batch import Experiences
from drlactors.learner.n_step import n_step
from drlactors.learner.occurrences import (
    BatchHalved,
    BatchSkipped,
    CheckpointNotWritten,
    CheckpointRefused,
    CheckpointWritten,
    FingerprintChanged,
    GradientExploded,
    Progressed,
    RolledBack,
)
from drlactors.learner.prioritised import PrioritisedReplayBuffer
from drlactors.learner.replay_buffer import ReplayBuffer
from drlactors.learner.training import Diverged, Recovery, Training
from tests.unit.learner import mdp

FEATURES = 6
SMALL = PLAIN._replace(hidden=(16,), learning_rate=1e-3, target_period=20)
OFTEN = Recovery(look=10, good=20, checkpoint=40)


def agent(settings: Settings = SMALL, seed: int = 0) -> Agent:
    return Agent(settings, FEATURES, seed=seed, device=torch.device("cpu"))


def training(heard, buffer=None, *, settings: Settings = SMALL, recovery=OFTEN, folder=None, seed=0) -> Training:
    full = mdp.filled(mdp.random_experiences(500)) if buffer is None else buffer
    return Training(agent(settings, seed), full, heard.append, folder=folder, recovery=recovery)


def same(first: Training, second: Training) -> bool:
    ours, theirs = first.agent.tensors(), second.agent.tensors()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def overflowing(count: int) -> Experiences:
    """Finite rewards, so that the buffer takes them, of which a mean overflows."""
    return mdp.random_experiences(count)._replace(r_t=np.full(count, 3e38, dtype=np.float32))


def of(kind, heard):
    return [occurrence for occurrence in heard if isinstance(occurrence, kind)]


def test_training_begins_with_the_64th_experience():
    buffer = ReplayBuffer(FEATURES, seed=0)
    one = training([], buffer)
    one.add(mdp.random_experiences(63))
    assert one.learn(5) == 0
    one.add(mdp.random_experiences(1))
    assert one.learn(5) == 5
    assert one.agent.updates == 5


def test_what_is_added_is_returns_over_the_steps_of_the_settings():
    buffer = ReplayBuffer(FEATURES, seed=0)
    session = mdp.random_experiences(8)._replace(session=np.zeros(8, dtype=np.int64))
    training([], buffer, settings=SMALL._replace(steps=3)).add(session)
    drawn = buffer.sample(64, 0)
    np.testing.assert_array_equal(drawn.r_t, n_step(session, 3).r_t[drawn.indices])


def test_how_updates_are_split_into_calls_changes_no_bit():
    whole, parts = training([]), training([])
    whole.learn(100)
    for updates in (1, 30, 9, 45, 15):
        parts.learn(updates)
    assert same(whole, parts)


@pytest.mark.parametrize(
    "settings", [SMALL, Settings(hidden=(16,), conservative=0.3, dueling=True)], ids=["plain", "all"]
)
def test_one_seed_gives_the_same_bits_and_another_gives_others(settings):
    first, again, other = (training([], settings=settings, seed=seed) for seed in (0, 0, 1))
    for one in (first, again, other):
        one.learn(50)
    assert same(first, again)
    assert not same(first, other)


def test_progress_is_told_at_each_look():
    heard: list = []
    training(heard).learn(35)
    told = of(Progressed, heard)
    assert [one.updates for one in told] == [10, 20, 30]
    assert all(np.isfinite([one.loss, one.norm]).all() for one in told)
    assert told[0].epsilon == pytest.approx(1 - 0.9 * 10 / 5000)
    with pytest.raises(FrozenInstanceError):
        told[0].loss = 0.0


def test_a_skipped_batch_is_told_with_its_number_and_changes_nothing():
    heard: list = []
    sound, bad = mdp.random_experiences(500), overflowing(500)
    buffer = mdp.filled(sound)
    one = training(heard, buffer)
    one.learn(3)
    buffer.restore(mdp.filled(bad).state())
    before = one.agent.ranking.rank(np.ones((1, FEATURES), dtype=np.float32))
    one.learn(2)
    np.testing.assert_array_equal(one.agent.ranking.rank(np.ones((1, FEATURES), dtype=np.float32)), before)
    buffer.restore(mdp.filled(sound).state())
    one.learn(5)
    assert [skipped.update for skipped in of(BatchSkipped, heard)] == [4, 5]
    assert np.isinf(of(BatchSkipped, heard)[0].loss)
    assert np.isfinite(of(Progressed, heard)[0].loss)
    assert not of(RolledBack, heard)


def test_repeated_bad_batches_roll_back_to_good_weights_and_lower_the_rate():
    heard: list = []
    sound = mdp.filled(mdp.random_experiences(500)).state()
    buffer = mdp.filled(mdp.random_experiences(500))
    one = training(heard, buffer)
    one.learn(20)
    good = {name: tensor.detach().clone() for name, tensor in one.agent.tensors().items()}
    one.learn(10)
    buffer.restore(mdp.filled(overflowing(500)).state())
    one.learn(10)
    assert of(RolledBack, heard) == [RolledBack(update=40, to=20, learning_rate=SMALL.learning_rate / 2)]
    assert all(torch.equal(tensor, good[name]) for name, tensor in one.agent.tensors().items())
    buffer.restore(sound)
    one.learn(40)
    assert one.agent.updates == 80
    assert np.isfinite(of(Progressed, heard)[-1].loss)


def test_experiences_that_nothing_can_be_learned_from_end_the_training():
    heard: list = []
    with pytest.raises(Diverged, match="after 3 rollbacks to 0"):
        training(heard, mdp.filled(overflowing(500)), recovery=Recovery(look=10, good=1000, checkpoint=1000)).learn(100)
    assert len(of(RolledBack, heard)) == 3


def test_an_explosion_is_shortened_and_lowers_the_rate():
    heard: list = []
    steep = mdp.random_experiences(500)
    steep.s_tm1[:] *= 1e6
    one = training(heard, mdp.filled(steep))
    one.learn(10)
    (exploded,) = of(GradientExploded, heard)
    assert exploded.norm > OFTEN.exploded
    assert exploded.learning_rate == one.agent.learning_rate == SMALL.learning_rate / 2
    assert all(tensor.isfinite().all() for tensor in one.agent.tensors().values())


def test_the_rate_is_lowered_to_its_floor_only():
    heard: list = []
    steep = mdp.random_experiences(500)
    steep.s_tm1[:] *= 1e6
    training(heard, mdp.filled(steep), recovery=OFTEN._replace(least_rate=4e-4)).learn(40)
    assert [one.learning_rate for one in of(GradientExploded, heard)] == [5e-4, 4e-4, 4e-4, 4e-4]


class Crowded(ReplayBuffer):
    """A machine with memory for ``room`` transitions a batch."""

    room = 16

    def sample(self, batch, update):
        if batch > self.room:
            self.refuse()
        return super().sample(batch, update)

    def refuse(self):
        raise MemoryError("no memory for the batch")


class CrowdedTorch(Crowded):
    def refuse(self):
        torch.empty(1 << 60)  # what PyTorch says when the machine has no more is its own


@pytest.mark.parametrize("kind", [Crowded, CrowdedTorch])
def test_short_memory_halves_the_batch_and_training_goes_on(kind):
    heard: list = []
    buffer = kind(FEATURES, seed=0)
    buffer.extend(mdp.random_experiences(500))
    one = training(heard, buffer)
    assert one.learn(10) == 10
    assert [(halved.update, halved.batch) for halved in of(BatchHalved, heard)] == [(1, 32), (1, 16)]
    assert "memory" in of(BatchHalved, heard)[0].because
    assert of(Progressed, heard)[0].batch == 16


def test_memory_for_not_even_the_smallest_batch_is_the_end():
    buffer = Crowded(FEATURES, seed=0)
    buffer.room = 4
    buffer.extend(mdp.random_experiences(500))
    with pytest.raises(MemoryError):
        training([], buffer).learn(1)


def test_another_error_is_not_taken_for_one_of_memory():
    heard: list = []
    buffer = ReplayBuffer(FEATURES + 1, seed=0)
    buffer.extend(mdp.random_experiences(500, FEATURES + 1))
    with pytest.raises(RuntimeError, match="shape"):
        training(heard, buffer).learn(1)
    assert not heard


@pytest.mark.parametrize("kind", [ReplayBuffer, PrioritisedReplayBuffer])
@pytest.mark.parametrize(
    "settings", [SMALL, Settings(hidden=(16,), dueling=True, target_period=30)], ids=["plain", "all"]
)
def test_a_resumed_training_goes_on_bit_for_bit(kind, settings, tmp_path):
    def buffer():
        made = kind(FEATURES, seed=3)
        made.extend(mdp.random_experiences(500))
        return made

    whole = training([], buffer(), settings=settings)
    whole.learn(130)
    heard: list = []
    cut = training(heard, buffer(), settings=settings, folder=tmp_path)
    cut.position = 77
    cut.learn(93)
    assert [written.updates for written in of(CheckpointWritten, heard)] == [40, 80]
    again = training(heard, kind(FEATURES, seed=3), settings=settings, folder=tmp_path, seed=9)
    assert again.resume()
    assert (again.agent.updates, again.position) == (80, 77)
    again.learn(50)
    assert same(whole, again)


def test_lowered_rate_and_halved_batch_are_resumed_too(tmp_path):
    steep = mdp.random_experiences(500)
    steep.s_tm1[:] *= 1e6
    crowded = Crowded(FEATURES, seed=0)
    crowded.extend(steep)
    first = training([], crowded, folder=tmp_path)
    first.learn(40)
    again = training([], ReplayBuffer(FEATURES, seed=0), folder=tmp_path)
    assert again.resume()
    assert again.agent.learning_rate == first.agent.learning_rate < SMALL.learning_rate
    heard: list = []
    first.learn(20)
    again.learn(20)
    assert same(first, again)
    assert not heard


def test_a_broken_checkpoint_is_told_and_the_one_before_it_is_taken(tmp_path):
    one = training([], folder=tmp_path)
    one.learn(80)
    newest = max(tmp_path.iterdir())
    newest.write_bytes(newest.read_bytes()[:-1])
    heard: list = []
    again = training(heard, folder=tmp_path)
    assert again.resume()
    assert again.agent.updates == 40
    (refused,) = of(CheckpointRefused, heard)
    assert newest.name in refused.because
    assert "sha256" in refused.because


def test_without_a_sound_checkpoint_training_begins_anew(tmp_path):
    assert not training([], folder=tmp_path / "none").resume()
    assert not training([]).resume()
    (tmp_path / f"{1:012d}-{'0' * 64}.safetensors").write_bytes(b"nothing")
    heard: list = []
    assert not training(heard, folder=tmp_path).resume()
    assert of(CheckpointRefused, heard)


def test_other_settings_are_refused_and_nothing_is_changed(tmp_path):
    training([], folder=tmp_path).learn(40)
    other, fresh = (training([], settings=SMALL._replace(double=True), folder=tmp_path) for _ in range(2))
    with pytest.raises(ValueError, match="double=False"):
        other.resume()
    assert same(other, fresh)


def test_a_disk_that_refuses_stops_no_training(tmp_path):
    file = tmp_path / "file"
    file.touch()
    heard: list = []
    assert training(heard, folder=file / "below").learn(40) == 40
    (refused,) = of(CheckpointNotWritten, heard)
    assert "directory" in refused.because.lower()


def test_a_checkpoint_that_the_disk_has_no_room_for_leaves_nothing_on_it(tmp_path):
    heard: list = []
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        assert training(heard, folder=tmp_path).learn(40) == 40
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(of(CheckpointNotWritten, heard)) == 1
    assert list(tmp_path.iterdir()) == []


def test_resuming_where_other_bits_are_computed_is_told(tmp_path, monkeypatch):
    training([], folder=tmp_path).learn(40)
    monkeypatch.setattr(torch, "__version__", "9.9")
    heard: list = []
    assert training(heard, folder=tmp_path).resume()
    (changed,) = of(FingerprintChanged, heard)
    assert "torch 9.9" in changed.is_now
    assert "torch 9.9" not in changed.was


@pytest.mark.parametrize("wrong", [{"good": 25}, {"checkpoint": 50}])
def test_intervals_that_do_not_meet_are_refused(wrong):
    with pytest.raises(ValueError, match="multiple"):
        training([], recovery=OFTEN._replace(**wrong))

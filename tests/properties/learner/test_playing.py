"""However a session is played, its rewards are the same: step by step, from the log, and among thousands at once."""

from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drlactors.domain.experience import Experience, experiences
from drlactors.domain.permission import Rules
from drlactors.domain.telemetry import Telemetry, Window
from drlactors.learner.environment import TraceEnvironment
from drlactors.learner.evaluation import OVER, Rank, play
from drlactors.learner.transitions import Sample, Task, table
from tests.unit.learner.samples import TASK


def window(skipped: int, window_ms: int, syscalls: int | None, writes: int | None, cpu: float | None) -> Window:
    """``skipped`` stands for its number until ``numbered`` puts it among others."""
    seen = Telemetry(syscall_count=syscalls, file_write_count=writes, cpu_usage=cpu)
    return Window(seq=skipped, window_ms=window_ms, observed_us=0, telemetry=seen)


def numbered(windows: list[Window]) -> tuple[Window, ...]:
    """In sequence; some were lost."""
    lost = accumulate(one.seq for one in windows)
    return tuple(one._replace(seq=at + before) for at, (one, before) in enumerate(zip(windows, lost, strict=True)))


WINDOWS = st.lists(
    st.builds(
        window,
        st.integers(0, 1),
        st.integers(1, 5000),
        st.none() | st.integers(0, 10**6),
        st.none() | st.integers(0, 10**5),
        st.none() | st.floats(0, 2),
    ),
    min_size=1,
    max_size=6,
).map(numbered)
SESSIONS = st.builds(lambda windows, malicious: Sample(windows, malicious, "a"), WINDOWS, st.booleans())
SAMPLES = st.lists(SESSIONS, max_size=5)
TASKS = st.builds(
    lambda rules, review: TASK._replace(rules=rules, review_windows=review),
    st.builds(
        Rules,
        isolation_steps=st.integers(0, 3),
        isolation_before_quarantine=st.integers(0, 1),
        reviews=st.integers(0, 2),
        windows_before_final=st.integers(1, 3),
        lost_windows_before_final=st.integers(0, 1),
    ),
    st.none() | st.integers(1, 3),
)


def ranking(seed: int, *, reluctant: bool) -> Rank:
    """Some function of the state that gives a row the same values in any company; final actions seldom on demand."""
    weights = np.random.default_rng(seed).normal(size=(len(TASK.schema.names), 5)).astype(np.float32)
    offset = np.array([0, 0, -2, -2, 0], dtype=np.float32) * reluctant
    return lambda vectors: (vectors[:, :, None] * weights).sum(axis=1) + offset


def played(environment: TraceEnvironment, index: int, rank: Rank) -> tuple[list[float], list[int], bool]:
    """Rewards and actions of one session, step by step, and whether it was cut off."""
    observation, info = environment.reset(options={"sample": index})
    rewards, actions, over, truncated = [], [], False, False
    while not (over or truncated):
        values = np.where(info["mask"], rank(observation[None])[0], -np.inf)
        observation, worth, over, truncated, info = environment.step(np.int64(values.argmax()))
        rewards.append(worth)
        actions.append(info["action"])
    assert not (over and truncated)
    return rewards, actions, truncated


def log_of(environment: TraceEnvironment, sample: Sample, task: Task) -> tuple[Experience, ...]:
    return experiences(environment.events, malicious=sample.malicious, weights=task.weights, gamma=task.gamma)


@settings(max_examples=200, deadline=None)
@given(SAMPLES, TASKS, st.integers(0, 10**6), st.booleans())
def test_many_at_once_are_played_as_one_by_one(samples: list[Sample], task: Task, seed: int, reluctant: bool):
    rank = ranking(seed, reluctant=reluctant)
    together = play(rank, table(samples, task), task.rules.reviews)
    assert len(together.reward) == len(samples)
    for index in range(len(samples)):
        environment = TraceEnvironment(samples, task)
        rewards, actions, _ = played(environment, index, rank)
        assert together.reward[index] == pytest.approx(sum(rewards), abs=1e-4)
        padded = together.actions[index].tolist()
        assert padded == actions + [OVER] * (len(padded) - len(actions))
        state = environment.state
        assert together.ended_s[index] == pytest.approx(state.progress.elapsed_ms / 1000)
        assert together.stopped[index] == (state.response.final is not None)
        assert together.reviews[index] == state.response.reviews


@settings(max_examples=200, deadline=None)
@given(SESSIONS, TASKS, st.integers(0, 10**6), st.booleans())
def test_an_episode_has_the_rewards_of_its_log(sample: Sample, task: Task, seed: int, reluctant: bool):
    """Windows watched until a person's answer are part of the step that asked."""
    environment = TraceEnvironment([sample], task)
    rewards, actions, _ = played(environment, 0, ranking(seed, reluctant=reluctant))
    learned = log_of(environment, sample, task)
    last = len(rewards) - 1
    assert [one.r_t for one in learned[:last]] == pytest.approx(rewards[:last])
    assert sum(one.r_t for one in learned[last:]) == pytest.approx(rewards[last])
    assert [int(one.a_tm1) for one in learned[: last + 1]] == actions
    assert [one.discount_t for one in learned] == [task.gamma] * (len(learned) - 1) + [0.0]


@settings(max_examples=100, deadline=None)
@given(SESSIONS, TASKS, st.integers(0, 10**6), st.integers(1, 6))
def test_an_episode_that_is_cut_off_has_the_rewards_of_its_log_so_far(sample: Sample, task: Task, seed: int, most: int):
    """The log has no experience of the last decision: what it led to is in the truncated step only."""
    environment = TraceEnvironment([sample], task, max_windows=most)
    rewards, _, truncated = played(environment, 0, ranking(seed, reluctant=True))
    if truncated:
        assert len(rewards) == most
        assert [one.r_t for one in log_of(environment, sample, task)] == pytest.approx(rewards[:-1])
    else:
        assert len(rewards) <= most

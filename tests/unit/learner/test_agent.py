"""The agent solves what can be solved by hand, takes the steps of a plain loop, and steps over what is not finite."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from drlactors.domain.action import Action
from drlactors.learner.agent import PLAIN, Agent, Settings
from drlactors.learner.batch import Experiences
from drlactors.learner.methods import LIVE
from drlactors.learner.training import Training
from tests.unit.learner import mdp

QUICK = PLAIN._replace(hidden=(32,), learning_rate=3e-3, target_period=50)
METHODS = {
    "plain": QUICK,
    "double": QUICK._replace(double=True),
    "dueling": QUICK._replace(dueling=True),
    "BCQ": QUICK._replace(support=0.3),
}


def solved(settings: Settings, experiences: Experiences, updates: int = 1500) -> Agent:
    agent = Agent(settings, mdp.STATES, seed=1, device=torch.device("cpu"))
    Training(agent, mdp.filled(experiences), lambda _: None).learn(updates)
    return agent


@pytest.mark.parametrize("method", METHODS)
def test_a_small_decision_problem_is_solved_to_its_known_values(method):
    agent = solved(METHODS[method], mdp.experiences(20))
    found = agent.ranking.q(torch.eye(mdp.STATES))
    for (window, action), value in mdp.values().items():
        assert found[window, action].item() == pytest.approx(value, abs=0.03), (window, action)


@pytest.mark.parametrize("weight", [0.3, 1.0])
def test_the_conservative_penalty_lowers_what_the_log_never_did(weight):
    never = (2, Action.TERMINATE)
    settings = QUICK._replace(conservative=weight)
    found = solved(settings, mdp.experiences(20, without=(never,))).ranking.rank(np.eye(mdp.STATES, dtype=np.float32))
    assert found[never] < found[2, Action.CONTINUE]


def test_bcq_values_what_the_online_network_picks_among_what_has_support():
    """As the paper has it: Double Q-learning, and a threshold of 0.3."""
    assert (LIVE.double, LIVE.support) == (True, 0.3)


def test_bcq_does_not_choose_what_the_log_never_did():
    never = (2, Action.TERMINATE)
    agent = solved(QUICK._replace(support=0.3), mdp.experiences(20, without=(never,)))
    agent.tensors()["online.q.2.bias"][Action.TERMINATE] += 50.0  # an error that its value may well have
    found = agent.ranking.rank(np.eye(mdp.STATES, dtype=np.float32))
    assert found[never] < found[2, Action.CONTINUE]
    assert found[1, Action.TERMINATE] > found[1, Action.CONTINUE]  # this one is in the log


def test_updates_are_those_of_a_plain_loop():
    """torch.optim.Adam, clip_grad_norm_ and a loss written out: what is folded together here changes nothing."""
    settings = PLAIN._replace(hidden=(16,), largest_norm=0.05, learning_rate=1e-2, target_period=10)
    agent = Agent(settings, 6, seed=3, device=torch.device("cpu"))
    online, target = (
        torch.nn.Sequential(torch.nn.Linear(6, 16), torch.nn.ReLU(), torch.nn.Linear(16, 5)) for _ in "ab"
    )
    for plain in (online, target):
        plain.load_state_dict(agent.ranking.q.state_dict())
    optimiser = torch.optim.Adam(online.parameters(), lr=settings.learning_rate)
    for number in range(40):
        batch = mdp.batch(mdp.random_experiences(64, seed=number))
        with torch.no_grad():
            q_t = target(torch.from_numpy(batch.s_t)).masked_fill(~torch.from_numpy(batch.mask_t), -torch.inf)
            wanted = torch.from_numpy(batch.r_t) + torch.from_numpy(batch.discount_t) * q_t.max(dim=1).values
        q_tm1 = online(torch.from_numpy(batch.s_tm1))[torch.arange(64), torch.from_numpy(batch.a_tm1)]
        loss = functional.huber_loss(q_tm1, wanted)
        optimiser.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(online.parameters(), settings.largest_norm)
        optimiser.step()
        if number % 10 == 9:
            target.load_state_dict(online.state_dict())
        done = agent.update(batch)
        assert done.loss.item() == pytest.approx(loss.item(), rel=1e-4)
        assert done.norm.item() == pytest.approx(norm.item(), rel=1e-3)
    for ours, theirs in zip(agent.ranking.q.parameters(), online.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


POISONED = [
    ("r_t", np.nan),
    ("r_t", np.inf),
    ("s_tm1", np.nan),
    ("s_t", np.nan),
    ("discount_t", np.inf),
    ("weights", np.nan),
]


@pytest.mark.parametrize("settings", [PLAIN, Settings(), Settings(support=0.0, conservative=0.3)], ids=repr)
@pytest.mark.parametrize(("column", "value"), POISONED)
def test_a_batch_that_is_not_finite_changes_no_bit(settings, column, value):
    agent = Agent(settings._replace(hidden=(16,)), 6, seed=0, device=torch.device("cpu"))
    agent.update(mdp.batch(mdp.random_experiences(64)))
    before = {name: tensor.detach().clone() for name, tensor in agent.tensors().items()}
    bad = mdp.batch(mdp.random_experiences(64, seed=1))
    getattr(bad, column)[7] = value
    done = agent.update(bad)
    assert not (done.loss + done.norm).isfinite()
    for name, tensor in agent.tensors().items():
        assert torch.equal(tensor, before[name]), name


def test_an_infinite_gradient_is_seen_before_it_is_shortened():
    agent = Agent(PLAIN._replace(hidden=(16,)), 6, seed=0, device=torch.device("cpu"))
    steep = mdp.batch(mdp.random_experiences(64, seed=1))
    steep.s_tm1[:] = 3e38
    steep.weights[:] = 1e-30
    before = agent.ranking.rank(np.ones((1, 6), dtype=np.float32))
    assert not agent.update(steep).norm.isfinite()
    np.testing.assert_array_equal(agent.ranking.rank(np.ones((1, 6), dtype=np.float32)), before)


def test_the_target_network_stays_between_its_periods():
    agent = Agent(PLAIN._replace(hidden=(16,), target_period=5), 6, seed=0, device=torch.device("cpu"))
    changed = []
    for number in range(10):
        before = agent.tensors()["target.0.weight"].clone()
        agent.update(mdp.batch(mdp.random_experiences(64, seed=number)))
        changed.append(not torch.equal(agent.tensors()["target.0.weight"], before))
    assert changed == [False] * 4 + [True] + [False] * 4 + [True]


def test_the_specification_has_its_network_and_its_numbers():
    agent = Agent(PLAIN, 30, seed=0, device=torch.device("cpu"))
    assert (PLAIN.batch, PLAIN.learning_rate, PLAIN.target_period) == (64, 1e-4, 1000)
    layers = [layer for layer in agent.ranking.q.modules() if isinstance(layer, torch.nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in layers] == [(30, 256), (256, 256), (256, 5)]
    for layer in layers:
        bound = (6 / (layer.in_features + layer.out_features)) ** 0.5
        assert layer.weight.abs().max() <= bound
        assert layer.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)
        assert not layer.bias.any()


def test_exploration_goes_down_in_a_line_and_stays():
    assert [Settings().epsilon(update) for update in (0, 2500, 5000, 9000)] == pytest.approx([1.0, 0.55, 0.1, 0.1])


def test_one_seed_makes_one_network_and_another_seed_another():
    first, again, other = (Agent(PLAIN, 6, seed=seed).tensors()["online.q.0.weight"] for seed in (4, 4, 5))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)

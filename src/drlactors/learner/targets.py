"""What an update learns from, and what it loses by: pure functions on the tensors of one batch.

Shapes are (batch,) for a_tm1, r_t, discount_t and weights, (batch, actions) for values, logits and masks. Every row has
at least one permitted action. The discount of s_t comes with the data: 0 at a true end, gamma after one step, and
gamma^k where r_t is the return of k steps, so that one formula serves one step and n.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

#: What an action without support is put back by: more than values differ, and float32 still orders them to 0.001.
PENALTY = 1e4
#: Weight of the mean squared logit in the loss of the behaviour model, from the BCQ authors' implementation.
SHRINKAGE = 1e-2


def greedy(values: Tensor, mask: Tensor) -> Tensor:
    """The permitted action of the highest value, (batch,); of equals the lowest number, as permission.best has it."""
    return torch.where(mask, values, -torch.inf).argmax(dim=1)


def of(values: Tensor, actions: Tensor) -> Tensor:
    """The value of one action in each row, (batch,)."""
    return values.gather(1, actions.unsqueeze(1)).squeeze(1)


def bootstrapped(r_t: Tensor, discount_t: Tensor, q_t: Tensor, selector_t: Tensor, mask_t: Tensor) -> Tensor:
    """r_t + discount_t * q_t(a*), where a* is what ``selector_t`` ranks first among the permitted actions of s_t.

    With ``selector_t = q_t`` this is Q-learning's masked maximum (Mnih et al. 2015); with the online network's values
    it is Double Q-learning (van Hasselt, Guez, and Silver 2016, equation 4); with ``supported`` ones BCQ's. The value
    is taken from ``q_t`` itself: nothing infinite is ever multiplied by a discount of 0.
    """
    return r_t + discount_t * of(q_t, greedy(selector_t, mask_t))


def supported(values: Tensor, logits: Tensor, threshold: float) -> Tensor:
    """``values``, less ``PENALTY`` where the log has no support for the action.

    Discrete BCQ (Fujimoto et al. 2019, algorithm 1): an action counts when the behaviour model gives it at least
    ``threshold`` times the probability of the likeliest one. Softmax has one denominator, so logits decide it. Where no
    permitted action has support, all are penalised alike and the values decide among them.
    """
    behind = logits - logits.amax(dim=1, keepdim=True)
    return torch.where(behind >= math.log(threshold), values, values - PENALTY)


def conservative(q_tm1: Tensor, a_tm1: Tensor, mask_tm1: Tensor) -> Tensor:
    """CQL(H), (batch,): how far the values of the permitted actions lie, softly, above that of the one in the log.

    Kumar et al. 2020, equation 4, with the uniform prior over permitted actions left out: it is a constant of the row.
    """
    return torch.where(mask_tm1, q_tm1, -torch.inf).logsumexp(dim=1) - of(q_tm1, a_tm1)


def huber(q_tm1: Tensor, target_tm1: Tensor, delta: float) -> Tensor:
    """Half the squared TD error up to ``delta``, linear beyond (Huber 1964), (batch,) of values of actions."""
    return functional.huber_loss(q_tm1, target_tm1, reduction="none", delta=delta)


def imitation(logits: Tensor, a_tm1: Tensor) -> Tensor:
    """What the behaviour model loses by, (batch,): cross-entropy, and a little of the mean squared logit."""
    missed = functional.cross_entropy(logits, a_tm1, reduction="none")
    return missed + SHRINKAGE * logits.square().mean(dim=1)

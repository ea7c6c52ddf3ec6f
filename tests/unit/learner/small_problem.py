"""A problem whose values are known exactly: four windows, a noisy sign of malice in each, and all five actions."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from drlactors.domain.action import Action
from drlactors.learner.batch import Experiences

STEPS, GAMMA = 4, 0.95
SIGN = {True: 0.8, False: 0.2}  # chance of the sign in a window of a malicious and of a benign session
STOP = {True: 1.0, False: -2.5}
END = {True: -1.5, False: 0.5}
OWN = {
    Action.CONTINUE: {True: -0.05, False: -0.05},
    Action.ISOLATE: {True: 0.1, False: -0.3},
    Action.REVIEW: {True: -0.2, False: -0.2},
}
FEATURES = 4 * STEPS  # one for each step, sign and class: nothing is hidden, a table can hold every value

#: What a deterministic policy does, by step and sign.
Plan = Callable[[int, bool], Action]
#: With what chance each action is taken, everywhere.
Behaviour = Mapping[Action, float]


class Session(NamedTuple):
    malicious: bool
    signs: tuple[bool, ...]
    actions: tuple[Action, ...]  # nothing comes of those behind a stop


def patient(step: int, sign: bool) -> Action:
    """The log's favourite: watches, and never stops anything."""
    return Action.CONTINUE


def good(step: int, sign: bool) -> Action:
    """Isolates on the first sign, stops on a later one."""
    if not sign:
        return Action.CONTINUE
    return Action.TERMINATE if step >= 2 else Action.ISOLATE


def hasty(step: int, sign: bool) -> Action:
    """Stops everything at once."""
    return Action.TERMINATE


def nervous(step: int, sign: bool) -> Action:
    """Isolates and asks all the time."""
    return Action.ISOLATE if step % 2 else Action.REVIEW


def value(plan: Plan) -> float:
    """What a session is worth on average, exactly."""

    def from_step(step: int, malicious: bool) -> float:
        worth = 0.0
        for sign in (False, True):
            chance = SIGN[malicious] if sign else 1 - SIGN[malicious]
            action = plan(step, sign)
            if action.irreversible:
                worth += chance * STOP[malicious]
            elif step + 1 == STEPS:
                worth += chance * (OWN[action][malicious] + END[malicious])
            else:
                worth += chance * (OWN[action][malicious] + GAMMA * from_step(step + 1, malicious))
        return worth

    return (from_step(0, True) + from_step(0, False)) / 2


def log(sessions: int, seed: int, behaviour: Behaviour) -> tuple[Experiences, npt.NDArray[np.bool_]]:
    """Logged sessions, and which are malicious."""
    dice = np.random.default_rng(seed)
    actions, chances = list(behaviour), list(behaviour.values())
    drawn = [
        Session(
            bad,
            tuple(dice.random(STEPS) < SIGN[bad]),
            tuple(actions[i] for i in dice.choice(len(actions), STEPS, p=chances)),
        )
        for bad in (dice.random(sessions) < 0.5).tolist()
    ]
    return experiences(drawn, behaviour), np.array([session.malicious for session in drawn])


def every(behaviour: Behaviour) -> tuple[Experiences, npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """Every session that can be, whether it is malicious, and its chance: a mean over them is an expectation."""
    made = [
        Session(bad, signs, actions)
        for bad in (False, True)
        for signs in product((False, True), repeat=STEPS)
        for actions in product(behaviour, repeat=STEPS)
    ]
    chance = [
        0.5
        * prod(SIGN[session.malicious] if sign else 1 - SIGN[session.malicious] for sign in session.signs)
        * prod(behaviour[action] for action in session.actions)
        for session in made
    ]
    return experiences(made, behaviour), np.array([session.malicious for session in made]), np.array(chance)


def experiences(sessions: Sequence[Session], behaviour: Behaviour) -> Experiences:
    """As a projection would give them: nothing follows a stop."""
    rows: list[tuple[object, ...]] = []
    for number, (bad, signs, actions) in enumerate(sessions):
        for step, action in enumerate(actions):
            last = step + 1 == STEPS or action.irreversible
            reward = STOP[bad] if action.irreversible else OWN[action][bad] + (END[bad] if last else 0.0)
            there = step if last else step + 1
            here, next_ = cell(step, signs[step], bad), cell(there, signs[there], bad)
            discount = 0.0 if last else GAMMA
            rows.append((here, int(action), reward, discount, next_, 0b11111, 0b11111, behaviour[action], number))
            if last:
                break
    columns = list(zip(*rows, strict=True))
    kinds = (np.intp, np.int8, np.float32, np.float32, np.intp, np.uint8, np.uint8, np.float32, np.int64)
    made = [np.array(column, dtype=kind) for column, kind in zip(columns, kinds, strict=True)]
    one_hot = np.eye(FEATURES, dtype=np.float32)
    return Experiences._make([one_hot[made[0]], *made[1:4], one_hot[made[4]], *made[5:]])


def cell(step: int, sign: bool, malicious: bool) -> int:
    return 4 * step + 2 * sign + malicious


def chosen(plan: Plan, states: npt.NDArray[np.float32]) -> npt.NDArray[np.int8]:
    place = states.argmax(axis=1)
    table = np.array([plan(at // 4, bool(at // 2 % 2)) for at in range(FEATURES)], dtype=np.int8)
    found: npt.NDArray[np.int8] = table[place]
    return found


def ranking(plan: Plan) -> Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]:
    """The plan as a model would have it; its values claim the absurd, and nobody may look at them."""

    def rank(states: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return 1e6 * np.eye(len(Action), dtype=np.float32)[chosen(plan, states)]

    return rank


def tabular(states: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    return states.astype(np.float64)

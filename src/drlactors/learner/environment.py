"""A Gymnasium environment that plays recorded sessions, one decision a step.

**What it cannot show.** The windows are recordings of samples that nobody acted on. They come as they were recorded
whatever is chosen: a sample that is isolated does not notice, does not change its ways and does not stop. What an
action changes here is the state's isolation, what time costs, and the session's end. A policy that is good in it is
good at judging what was recorded; how samples answer back, only live sessions show. Say so wherever a figure from it
is quoted.

Sessions go through the deciders of the domain, window by window: ``state`` is where that stands, ``events`` is what a
log would hold. To play a policy over thousands of sessions at once, with the same rewards, use ``evaluation.play``.
"""

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt

from drlactors.domain import reward
from drlactors.domain.action import Action
from drlactors.domain.features import row
from drlactors.domain.permission import best, permitted
from drlactors.domain.session import (
    DECIDER,
    INITIAL,
    ActionSelected,
    Answer,
    Command,
    End,
    EndReason,
    Event,
    Record,
    Select,
)
from drlactors.learner.transitions import Sample, Task, start

Observation = npt.NDArray[np.float32]  # (features,), in [0, 1]
Step = tuple[Observation, float, bool, bool, dict[str, Any]]

#: Whose choices the events are.
PLAYER, PERSON = "environment", "person"


class TraceEnvironment(gymnasium.Env[Observation, np.int64]):
    """One episode is one recorded session; an observation is its state vector after a window.

    ``step`` carries the action out at once and goes on to the next window:

    - going on costs the time until then, and what a malicious sample does in it; isolation hinders that;
    - terminate and quarantine end the session with the reward of the truth;
    - a review costs. With ``Task.review_windows`` it is answered: see there. Without, nothing follows;
    - what the rules do not permit is not done: it is as if the action had been to go on.

    The end of a recording is a true end (``terminated``): the sandbox's time was up, or the sample had ended. A session
    that is cut off after ``max_windows`` is ``truncated``: how it would have gone on is not known, so no reward of an
    end is paid, and what its last state is worth still counts.

    ``info`` holds ``mask`` (int8, what the rules permit, as ``action_space.sample`` takes it), ``sample`` (the index of
    the session) and, after a step, ``action`` (what was carried out).

    ``reset`` draws a session, or takes ``options={"sample": index}``. With ``wait`` (``time.sleep``, for example) it
    plays in real time: it is called with the seconds that each window lasts, before the window is shown.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 - Gymnasium declares it so

    def __init__(
        self,
        samples: Sequence[Sample],
        task: Task,
        *,
        max_windows: int | None = None,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        """Raises ValueError without samples, or for one without windows."""
        if not samples or not all(sample.windows for sample in samples):
            raise ValueError("an environment needs sessions, and each of them at least one window")
        self.action_space = gymnasium.spaces.Discrete(len(Action))
        self.observation_space = gymnasium.spaces.Box(0.0, 1.0, (len(task.schema.names),), np.float32)
        self._samples = samples
        self._task = task
        self._max_windows = max_windows
        self._wait = wait
        self._over = True

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed)
        drawn = int(self.np_random.integers(len(self._samples)))
        self._index = int((options or {}).get("sample", drawn))
        self._sample = self._samples[self._index]
        self._at = -1
        self.state = INITIAL
        self._over = False
        self.events: list[Event] = []
        self._do(start(self._sample, self._task.rules))
        self._watch()
        return self._observation, self._info()

    def step(self, action: np.int64) -> Step:
        """Raises RuntimeError when the session is over: ``reset`` begins another."""
        if self._over:
            raise RuntimeError("the session is over: reset begins another")
        chosen = self._select(Action(int(action)))
        worth = self._of_action(chosen)
        if chosen.irreversible:
            return self._end(chosen, worth, stopped=True)
        if chosen is Action.REVIEW and self._task.review_windows is not None:
            return self._ask(worth, self._task.review_windows)
        if self._last:
            return self._end(chosen, worth, stopped=False)
        worth += self._watch()
        self._over = self._at == self._max_windows
        return self._observation, worth, False, self._over, self._info() | {"action": int(chosen)}

    def _ask(self, worth: float, windows: int) -> Step:
        """Watches until the answer, then does what the person says."""
        for waited in range(windows):
            if waited:
                self._select(Action.CONTINUE)
            if self._last:
                return self._end(Action.REVIEW, worth, stopped=False)
            worth += self._watch()
        if not self._sample.malicious:
            self._select(Action.CONTINUE)
            return self._end(Action.REVIEW, worth, stopped=False)
        self._keep(
            ActionSelected(
                seq=self.state.progress.seq,
                action=Action.TERMINATE,
                values=_only(Action.TERMINATE),
                mask=1 << Action.TERMINATE,
                state_vector=self._observation.tobytes(),
                policy=PERSON,
                schema=self._task.schema.id,
                because=(),
                propensity=1.0,
            )
        )
        self._do(Answer(seq=self.state.progress.seq, success=True, outcome="", message=""))
        return self._end(Action.REVIEW, worth + self._of_action(Action.TERMINATE), stopped=True)

    def _select(self, wanted: Action) -> Action:
        """What the rules make of it; it succeeds."""
        seq, values = self.state.progress.seq, _only(wanted)
        action = best(values, permitted(self.state))
        self._do(
            Select(
                seq=seq,
                values=values,
                state_vector=self._observation.tobytes(),
                policy=PLAYER,
                schema=self._task.schema.id,
                because=(),
                propensity=1.0,
            )
        )
        if action.carried_out:
            self._do(Answer(seq=seq, success=True, outcome="", message=""))
        return action

    def _watch(self) -> float:
        """Goes on to the next window; what the time until then is worth (nothing before the first)."""
        self._at += 1
        window = self._sample.windows[self._at]
        if self._wait is not None:
            self._wait(window.window_ms / 1000)
        before = self.state.progress
        self._do(Record(window))
        self._observation = self._task.schema.vectors([row(self.state, window)])[0]
        if not before.windows:
            return 0.0
        return reward.of_time(
            self._task.weights,
            (self.state.progress.elapsed_ms - before.elapsed_ms) / 1000,
            self.state.response.isolation,
            malicious=self._sample.malicious,
        )

    def _end(self, chosen: Action, worth: float, *, stopped: bool) -> Step:
        self._over = True
        self._do(End(EndReason.TERMINATED if stopped else EndReason.FINISHED))
        worth += reward.of_end(self._task.weights, malicious=self._sample.malicious, stopped=stopped)
        return self._observation, worth, True, False, self._info() | {"action": int(chosen)}

    @property
    def _last(self) -> bool:
        return self._at + 1 == len(self._sample.windows)

    def _of_action(self, action: Action) -> float:
        return reward.of_action(self._task.weights, action, malicious=self._sample.malicious, failed=False)

    def _info(self) -> dict[str, Any]:
        mask = permitted(self.state)
        return {"mask": np.array([mask >> action & 1 for action in Action], dtype=np.int8), "sample": self._index}

    def _do(self, command: Command) -> None:
        self._keep(*DECIDER.decide(command, self.state))

    def _keep(self, *events: Event) -> None:
        self.events += events
        self.state = DECIDER.fold(events, self.state)


def _only(action: Action) -> tuple[float, ...]:
    """Values for which no other action is best where this one is permitted, and going on is where it is not."""
    return tuple(float(other is action) for other in Action)

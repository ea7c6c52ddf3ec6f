"""How firmly a program is held: isolation step by step, a pause for a person's answer, each step back, and the end."""

import contextlib
import os
import resource
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from drlactors.sandboxes.containment.cgroup import Cgroup
from drlactors.sandboxes.containment.relay import Relay
from drlactors.sandboxes.tree import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """The sandbox's answer to an action."""

    success: bool
    outcome: str  # one word or two: cut, limited, frozen, slowed, paused, running, terminated, still-running, over, ...
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a contained program may use: at first, and after the step of isolation that takes most of it away."""

    processes: int = 256  # at the same time, with three or four of ours; a storm of forks ends there
    memory_bytes: int = 2 << 30
    squeezed_memory_bytes: int = 256 << 20  # or what it holds at that time, if that is more
    squeezed_cpus: float = 0.1


class Step(NamedTuple):
    """One step of isolation; both say what was done, and raise OSError where the machine refuses."""

    outcome: str
    do: Callable[[], str]
    undo: Callable[[], str]


class Hold:
    """The steps that were taken so far, and the pause, which is apart from them."""

    def __init__(self, steps: Sequence[Step], still: Callable[[bool], str], kill: Callable[[], int]) -> None:
        self._steps = steps  # the last one holds the program still
        self._still = still
        self._kill = kill
        self._taken = 0
        self._paused = False

    def isolate(self) -> Execution:
        """One step more."""
        if self._taken == len(self._steps):
            return Execution(success=True, outcome=self._steps[-1].outcome, message="it cannot be isolated further")
        step = self._steps[self._taken]
        try:
            message = step.do()
        except OSError as refused:
            return Execution(success=False, outcome=f"not-{step.outcome}", message=str(refused))
        self._taken += 1
        return Execution(success=True, outcome=step.outcome, message=message)

    @property
    def paused(self) -> bool:
        return self._paused

    def pause(self) -> Execution:
        """Until `resume`."""
        self._paused = True
        return Execution(success=True, outcome="paused", message=self._still(True))

    def resume(self) -> Execution:
        """Takes the pause back."""
        self._paused = False
        if self._taken == len(self._steps):
            message = "it stays still: that is the step of isolation which it has reached"
            return Execution(success=True, outcome=self._steps[-1].outcome, message=message)
        return Execution(success=True, outcome="running", message=self._still(False))

    def ease(self) -> Execution:
        """Takes the last step of isolation back."""
        if self._taken == 0:
            return Execution(success=True, outcome="running", message="it is not isolated")
        step = self._steps[self._taken - 1]
        try:
            message = step.undo()
            if self._paused:
                message = f"{message}; it stays paused: {self._still(True)}"
        except OSError as refused:
            return Execution(success=False, outcome=f"still-{step.outcome}", message=str(refused))
        self._taken -= 1
        return Execution(success=True, outcome="paused" if self._paused else "running", message=message)

    def kill(self) -> int:
        """Sends every process to its end; how many there were."""
        return self._kill()


def loose(tree: Tree) -> Hold:
    """Of a program that runs with all the rights of who started it: its priority, then its processes."""

    def still(wanted: bool) -> str:
        reached = tree.send(signal.SIGSTOP if wanted else signal.SIGCONT)
        return f"{reached} processes {'are stopped' if wanted else 'go on'}"

    steps = (
        Step("slowed", lambda: f"{tree.be_nice(19)} processes have the lowest priority", lambda: _hurry(tree)),
        Step("paused", lambda: still(True), lambda: still(False)),
    )
    return Hold(steps, still, lambda: tree.send(signal.SIGKILL))


def contained(tree: Tree, group: Cgroup, relay: Relay, limits: Limits) -> Hold:
    """Of a program behind walls: its network, then most of its processor time and memory, then everything."""

    def cut() -> str:
        relay.cut()
        return f"nothing is carried to {_named(relay)} any more"

    def mend() -> str:
        relay.mend()
        return f"{_named(relay)} can be reached again"

    def still(wanted: bool) -> str:
        if "freeze" in group.abilities:
            group.freeze(frozen=wanted)
            return f"the control group is {'frozen' if wanted else 'thawed'}"
        reached = tree.send(signal.SIGSTOP if wanted else signal.SIGCONT)
        return f"no control group that freezes: {reached} processes {'are stopped' if wanted else 'go on'}"

    def squeeze() -> str:
        memory_bytes = max(limits.squeezed_memory_bytes, group.memory_bytes())
        return "; ".join((_squeeze_cpu(tree, group, limits.squeezed_cpus), _squeeze_memory(tree, group, memory_bytes)))

    def ease() -> str:
        group.bound_cpu(float(os.cpu_count() or 1))
        group.bound_memory(limits.memory_bytes)
        if {"cpu", "memory"} <= group.abilities:
            return "limits are as they were at the start"
        return f"{_hurry(tree)}; memory as at the start: {_bound_each(tree, limits.memory_bytes)} processes"

    def kill() -> int:
        reached = len(tree.search())
        tree.kill_launcher()
        group.freeze(frozen=False)  # what is frozen dies in version 2 of control groups only
        return reached

    steps = (
        Step("cut", cut, mend),
        Step("limited", squeeze, ease),
        Step("frozen", lambda: still(True), lambda: still(False)),
    )
    return Hold(steps, still, kill)


def _named(relay: Relay) -> str:
    return ", ".join(map(str, relay.addresses)) or "any network (nothing had been opened to it)"


def _squeeze_cpu(tree: Tree, group: Cgroup, cpus: float) -> str:
    if "cpu" in group.abilities:
        group.bound_cpu(cpus)
        return f"{cpus:g} of a processor"
    return f"no control group for processors: {tree.be_nice(19)} processes have the lowest priority"


def _squeeze_memory(tree: Tree, group: Cgroup, most_bytes: int) -> str:
    if "memory" in group.abilities:
        group.bound_memory(most_bytes)
        return f"{most_bytes >> 20} MiB for all together"
    reached = _bound_each(tree, most_bytes)
    return f"no control group for memory: {most_bytes >> 20} MiB of addresses for each of {reached} processes"


def _bound_each(tree: Tree, most_bytes: int) -> int:
    """Lowers the soft limit only, so that it can be raised again; by us, for the program could do the same."""
    reached = tree.search()
    for process in reached:
        with contextlib.suppress(ProcessLookupError):
            _, hard = resource.prlimit(process.pid, resource.RLIMIT_AS)
            resource.prlimit(process.pid, resource.RLIMIT_AS, (most_bytes, hard))
    return len(reached)


def _hurry(tree: Tree) -> str:
    try:
        return f"{tree.be_nice(0)} processes have their priority back"
    except PermissionError:
        return "the lowest priority stays: only root can raise it"

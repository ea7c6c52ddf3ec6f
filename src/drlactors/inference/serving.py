"""The policy in charge and the rules behind it: always answers, and changes the model while it does."""

from dataclasses import dataclass, replace
from functools import partial
from threading import Lock

from drlactors.domain.action import Action
from drlactors.domain.features import Vectors
from drlactors.ports.clock import Clock
from drlactors.ports.policy import Policy, PolicyError, PolicyInfo, RankedBatch


@dataclass(frozen=True, slots=True)
class _Charge:
    """Who is in charge: replaced as a whole, so that a rank that runs meanwhile sees one or the other."""

    policy: Policy | None
    late: int = 0  # late runs in a row
    benched_until_s: float = float("-inf")


@dataclass(slots=True)
class Figures:
    """What happened since the start; counts of rows and of events, read by whoever watches."""

    by_model: int = 0  # rows
    by_rules: int = 0  # rows
    errors: int = 0  # runs of the model that gave no usable answer
    late: int = 0  # runs of the model that took longer than the deadline
    overdue: int = 0  # batches that had waited longer than the deadline before anyone was asked
    benched: int = 0  # times that the model was set aside


class Serving:
    """Ranks with the model; with the rules where there is none, it fails, its answer is late, or it is benched.

    Late is a run of the model longer than ``deadline_s``: its answer is dropped. After ``max_late`` of them in a row
    the model is not asked for ``bench_s``. Time spent waiting for a turn is counted and not held against the model:
    the rules would not have answered sooner.
    """

    def __init__(
        self, policy: Policy | None, rules: Policy, *, deadline_s: float, max_late: int, bench_s: float, clock: Clock
    ) -> None:
        self.figures = Figures()
        self._rules = rules
        self._deadline_s = deadline_s
        self._max_late = max_late
        self._bench_s = bench_s
        self._clock = clock
        self._lock = Lock()  # for changes; reading the reference is atomic
        self._charge = _Charge(None)
        if policy is not None:
            self._fits(policy)
            self._charge = _Charge(policy)

    @property
    def info(self) -> PolicyInfo:
        """Of the policy that would be asked now."""
        return self._asked(self._charge, self._clock.monotonic_s()).info

    def rank(self, vectors: Vectors, waited_s: float) -> RankedBatch:
        """Values for all rows, and whose they are. ``waited_s``: how long the oldest row has been waiting."""
        began_s = self._clock.monotonic_s()
        charge = self._charge
        asked = self._asked(charge, began_s)
        self.figures.overdue += waited_s > self._deadline_s
        if asked is not self._rules:
            try:
                values = asked.rank(vectors)
            except PolicyError:
                self.figures.errors += 1
            else:
                now_s = self._clock.monotonic_s()
                if self._in_time(charge, now_s - began_s, now_s):
                    self.figures.by_model += len(vectors)
                    return RankedBatch(values, asked.info.id, partial(self._because, asked))
        self.figures.by_rules += len(vectors)
        return RankedBatch(self._rules.rank(vectors), self._rules.info.id, self._rules.because)

    def _because(self, ranked: Policy, vector: Vectors, action: Action) -> tuple[str, ...]:
        """Empty where a model that has ranked fails to say."""
        try:
            return ranked.because(vector, action)
        except PolicyError:
            self.figures.errors += 1
            return ()

    def swap(self, policy: Policy | None) -> None:
        """Takes a model into service between two runs, or none: the rules.

        Raises PolicyError when it was made for other features: nothing changes then.
        """
        if policy is not None:
            self._fits(policy)
        with self._lock:
            self._charge = _Charge(policy)

    def _asked(self, charge: _Charge, now_s: float) -> Policy:
        return self._rules if charge.policy is None or now_s < charge.benched_until_s else charge.policy

    def _in_time(self, charge: _Charge, took_s: float, now_s: float) -> bool:
        late = took_s > self._deadline_s
        if late or charge.late:
            with self._lock:
                if (
                    charge.policy is self._charge.policy
                ):  # else it was swapped out meanwhile: nothing to hold against it
                    self._charge = self._after(self._charge, now_s, late=late)
        self.figures.late += late
        return not late

    def _after(self, charge: _Charge, now_s: float, *, late: bool) -> _Charge:
        if not late:
            return replace(charge, late=0)
        if charge.late + 1 < self._max_late:
            return replace(charge, late=charge.late + 1)
        self.figures.benched += 1
        return replace(charge, late=0, benched_until_s=now_s + self._bench_s)

    def _fits(self, policy: Policy) -> None:
        if policy.info.schema != self._rules.info.schema:
            wanted = self._rules.info.schema
            raise PolicyError(
                f"{policy.info.path}: made for feature schema {policy.info.schema}, configured is {wanted}"
            )

"""Reaching recorded decisions again from the log, and comparing them bit for bit."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from drlactors.domain.exploration import choice, drawn
from drlactors.domain.features import FeatureSchema, Row, row
from drlactors.domain.ids import SessionId
from drlactors.domain.permission import best, permitted
from drlactors.domain.session import DECIDER, INITIAL, ActionSelected, ActionWithheld, State, TelemetryRecorded
from drlactors.ports.log import Category, Entry
from drlactors.ports.policy import Policy

#: Rows that are ranked together: the policy gives a row the same bits in any company.
BATCH = 4096


@dataclass(slots=True)
class Difference:
    """A decision that was not reached again."""

    session: SessionId
    seq: int
    what: str


@dataclass(slots=True)
class Verification:
    decisions: int = 0  # recorded
    reached: int = 0  # again, bit for bit
    unknown: dict[str, int] = field(default_factory=dict)  # decisions by policy or schema that is not at hand
    differences: list[Difference] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return self.reached == self.decisions


class _Decision(NamedTuple):
    """As it was recorded, and what it was made by."""

    session: SessionId
    event: ActionSelected
    seen: Row | None
    permitted: int
    left: int | None  # by guards, to choose from; None: they withheld nothing
    share: float  # of exploration in this session

    @property
    def mask(self) -> int:
        return self.permitted if self.left is None else self.left


class Verifier:
    """Folds every session as it is read, and ranks what it saw with the policy that is recorded with each decision."""

    def __init__(self, policies: Mapping[str, Policy], schema: FeatureSchema) -> None:
        self._policies = policies
        self._schema = schema
        self._states: dict[SessionId, State] = {}
        self._rows: dict[tuple[SessionId, int], Row] = {}
        self._left: dict[tuple[SessionId, int], int] = {}  # by guards, to choose from
        self._waiting: list[_Decision] = []
        self.found = Verification()

    def read(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            if entry.stream.category is not Category.SESSION:
                continue
            session = SessionId(entry.stream.id)
            state = self._states.pop(session, INITIAL)
            for event in entry.of_session:
                if isinstance(event, ActionWithheld):
                    self._left[session, event.seq] = event.left
                elif isinstance(event, ActionSelected):
                    seen, left = self._rows.pop((session, event.seq), None), self._left.pop((session, event.seq), None)
                    share = state.started.rules.exploration if state.started else 0.0
                    self._waiting.append(_Decision(session, event, seen, permitted(state), left, share))
                state = DECIDER.evolve(state, event)
                if isinstance(event, TelemetryRecorded):
                    self._rows[session, event.window.seq] = row(state, event.window)
            if not state.over or state.response.pending:
                self._states[session] = state
        if len(self._waiting) >= BATCH:
            self._compare()

    def finish(self) -> Verification:
        self._compare()
        return self.found

    def _compare(self) -> None:
        waiting, self._waiting = self._waiting, []
        self.found.decisions += len(waiting)
        by_policy: dict[str, list[tuple[_Decision, Row]]] = {}
        for decision in waiting:
            session, event, seen = decision.session, decision.event, decision.seen
            if seen is None:
                self.found.differences.append(Difference(session, event.seq, "its window is not in the log"))
            elif event.schema != self._schema.id:
                self._miss(f"feature schema {event.schema}")
            elif event.policy not in self._policies:
                self._miss(f"policy {event.policy}")
            else:
                by_policy.setdefault(event.policy, []).append((decision, seen))
        for policy, decisions in by_policy.items():
            vectors = self._schema.vectors([seen for _, seen in decisions])
            values = self._policies[policy].rank(vectors)
            for index, (decision, _) in enumerate(decisions):
                what = _difference(decision, vectors[index].tobytes(), values[index])
                if what:
                    self.found.differences.append(Difference(decision.session, decision.event.seq, what))
                else:
                    self.found.reached += 1

    def _miss(self, what: str) -> None:
        self.found.unknown[what] = self.found.unknown.get(what, 0) + 1


def _difference(decision: _Decision, vector: bytes, values: "np.ndarray[tuple[int], np.dtype[np.float32]]") -> str:
    """What differs first, or nothing."""
    event, mask = decision.event, decision.mask
    if vector != event.state_vector:
        return "another state vector"
    if values.tobytes() != np.array(event.values, dtype=np.float32).tobytes():
        return f"other values: {values.tolist()} for {list(event.values)}"
    if mask != event.mask:
        return f"other actions were permitted: {mask:05b} for {event.mask:05b}"
    action, propensity = best(event.values, mask), 1.0
    if decision.share and event.propensity < 1.0:  # of 1 where guards let nothing be tried
        chosen = choice(event.values, decision.permitted, decision.share, drawn(decision.session, event.seq))
        propensity = chosen.propensity
        action = action if chosen.tried is None else chosen.tried
    if action is not event.action:
        return f"{action.name} for {event.action.name}"
    return "" if propensity == event.propensity else f"a chance of {propensity} for {event.propensity}"

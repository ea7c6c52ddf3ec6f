"""Stores runs that are over, as if their sandboxes had told of them live.

Every word of them goes through the trust boundary and the rules, as a sandbox's does. They are decided as well: by the
rule policy, in the state that each window left. Nobody could act on what was over, and what was seen goes on after
every action; so all actions but going on are withheld, as ``guards.monitored`` withholds them, and the log has what
would have been done beside what was. Replaying reaches the same decisions again, what is learned from them is what
watching to the end was worth, and the truth about them is the outcome that was reported.

Their sessions and episodes are stored in one transaction: all of a report is in the log, or nothing. The episode is
written here, since no coordinator hears of it, and waits for no stage 2: there will be none. ops/adr has the reasons.
"""

from collections.abc import Sequence

from drlactors.codec.inbound import decode
from drlactors.config.settings import Settings
from drlactors.domain import episode, features, session
from drlactors.domain.action import Action
from drlactors.domain.episode import ConcludeStage, EnterStage, Miss
from drlactors.domain.features import FeatureSchema
from drlactors.domain.guard import Guards, Tally, withheld
from drlactors.domain.ids import SessionId
from drlactors.domain.permission import Rules, best, permitted
from drlactors.domain.session import ActionSelected, Select, TelemetryRecorded
from drlactors.inference import RulePolicy
from drlactors.ports.clock import Clock
from drlactors.ports.log import Append, Category, EventLog, Stream
from drlactors.sandboxes.importers.finished import Finished, session_of

_WATCHED = Guards(monitored=frozenset(Action) - {Action.CONTINUE})


class Importer:
    """Decides and stores; one thread's."""

    def __init__(self, log: EventLog, settings: Settings, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._schema = FeatureSchema(settings.features.names, settings.features.missing)
        self._policy = RulePolicy(self._schema)
        self._rules = Rules(**settings.rules.model_dump() | {"exploration": 0.0})  # nothing is tried with what is over

    def has(self, sha256: str) -> bool:
        """Whether a report with this digest was begun, and so, unless it is played just now, stored."""
        stream = Stream(Category.SESSION, session_of(sha256))
        return stream in self._log.existing([stream])

    def over(self, run: SessionId) -> bool:
        """Whether the session of a run has ended."""
        entries = self._log.stream(Stream(Category.SESSION, run))
        return session.DECIDER.fold(event for entry in entries for event in entry.of_session).over

    def store(self, sha256: str, runs: Sequence[Finished]) -> bool:
        """All runs of one report; False where another import was quicker. Raises Malformed for what none may say."""
        appends: list[Append] = []
        for run in runs:
            appends += self._session(run, f"import:{sha256}")
        return None not in self._log.append(appends)

    def _session(self, run: Finished, causation: str) -> list[Append]:
        stream, now_us = Stream(Category.SESSION, run.session), self._clock.now_us()
        state, version = session.INITIAL, 0
        appends: list[Append] = []
        for kind, data in run.said():
            commands = decode(kind, run.session, data, self._rules).commands
            events: list[session.Event] = []
            rows: list[features.Row] = []
            seqs: list[int] = []
            for command in commands:
                for event in session.DECIDER.decide(command, state):
                    state = session.DECIDER.evolve(state, event)
                    events.append(event)
                    if isinstance(event, TelemetryRecorded):
                        rows.append(features.row(state, event.window))
                        seqs.append(event.window.seq)
            if rows:
                state = self._select(state, run, rows, seqs, events)
            appends.append(Append(stream, version, tuple(events), now_us, causation))
            version += len(events)
        appends.append(self._episode(run, now_us, causation))
        return appends

    def _select(
        self,
        state: session.State,
        run: Finished,
        rows: list[features.Row],
        seqs: list[int],
        events: list[session.Event],
    ) -> session.State:
        """Decide on each window, as the session's actor does with a group of them."""
        vectors = self._schema.vectors(rows)
        ranked = self._policy.rank(vectors).tolist()
        info = self._policy.info
        for index, seq in enumerate(seqs):
            values, mask = tuple(ranked[index]), permitted(state)
            wanted = best(values, mask)
            because = self._policy.because(vectors[index : index + 1], wanted) if wanted.carried_out else ()
            kept = withheld(values, mask, _WATCHED, Tally(), sha256=run.artifact.sha256, sandbox=run.sandbox, now_us=0)
            chosen = Select(seq, values, vectors[index].tobytes(), info.id, info.schema, because, 1.0, kept)
            for event in session.DECIDER.decide(chosen, state):
                selected = event
                if isinstance(event, ActionSelected) and event.action is not wanted:
                    selected = event._replace(because=())  # it explains another action than the one taken
                state = session.DECIDER.evolve(state, selected)
                events.append(selected)
        return state

    def _episode(self, run: Finished, now_us: int, causation: str) -> Append:
        commands = (
            EnterStage(1, run.session, run.artifact),
            ConcludeStage(1, run.session, run.outcome),
            Miss(),
        )
        state, events = episode.INITIAL, list[episode.Event]()
        for command in commands:
            decided = episode.DECIDER.decide(command, state)
            state = episode.DECIDER.fold(decided, state)
            events += decided
        return Append(Stream(Category.EPISODE, run.episode), 0, tuple(events), now_us, causation)

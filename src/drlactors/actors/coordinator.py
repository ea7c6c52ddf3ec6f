"""The episode coordinator: follows the sessions' lives, and writes their episodes."""

from collections import deque
from typing import Any, NamedTuple

from drlactors.actors.dispatched import DispatchedActor
from drlactors.actors.line import Line
from drlactors.actors.messages import Awaited, Committed, Left, Load, Loaded, Stale, Store, Tick, Unloadable
from drlactors.domain import session
from drlactors.domain.episode import (
    DECIDER,
    INITIAL,
    Command,
    ConcludeStage,
    EnterStage,
    EpisodeCompleted,
    Event,
    Miss,
    StageRefused,
    State,
)
from drlactors.domain.errors import Refused
from drlactors.domain.ids import EpisodeId, SessionId
from drlactors.ports.clock import by_monotonic_s
from drlactors.ports.log import Append, Category, Entry, Stream

#: The name under which the log remembers up to which position every session's turn has reached its episode.
NAME = "coordinated"


class Turn(NamedTuple):
    """What an episode is to decide, and what caused it."""

    command: Command
    causation: str
    traceparent: str = ""
    position: int | None = None  # of the session's turn in the log; None: a time is up


class Episode:
    """What is known of an episode while it has something to do."""

    __slots__ = ("loading", "state", "storing", "version", "waiting")

    def __init__(self) -> None:
        self.state: State = INITIAL
        self.version = 0
        self.loading = True
        self.waiting: deque[Turn] = deque()
        self.storing = 0  # so many of the waiting ones are in the append that is under way


class CoordinatorActor(DispatchedActor):
    """Commands to an episode are idempotent: after a crash the turns since the remembered position come again.

    A stage that does not begin is waited for from the episode's last entry on: that is in the log, and survives us.
    """

    def __init__(self, line: Line) -> None:
        super().__init__(line.main)
        self._line = line
        self._episodes: dict[EpisodeId, Episode] = {}
        self._sessions: dict[SessionId, session.State] = {}  # as far as their lives go, until they end
        self._unknown: dict[SessionId, list[Entry]] = {}  # what waits for a session to be loaded
        self._open: dict[int, EpisodeId | SessionId] = {}  # by position: turns that no episode has stored yet
        self._waits: dict[EpisodeId, float] = {}  # episodes without a verdict, and since when nothing was heard of them
        self._seen = line.log.position(NAME)
        line.followers[NAME] = self.through

    def through(self) -> int:
        """The log position up to which all turns are in their episodes. Called by the writer's thread as well."""
        return min(self._open.copy(), default=self._seen + 1) - 1

    def on_receive(self, message: Any) -> None:
        match message:
            case Committed(entries):
                for entry in entries:
                    if entry.position > self._seen:
                        self._hear(entry)
                        self._seen = entry.position
            case Awaited(episodes):
                self._waits |= {EpisodeId(stream.id): self._since_s(at_us) for stream, at_us in episodes.items()}
            case Tick():
                self._look()
            case Loaded(stream) | Unloadable(stream) if stream.category is Category.SESSION:
                self._know(SessionId(stream.id), message)
            case Loaded(stream, _, _, entries):
                self._resume(EpisodeId(stream.id), entries)
            case Unloadable(stream, reason):
                self._abandon(EpisodeId(stream.id), reason)
            case Stale(stream):
                self._load(EpisodeId(stream.id))

    def _hear(self, entry: Entry) -> None:
        if entry.stream.category is Category.EPISODE:
            self._wait(EpisodeId(entry.stream.id), entry)
            known = self._episodes.get(EpisodeId(entry.stream.id))
            if known is not None and known.storing:  # not when it is an earlier run's
                self._stored(EpisodeId(entry.stream.id))
            return
        session_id = SessionId(entry.stream.id)
        (event,) = entry.events
        if isinstance(event, session.Started):
            self._sessions[session_id] = session.DECIDER.evolve(session.INITIAL, event)
            enter = EnterStage(stage=event.stage, session=session_id, artifact=event.artifact)
            self._command(event.episode, enter, entry)
        elif session_id in self._sessions:
            self._turn(session_id, entry)
        else:
            self._open[entry.position] = session_id
            if session_id not in self._unknown:
                self._line.writer.tell(Load(self.actor_ref, entry.stream))
            self._unknown.setdefault(session_id, []).append(entry)

    def _turn(self, session_id: SessionId, entry: Entry) -> None:
        (event,) = entry.events
        assert isinstance(event, session.OutcomeReported | session.Ended | session.SessionLost)
        state = self._sessions[session_id] = session.DECIDER.evolve(self._sessions[session_id], event)
        started = state.started
        if isinstance(event, session.OutcomeReported) or started is None:
            self._open.pop(entry.position, None)
            return
        del self._sessions[session_id]
        conclude = ConcludeStage(stage=started.stage, session=session_id, outcome=state.outcome)
        self._command(started.episode, conclude, entry)

    def _know(self, session_id: SessionId, loaded: Loaded | Unloadable) -> None:
        """A session of which the coordinator knew nothing, since it was restarted in between."""
        entries = self._unknown.pop(session_id, [])
        if isinstance(loaded, Unloadable):
            for entry in entries:
                self._open.pop(entry.position, None)
            return
        state = session.INITIAL if loaded.state is None else loaded.state
        for entry in loaded.entries:
            state = session.DECIDER.fold(entry.of_session, state)
        self._sessions[session_id] = state
        for entry in entries:
            if session_id in self._sessions:
                self._turn(session_id, entry)
            else:
                self._open.pop(entry.position, None)

    # Episodes

    def _command(self, episode_id: EpisodeId, command: Command, entry: Entry) -> None:
        self._open[entry.position] = episode_id
        self._take(episode_id, Turn(command, f"log:{entry.position}", entry.traceparent, entry.position))

    def _take(self, episode_id: EpisodeId, turn: Turn) -> None:
        if episode_id not in self._episodes:
            self._episodes[episode_id] = Episode()
            self._load(episode_id)
        episode = self._episodes[episode_id]
        episode.waiting.append(turn)
        if not episode.loading:
            self._decide(episode_id, episode)

    def _load(self, episode_id: EpisodeId) -> None:
        self._episodes[episode_id].loading = True
        self._line.writer.tell(Load(self.actor_ref, Stream(Category.EPISODE, episode_id)))

    def _resume(self, episode_id: EpisodeId, entries: list[Entry]) -> None:
        episode = self._episodes[episode_id]
        episode.state, episode.version, episode.loading, episode.storing = INITIAL, 0, False, 0
        for entry in entries:
            episode.state = DECIDER.fold(entry.of_episode, episode.state)
            episode.version = entry.version
        self._decide(episode_id, episode)

    def _decide(self, episode_id: EpisodeId, episode: Episode) -> None:
        """All that waits, as one append; it waits until the append is stored, in case that it is stale."""
        line, state = self._line, episode.state
        events: list[Event] = []
        for turn in episode.waiting:
            try:
                decided = DECIDER.decide(turn.command, state)
            except Refused as refusal:
                line.observer.note("episode.refused", episode=str(episode_id), by=turn.causation, why=str(refusal))
                continue
            for refused in decided:
                if isinstance(refused, StageRefused):
                    line.observer.note(
                        "episode.stage_refused",
                        episode=str(episode_id),
                        session=str(refused.session),
                        why=refused.why.value,
                    )
            state = DECIDER.fold(decided, state)
            events += decided
        episode.storing = len(episode.waiting)
        if not events:
            self._stored(episode_id)
            return
        episode.loading = True  # until it is stored
        newest = episode.waiting[-1]
        stream = Stream(Category.EPISODE, episode_id)
        append = Append(
            stream, episode.version, tuple(events), line.clock.now_us(), newest.causation, newest.traceparent
        )
        line.writer.tell(Store(self.actor_ref, append, (), 0, acts=True))

    def _stored(self, episode_id: EpisodeId) -> None:
        """What was decided is in the log. An idle episode is not kept: its next turn, minutes later, reads it again."""
        episode = self._episodes[episode_id]
        for _ in range(episode.storing):
            position = episode.waiting.popleft().position
            if position is not None:
                self._open.pop(position, None)
        episode.storing = 0
        if episode.waiting:
            self._load(episode_id)
        else:
            del self._episodes[episode_id]
            self._line.writer.tell(Left(Stream(Category.EPISODE, episode_id)))

    def _abandon(self, episode_id: EpisodeId, reason: str) -> None:
        self._line.observer.note("episode.unreadable", episode=str(episode_id), why=reason)
        episode = self._episodes[episode_id]
        episode.storing = len(episode.waiting)
        self._stored(episode_id)

    # Stages that do not begin

    def _wait(self, episode_id: EpisodeId, entry: Entry) -> None:
        self._waits.pop(episode_id, None)
        if not any(isinstance(event, EpisodeCompleted) for event in entry.of_episode):
            self._waits[episode_id] = self._since_s(entry.at_us)

    def _since_s(self, at_us: int) -> float:
        """A clock that is set anew does not change how long we have waited."""
        return min(self._line.clock.monotonic_s(), by_monotonic_s(self._line.clock, at_us))

    def _look(self) -> None:
        """One whose session still runs is looked at again when that is over: its next entry begins the waiting anew."""
        before_s = self._line.clock.monotonic_s() - self._line.limits.stage_wait_s
        for episode_id in [episode_id for episode_id, since_s in self._waits.items() if since_s <= before_s]:
            del self._waits[episode_id]
            self._take(episode_id, Turn(Miss(), "deadline"))

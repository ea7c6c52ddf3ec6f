"""From the log's turns to patterns: which sessions they touch, and what each of those has to teach now."""

from collections.abc import Callable, Iterable

from drlactors.domain import episode, session
from drlactors.domain.episode import EpisodeCompleted, StageEntered, VerdictCorrected
from drlactors.domain.ids import SessionId
from drlactors.domain.pattern import AttackPattern, pattern_of
from drlactors.domain.reward import Weights
from drlactors.domain.session import Started
from drlactors.domain.truth import malicious
from drlactors.ports.log import Category, Entry, EventLog, LogError, LogUnreachable, Stream
from drlactors.ports.patterns import Change


class Projector:
    """Holds nothing between calls: a pattern is read whole from its session's and its episode's streams.

    So it is what the log says when it is read, which may be a little behind the turn: what came in between comes as a
    turn of its own, and says the same again. ``skipped`` is told of a session that cannot be a pattern, and why.
    """

    def __init__(
        self, log: EventLog, weights: Weights, skipped: Callable[[SessionId, str], None] = lambda _session, _why: None
    ) -> None:
        self._log = log
        self._weights = weights
        self._skipped = skipped

    def changes(self, turns: Iterable[Entry]) -> list[Change]:
        """One for each session that the turns touch, at the last of them that does; in the order of the log."""
        touched: dict[SessionId, int] = {}
        for turn in turns:
            for each in self._touched(turn):
                touched.pop(each, None)
                touched[each] = turn.position
        return [Change(position, each, self._pattern(each)) for each, position in touched.items()]

    def _touched(self, turn: Entry) -> list[SessionId]:
        if turn.stream.category is Category.SESSION:
            return [SessionId(turn.stream.id)]
        if any(isinstance(event, EpisodeCompleted | VerdictCorrected) for event in turn.of_episode):
            return [event.session for event in self._went(turn.stream) if isinstance(event, StageEntered)]
        return []

    def _pattern(self, session_id: SessionId) -> AttackPattern | None:
        try:
            entries = list(self._log.stream(Stream(Category.SESSION, session_id)))
            lived = [(entry.at_us, event) for entry in entries for event in entry.of_session]
            events = [event for _, event in lived]
            truth = malicious(session_id, events, self._went(_episode(events)))
        except LogUnreachable:
            raise
        except LogError as error:  # of another program: reading it again will fail again
            self._skipped(session_id, str(error))
            return None
        made = pattern_of(session_id, lived, malicious=truth, weights=self._weights)
        if made is not None and (faults := made.faults()):
            self._skipped(session_id, ", ".join(faults))
            return None
        return made

    def _went(self, stream: Stream | None) -> list[episode.Event]:
        return [event for entry in self._log.stream(stream) for event in entry.of_episode] if stream else []


def _episode(lived: list[session.Event]) -> Stream | None:
    started = next((event for event in lived if isinstance(event, Started)), None)
    return Stream(Category.EPISODE, started.episode) if started else None

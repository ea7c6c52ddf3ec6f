"""From entries of the log to records of decisions and facts: a pure fold, one entry after the other."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from drlactors.domain import session
from drlactors.domain.episode import EpisodeCompleted, StageEntered, Verdict, VerdictCorrected
from drlactors.domain.session import (
    DECIDER,
    ActionFailed,
    ActionSelected,
    Ended,
    EndReason,
    FeedbackReceived,
    Outcome,
    OutcomeReported,
    SessionLost,
    Started,
    State,
)
from drlactors.ports.decisions import BENIGN, MALICIOUS, NOTHING, Kind
from drlactors.ports.log import Category, Entry, Stream
from drlactors.store.records import DECISION, FACT, SESSION

#: Sessions, and episodes, that are held in memory; one that was forgotten is read again from its stream.
HELD = 65_536

_OUTCOMES = {Outcome.MALICIOUS: MALICIOUS, Outcome.BENIGN: BENIGN, Outcome.FAILED: NOTHING}
_VERDICTS = {
    Verdict.MALICIOUS: MALICIOUS,
    Verdict.FALSE_NEGATIVE: MALICIOUS,
    Verdict.BENIGN: BENIGN,
    Verdict.PARTIAL: NOTHING,
}


_T = TypeVar("_T")


class Schema(NamedTuple):
    """What state vectors are made of, and how long they are."""

    id: str
    features: int


@dataclass(slots=True)
class Projected:
    """The records of a stretch of the log, in its order."""

    decisions: dict[Schema, bytearray] = field(default_factory=dict)
    facts: bytearray = field(default_factory=bytearray)
    sessions: bytearray = field(default_factory=bytearray)


@dataclass(slots=True)
class _Session:
    number: int
    state: State = DECIDER.initial
    schema: Schema | None = None  # of its first decision
    mixed: bool = False


class Projection:
    """Follows the log from its beginning, or from anywhere: what it has not seen of a stream it reads by ``stream``.

    ``policies`` numbers the policies in the order of their first decision; it is shared with whoever stores the
    numbers. After an error what is held may be half folded: throw the projection away, and begin another one behind
    what is stored.
    """

    def __init__(self, stream: Callable[[Stream], Iterable[Entry]], policies: dict[str, int]) -> None:
        self._stream = stream
        self._policies = policies
        self._sessions: dict[Stream, _Session] = {}
        self._episodes: dict[Stream, int] = {}

    def project(self, entries: Iterable[Entry]) -> Projected:
        """The entries' records; they have to follow those of the last call."""
        found = Projected()
        for entry in entries:
            if entry.stream.category is Category.SESSION:
                self._live(found, entry)
            elif entry.stream.category is Category.EPISODE:
                self._go(found, entry)
        return found

    def _live(self, found: Projected, entry: Entry) -> None:
        lived = self._sessions.pop(entry.stream, None) or self._recalled(entry)
        for event in entry.of_session:
            self._note(found, lived, entry, event)
        _hold(self._sessions, entry.stream, lived)

    def _recalled(self, entry: Entry) -> _Session:
        """A session as it stood before the entry."""
        lived, nowhere = _Session(entry.position), Projected()
        for past in self._before(entry):
            if past.first_version == 1:
                lived.number = past.position
            for event in past.of_session:
                self._note(nowhere, lived, past, event)
        return lived

    def _note(self, found: Projected, lived: _Session, entry: Entry, event: session.Event) -> None:
        before = lived.state
        lived.state = state = DECIDER.evolve(before, event)
        match event:
            case ActionSelected():
                self._decided(found, lived, entry, event)
            case Started():
                artifact = event.artifact.sha256.encode()
                found.sessions += SESSION.pack(lived.number, entry.at_us, entry.stream.id.bytes, artifact, event.stage)
            case OutcomeReported(outcome=outcome):
                _add(found, entry, lived.number, Kind.REPORTED, _OUTCOMES[outcome])
            case Ended(reason=reason):
                _add(found, entry, lived.number, Kind.ENDED, int(reason is EndReason.FAILED))
            case SessionLost():
                _add(found, entry, lived.number, Kind.LOST, 0)
            case FeedbackReceived(seq=seq, success=False) | ActionFailed(seq=seq):
                _add(found, entry, lived.number, Kind.FAILED, seq)
            case FeedbackReceived(seq=seq) if len(state.response.failed) < len(before.response.failed):
                _add(found, entry, lived.number, Kind.CARRIED_OUT, seq)

        if state.response.ordered_final is not before.response.ordered_final:
            _add(found, entry, lived.number, Kind.ORDERED, int(state.response.ordered_final))

    def _decided(self, found: Projected, lived: _Session, entry: Entry, event: ActionSelected) -> None:
        schema = Schema(event.schema, len(event.state_vector) // 4)
        lived.schema = lived.schema or schema
        if schema != lived.schema and not lived.mixed:
            lived.mixed = True
            _add(found, entry, lived.number, Kind.MIXED, 0)
        records = found.decisions.setdefault(schema, bytearray())
        records += DECISION.pack(
            entry.position,
            lived.number,
            event.seq,
            lived.state.progress.elapsed_ms,
            event.propensity,
            self._policies.setdefault(event.policy, len(self._policies)),
            lived.state.response.isolation,
            event.action,
            event.mask,
        )
        records += event.state_vector

    def _go(self, found: Projected, entry: Entry) -> None:
        number = self._episodes.pop(entry.stream, 0) or next(
            (past.position for past in self._before(entry)), entry.position
        )
        _hold(self._episodes, entry.stream, number)
        for event in entry.of_episode:
            match event:
                case StageEntered(session=entered):
                    begun = self._number(Stream(Category.SESSION, entered))
                    if begun is not None:
                        _add(found, entry, begun, Kind.ENTERED, number)
                case EpisodeCompleted(verdict=verdict):
                    _add(found, entry, number, Kind.VERDICT, _VERDICTS[verdict])
                case VerdictCorrected(verdict=verdict):
                    _add(found, entry, number, Kind.CORRECTED, _VERDICTS[verdict])

    def _number(self, stream: Stream) -> int | None:
        """Of a session; None for one that the log does not have."""
        held = self._sessions.get(stream)
        return held.number if held else next((entry.position for entry in self._stream(stream)), None)

    def _before(self, entry: Entry) -> Iterator[Entry]:
        if entry.first_version > 1:
            for past in self._stream(entry.stream):
                if past.position >= entry.position:
                    return
                yield past


def _hold(held: dict[Stream, _T], stream: Stream, what: _T) -> None:
    held[stream] = what
    if len(held) > HELD:
        del held[next(iter(held))]


def _add(found: Projected, entry: Entry, subject: int, kind: Kind, value: int) -> None:
    found.facts += FACT.pack(entry.position, subject, kind, value)

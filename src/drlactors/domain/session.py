"""A session: one run of one artifact in one sandbox, from its start to its end.

Commands, events and states are named tuples: immutable as frozen dataclasses are, made in a sixth of their time, and
stored as they are.
"""

from enum import StrEnum
from typing import NamedTuple

from drlactors.domain.action import Action
from drlactors.domain.decider import Decider
from drlactors.domain.errors import AlreadyStarted, NothingToAnswer, NothingToRank, NotStarted, SessionOver
from drlactors.domain.guard import Reason, Withheld
from drlactors.domain.ids import EpisodeId, lease_order
from drlactors.domain.order import ActionOrdered, AnswerOrder, GiveUpOrder, Order, OrderAnswered, OrderFailed, Undone
from drlactors.domain.permission import Rules, best, permitted
from drlactors.domain.progress import Progress
from drlactors.domain.response import Response
from drlactors.domain.telemetry import Window


class Outcome(StrEnum):
    """What a stage concluded, apart from what it saw. A sample that failed to run is never benign."""

    MALICIOUS = "malicious"
    BENIGN = "benign"
    FAILED = "failed"


class LossCause(StrEnum):
    """Why windows are missing."""

    GAP = "gap"  # their sequence numbers were skipped
    OVERFLOW = "overflow"  # the sandbox says that its buffer was full


class EndReason(StrEnum):
    """Why nothing more comes."""

    FINISHED = "finished"  # the sample ended by itself, or the sandbox's time was up
    TERMINATED = "terminated"  # an action of ours ended it
    FAILED = "failed"  # the sandbox could not run it


# Commands


class Artifact(NamedTuple):
    """The file under analysis."""

    sha256: str  # 64 hexadecimal digits
    kind: str  # "elf", "script", "apk", ...


class Start(NamedTuple):
    sandbox: str
    stage: int  # 1 or 2
    episode: EpisodeId
    artifact: Artifact
    window_ms: int
    rules: Rules


class Record(NamedTuple):
    window: Window


class Lose(NamedTuple):
    first_seq: int
    last_seq: int
    cause: LossCause


class Select(NamedTuple):
    seq: int
    values: tuple[float, ...]  # what the policy holds each action to be worth, in the order of Action; finite
    state_vector: bytes  # what the policy saw: little-endian float32, in the order of the feature schema
    policy: str  # the digest of a model, or the name and version of the rules
    schema: str  # the feature schema's id
    because: tuple[str, ...]  # the rationale: what drove the values, strongest first
    propensity: float  # with what chance this choice was made: 1 where nobody explores
    withheld: tuple[Withheld, ...] = ()  # what guards keep the policy from, one after the other
    lease_ms: int = 0  # of telemetry, after which isolation that nothing confirms is taken back; 0: never
    tried: Action | None = None  # by chance, and permitted; None: the best action


class Answer(NamedTuple):
    seq: int
    success: bool
    outcome: str
    message: str


class GiveUp(NamedTuple):
    seq: int
    attempts: int
    reason: str


class Report(NamedTuple):
    outcome: Outcome
    detail: str


class End(NamedTuple):
    reason: EndReason


class Lapse(NamedTuple):
    """The sandbox has been silent for too long."""

    silent_ms: int


Command = Start | Record | Lose | Select | Answer | GiveUp | Report | End | Lapse | Order | AnswerOrder | GiveUpOrder


# Events: their fields are a stored format


class Started(NamedTuple):
    sandbox: str
    stage: int
    episode: EpisodeId
    artifact: Artifact
    window_ms: int
    rules: Rules  # as they were when it began: a later change never alters what a replay permits


class TelemetryRecorded(NamedTuple):
    window: Window


class TelemetryLost(NamedTuple):
    first_seq: int
    last_seq: int
    cause: LossCause


class ActionSelected(NamedTuple):
    seq: int
    action: Action
    values: tuple[float, ...]
    mask: int  # bit n: action n was permitted
    state_vector: bytes
    policy: str
    schema: str
    because: tuple[str, ...]
    propensity: float


class ActionWithheld(NamedTuple):
    """Stands before the choice that was made instead, in the same append."""

    seq: int
    action: Action  # the one that the policy would have had
    reason: Reason
    left: int  # bit n: action n was left to choose from


class FeedbackReceived(NamedTuple):
    seq: int
    success: bool
    outcome: str
    message: str


class ActionFailed(NamedTuple):
    seq: int
    attempts: int
    reason: str


class OutcomeReported(NamedTuple):
    outcome: Outcome
    detail: str


class Ended(NamedTuple):
    reason: EndReason


class SessionLost(NamedTuple):
    silent_ms: int


Event = (
    Started
    | TelemetryRecorded
    | TelemetryLost
    | ActionSelected
    | FeedbackReceived
    | ActionFailed
    | OutcomeReported
    | Ended
    | SessionLost
    | ActionOrdered
    | OrderAnswered
    | OrderFailed
    | ActionWithheld
)


# State


class State(NamedTuple):
    started: Started | None = None
    progress: Progress = Progress()
    response: Response = Response()
    outcome: Outcome | None = None
    over: bool = False


INITIAL = State()


# Decide


def decide(command: Command, state: State) -> tuple[Event, ...]:
    match command:
        case Start():
            return _start(command, state)
        case _ if state.started is None:
            raise NotStarted
        case Record():
            return _record(command.window, state, state.started)
        case Select():
            return _select(command, state) if command.seq > state.progress.decided else ()
        case Lose(last_seq=last) if last <= state.progress.seq:
            return ()
        case Answer() | GiveUp():
            return _settle(command, state)
        case AnswerOrder() | GiveUpOrder():
            return _settle_order(command, state)
        case Order(order=order) if state.response.order(order) is not None:
            return ()
        case Lapse() | End() if state.over:
            return ()
        case Report(outcome=outcome) if state.outcome is outcome:
            return ()
        case _ if state.over:
            raise SessionOver
        case Lose(first_seq=first, last_seq=last, cause=cause):
            return (TelemetryLost(first_seq=max(first, state.progress.seq + 1), last_seq=last, cause=cause),)
        case Report(outcome=outcome, detail=detail):
            return (OutcomeReported(outcome=outcome, detail=detail),)
        case End(reason=reason):
            return (Ended(reason=reason),)
        case Lapse(silent_ms=silent_ms):
            return (SessionLost(silent_ms=silent_ms),)
        case Order() if state.progress.decided < 0:
            raise NothingToAnswer
        case Order(order, action, undoes, releases, policy, why):
            return (ActionOrdered(order, state.progress.decided, action, undoes, releases, policy, why),)


def _record(window: Window, state: State, started: Started) -> tuple[Event, ...]:
    """A window that does not say how long it was is as long as the session's are."""
    seq = state.progress.seq
    if window.seq <= seq:
        return ()  # seen before, or given up for lost: quiet
    if state.over:
        raise SessionOver
    recorded = TelemetryRecorded(window if window.window_ms else window._replace(window_ms=started.window_ms))
    if window.seq == seq + 1:
        return (recorded,)
    return (TelemetryLost(first_seq=seq + 1, last_seq=window.seq - 1, cause=LossCause.GAP), recorded)


def _start(command: Start, state: State) -> tuple[Event, ...]:
    started = Started(
        sandbox=command.sandbox,
        stage=command.stage,
        episode=command.episode,
        artifact=command.artifact,
        window_ms=command.window_ms,
        rules=command.rules,
    )
    if state.started is None:
        return (started,)
    if started._replace(rules=state.started.rules) == state.started:
        return ()  # the rules may have been reloaded between two deliveries of one start
    raise AlreadyStarted


def _select(command: Select, state: State) -> tuple[Event, ...]:
    if command.seq > state.progress.seq:
        raise NothingToRank
    mask = command.withheld[-1].left if command.withheld else permitted(state)
    # By position, as everywhere where each window passes: by name it takes half as long again.
    selected = ActionSelected(
        command.seq,
        best(command.values, mask) if command.tried is None else command.tried,
        command.values,
        mask,
        command.state_vector,
        command.policy,
        command.schema,
        command.because,
        command.propensity,
    )
    if command.withheld:
        return (*(ActionWithheld(command.seq, *one) for one in command.withheld), selected)
    if command.lease_ms and state.response.leases and selected.action is Action.CONTINUE:
        return (selected, *_ease(command, state))
    return (selected,)


def _ease(command: Select, state: State) -> tuple[Event, ...]:
    """Take the newest step of isolation back, where the policy has only gone on since for as long as a lease."""
    expired = state.response.expired(state.progress.elapsed_ms, command.lease_ms)
    if expired is None or state.started is None:
        return ()
    undone = Undone(expired.seq, Action.ISOLATE)
    order = lease_order(state.started.episode, state.started.stage, expired.seq)
    why = f"nothing confirmed the isolation for {command.lease_ms / 1000:g} s"
    return (ActionOrdered(order, command.seq, Action.CONTINUE, undone, False, "lease", why),)


def _settle(command: Answer | GiveUp, state: State) -> tuple[Event, ...]:
    seq = command.seq
    waits = any(seq == pending for pending, _ in state.response.pending)
    match command:
        case Answer(success=success, outcome=outcome, message=message):
            if not waits and all(seq != failed for failed, _ in state.response.failed):
                if seq <= state.progress.decided:
                    return ()  # answered before, or an answer that nobody asked for
                raise NothingToAnswer
            return (FeedbackReceived(seq=seq, success=success, outcome=outcome, message=message),)
        case GiveUp(attempts=attempts, reason=reason):
            return (ActionFailed(seq=seq, attempts=attempts, reason=reason),) if waits else ()


def _settle_order(command: AnswerOrder | GiveUpOrder, state: State) -> tuple[Event, ...]:
    given = state.response.order(command.order)
    if given is None:
        raise NothingToAnswer
    match command:
        case AnswerOrder(order, success, outcome, message) if given.waits or (success and not given.stands):
            return (OrderAnswered(order, success, outcome, message),)
        case GiveUpOrder(order, attempts, reason) if given.waits:
            return (OrderFailed(order, attempts, reason),)
        case _:
            return ()  # answered before


# Evolve


def evolve(state: State, event: Event) -> State:
    match event:
        case TelemetryRecorded():
            return State(state.started, state.progress.after(event.window), state.response, state.outcome, state.over)
        case ActionSelected():
            seq, action, old = event.seq, event.action, state.progress
            progress = Progress(
                old.seq,
                seq,
                old.windows,
                old.lost,
                old.elapsed_ms,
                old.syscalls,
                old.changes,
                old.connections,
                old.past,
            )
            response = (
                state.response if action is Action.CONTINUE else state.response.with_choice(seq, action, old.elapsed_ms)
            )
            return State(state.started, progress, response, state.outcome, state.over)
        case Started():
            return state._replace(started=event)
        case TelemetryLost(first_seq=first, last_seq=last):
            lost = state.progress.lost + last - first + 1
            return state._replace(progress=state.progress._replace(seq=last, lost=lost))
        case FeedbackReceived(seq, success, outcome):
            elapsed_ms = state.progress.elapsed_ms
            answered = state.response.with_answer(seq, elapsed_ms, success=success, outcome=outcome)
            return state._replace(response=answered)
        case ActionFailed(seq=seq):
            return state._replace(response=state.response.with_failure(seq))
        case OutcomeReported(outcome=outcome):
            return state._replace(outcome=outcome)
        case Ended() | SessionLost():
            return state._replace(over=True)
        case ActionOrdered():
            return state._replace(response=state.response.with_order(event, state.progress.elapsed_ms))
        case OrderAnswered(order=order, success=success):
            return state._replace(response=state.response.with_order_settled(order, success=success))
        case OrderFailed(order=order):
            return state._replace(response=state.response.with_order_settled(order, success=False))
        case ActionWithheld():
            return state


DECIDER: Decider[Command, Event, State] = Decider(decide=decide, evolve=evolve, initial=INITIAL)

"""What a person needs to decide a review: what was seen, what the policy made of it, what was done, and when."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from drlactors.domain import review
from drlactors.domain.action import Action
from drlactors.domain.order import ActionOrdered, OrderAnswered, OrderFailed
from drlactors.domain.session import (
    DECIDER,
    ActionFailed,
    ActionSelected,
    ActionWithheld,
    Ended,
    Event,
    FeedbackReceived,
    OutcomeReported,
    SessionLost,
    Started,
    State,
    TelemetryLost,
    TelemetryRecorded,
)
from drlactors.ports.log import Entry

#: Of each kind of thing that was seen, so many are named: the most frequent.
NAMED = 8
#: Lines of the timeline: the newest.
LINES = 40


class Line(NamedTuple):
    at_us: int
    says: str


class Dossier(NamedTuple):
    state: State  # of the session
    asked: ActionSelected | None  # the choice that opened the review
    asked_us: int  # when it was made
    paths: tuple[str, ...]
    addresses: tuple[str, ...]
    syscalls: tuple[str, ...]
    signs: tuple[str, ...]  # what sandboxes flag by themselves
    timeline: tuple[Line, ...]


def dossier(opened: review.ReviewOpened, entries: Iterable[Entry]) -> Dossier:
    """From the entries of the session that asks."""
    state = DECIDER.initial
    asked: ActionSelected | None = None
    asked_us = 0
    timeline: list[Line] = []
    paths, addresses, syscalls = Counter[str](), Counter[str](), Counter[str]()
    signs: dict[str, None] = {}
    for entry in entries:
        for event in entry.of_session:
            state = DECIDER.evolve(state, event)
            if isinstance(event, TelemetryRecorded):
                seen = event.window.telemetry
                paths.update(seen.accessed_paths)
                addresses.update(seen.contacted_ips)
                syscalls.update(seen.syscall_types)
                signs |= dict.fromkeys(_signs(event))
            elif isinstance(event, ActionSelected) and event.seq == opened.seq:
                asked, asked_us = event, entry.at_us
            timeline += [Line(entry.at_us, says) for says in _says(event)]
    return Dossier(
        state=state,
        asked=asked,
        asked_us=asked_us,
        paths=_frequent(paths),
        addresses=_frequent(addresses),
        syscalls=_frequent(syscalls),
        signs=tuple(signs),
        timeline=tuple(timeline[-LINES:]),
    )


def _frequent(counted: Counter[str]) -> tuple[str, ...]:
    return tuple(name for name, _ in counted.most_common(NAMED))


def _signs(event: TelemetryRecorded) -> Iterator[str]:
    seen = event.window.telemetry
    for sign in ("registry_modification", "privilege_escalation_attempt", "code_injection_detected"):
        if getattr(seen, sign):
            yield sign.replace("_", " ")


def _says(event: Event) -> Iterator[str]:
    """A turn of the session in words; windows and going on are no turns."""
    match event:
        case Started():
            yield f"started in {event.sandbox}, stage {event.stage}"
        case TelemetryLost(first, last, cause):
            yield f"windows {first} to {last} were lost ({cause})"
        case ActionSelected() if event.action.carried_out:
            yield f"window {event.seq}: {named(event.action)}, by {event.policy[:16]}{_because(event.because)}"
        case ActionWithheld(seq, action, reason, _):
            yield f"window {seq}: not done: {named(action)} ({reason})"
        case FeedbackReceived(seq, success, outcome, message):
            yield f"window {seq}: the sandbox says {'' if success else 'it failed: '}{outcome} {message}".rstrip()
        case ActionFailed(seq, attempts, reason):
            yield f"window {seq}: given up after {attempts} attempts, {reason}"
        case ActionOrdered():
            yield f"{named(event.action)}, by {event.policy}: {event.why}"
        case OrderAnswered(_, success, outcome, message):
            yield f"the sandbox says {'' if success else 'it failed: '}{outcome} {message}".rstrip()
        case OrderFailed(_, attempts, reason):
            yield f"given up after {attempts} attempts, {reason}"
        case OutcomeReported(outcome, detail):
            yield f"the sandbox concludes {outcome} {detail}".rstrip()
        case Ended(reason):
            yield f"ended: {reason}"
        case SessionLost(silent_ms):
            yield f"lost after {silent_ms / 1000:.0f} s of silence"


def _because(reasons: tuple[str, ...]) -> str:
    return f", because of {', '.join(reasons)}" if reasons else ""


def named(action: Action) -> str:
    return {
        Action.CONTINUE: "go on",
        Action.ISOLATE: "more isolation",
        Action.TERMINATE: "terminate",
        Action.QUARANTINE: "quarantine",
        Action.REVIEW: "ask a person",
    }[action]


def instant(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def page(review_id: str, state: review.State, found: Dossier, now_us: int) -> Iterator[str]:
    """The dossier as text, line by line."""
    opened = state.opened
    assert opened is not None
    progress, response = found.state.progress, found.state.response
    yield f"review {review_id}: {standing(state, now_us)}"
    consent = f"may the sample be {_DONE[opened.proposed]}?" if opened.proposed in _DONE else "what is to be done?"
    yield f"  the question: {consent} Without an answer: {opened.default}."
    yield f"  artifact {opened.artifact.sha256} ({opened.artifact.kind})"
    yield f"  session {opened.session}, {'over' if found.state.over else 'running'}; episode {opened.episode}"
    yield "seen"
    past = progress.past
    yield (
        f"  {progress.windows} windows, {progress.elapsed_ms / 1000:.1f} s, {progress.lost} lost; {progress.syscalls} "
        f"system calls; {past.reads} files read, {progress.changes} changed; {progress.connections} connections; "
        f"{past.sent_bytes} bytes sent, {past.received_bytes} received; {past.children} processes begun"
    )
    for what, names in (
        ("signs", found.signs),
        ("paths", found.paths),
        ("addresses", found.addresses),
        ("system calls", found.syscalls),
    ):
        if names:
            yield f"  {what}: {', '.join(names)}"
    if found.asked is not None:
        yield f"the policy {found.asked.policy[:16]} at window {found.asked.seq}"
        for action, value in zip(Action, found.asked.values, strict=False):
            barred = "" if found.asked.mask >> action & 1 else "  (not permitted)"
            yield f"  {named(action):<15}{value:+9.3f}{barred}"
        if found.asked.because:
            yield f"  because of {', '.join(found.asked.because)}"
    yield f"done: isolation {response.isolation}, {named(response.final) if response.final else 'nothing final'}"
    yield "timeline"
    for at_us, says in found.timeline:
        yield f"  {instant(at_us)}  {says}"


_DONE: dict[Action | None, str] = {Action.TERMINATE: "terminated", Action.QUARANTINE: "quarantined"}


def standing(state: review.State, now_us: int) -> str:
    """Where a review stands, in words."""
    if state.opened is None:
        return "unknown"
    if state.decided is not None:
        late = ", late" if state.decided.late else ""
        return f"{state.decided.ruling} by {state.decided.who}{late}: {state.decided.why}"
    if state.lapsed is not None:
        return f"lapsed to {state.lapsed.ruling}; an answer still counts for what is learned"
    left_s = max(0, state.opened.deadline_us - now_us) // 1_000_000
    return f"open, {left_s // 3600} h {left_s // 60 % 60} min {left_s % 60} s left"


def plain(review_id: str, state: review.State, found: Dossier) -> dict[str, Any]:
    """The dossier for programs."""
    opened, asked = state.opened, found.asked
    assert opened is not None
    said = state.decided or state.lapsed
    return {
        "review": review_id,
        "session": str(opened.session),
        "episode": str(opened.episode),
        "artifact": opened.artifact._asdict(),
        "proposed": opened.proposed.name.lower() if opened.proposed is not None else None,
        "deadline": instant(opened.deadline_us),
        "default": opened.default,
        "ruling": said.ruling if said else None,
        "who": state.decided.who if state.decided else None,
        "over": found.state.over,
        "windows": found.state.progress.windows,
        "lost": found.state.progress.lost,
        "elapsed_ms": found.state.progress.elapsed_ms,
        "signs": found.signs,
        "paths": found.paths,
        "addresses": found.addresses,
        "syscalls": found.syscalls,
        "values": dict(zip((action.name.lower() for action in Action), asked.values, strict=False)) if asked else {},
        "because": asked.because if asked else (),
        "policy": asked.policy if asked else "",
        "isolation": found.state.response.isolation,
        "timeline": [{"at": instant(at_us), "says": says} for at_us, says in found.timeline],
    }

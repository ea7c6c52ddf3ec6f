"""What was done in a session as Remediation Activities of OCSF 1.6.0 (classes 7002 and 7003).

Each action is one event, told with the sandbox's answer, or without one when none came. Countermeasures are techniques
of MITRE D3FEND. Going on and asking a person remedy nothing and are left out.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from drlactors.domain.action import Action
from drlactors.domain.ids import SessionId
from drlactors.domain.order import ActionOrdered, OrderAnswered, OrderFailed
from drlactors.domain.session import ActionFailed, ActionSelected, Event, FeedbackReceived, Started
from drlactors.exports.assessment import INFORMATIONAL
from drlactors.exports.ocsf.event import begun, choice, file, hash_at, milliseconds
from drlactors.exports.ocsf.schema import REMEDIATION_STATES
from drlactors.exports.producer import Producer

OF_FILE, OF_PROCESS = 7002, 7003
ISOLATE, EVICT, RESTORE = 1, 2, 3
UNKNOWN, SUCCESS, FAILURE, UNSUPPORTED, ERROR = 0, 1, 2, 5, 6
D3FEND = "https://d3fend.mitre.org"
#: What a sandbox answers to an action that it does not know how to carry out.
NOT_KNOWN = "unsupported"


class Measure(NamedTuple):
    """How an action of ours is said in OCSF and D3FEND."""

    class_uid: int
    activity: int
    tactic: str
    technique: tuple[str, str, str] | None  # id, name, name in addresses


MEASURES: dict[Action, Measure] = {
    Action.ISOLATE: Measure(OF_PROCESS, ISOLATE, "Isolate", ("D3-EI", "Execution Isolation", "ExecutionIsolation")),
    Action.TERMINATE: Measure(OF_PROCESS, EVICT, "Evict", ("D3-PT", "Process Termination", "ProcessTermination")),
    Action.QUARANTINE: Measure(OF_FILE, EVICT, "Evict", ("D3-FEV", "File Eviction", "FileEviction")),
}
#: Taking a step of isolation back, or ending the pause of a review.
RESTORED = Measure(OF_PROCESS, RESTORE, "Restore", None)


class Answer(NamedTuple):
    at_us: int
    status: int
    detail: str


class _Command(NamedTuple):
    uid: str
    at_us: int
    measure: Measure
    why: str


def remediations(
    session: SessionId, lived: Iterable[tuple[int, Event]], producer: Producer
) -> Iterator[dict[str, Any]]:
    """Of a session's events, each with when it was decided (us since 1970), in the order of the commands."""
    started: Started | None = None
    commands: dict[object, _Command] = {}
    answers: dict[object, Answer] = {}
    for at_us, event in lived:
        match event:
            case Started():
                started = event
            case ActionSelected() if event.action in MEASURES:
                why = f"{event.policy}: {', '.join(event.because)}"
                commands[event.seq] = _Command(f"{session}:{event.seq}", at_us, MEASURES[event.action], why)
            case ActionOrdered():
                measure = RESTORED if event.undoes is not None else MEASURES.get(event.action)
                if measure is not None:
                    commands[event.order] = _Command(str(event.order), at_us, measure, f"{event.policy}: {event.why}")
            case FeedbackReceived(seq, success, outcome, text):
                answers[seq] = _answer(at_us, outcome, text, success=success)
            case OrderAnswered(order, success, outcome, text):
                answers[order] = _answer(at_us, outcome, text, success=success)
            case ActionFailed(seq, _, reason):
                answers[seq] = Answer(at_us, ERROR, reason)
            case OrderFailed(order, _, reason):
                answers[order] = Answer(at_us, ERROR, reason)
    if started is None:
        return
    for of, command in commands.items():
        yield _event(session, started, command, answers.get(of), producer)


def _answer(at_us: int, outcome: str, text: str, *, success: bool) -> Answer:
    status = SUCCESS if success else UNSUPPORTED if outcome == NOT_KNOWN else FAILURE
    return Answer(at_us, status, f"{outcome} {text}".strip())


def _event(
    session: SessionId, started: Started, command: _Command, answer: Answer | None, producer: Producer
) -> dict[str, Any]:
    measure = command.measure
    at_us, status, detail = answer or Answer(command.at_us, UNKNOWN, "no answer came")
    event = begun(
        measure.class_uid,
        measure.activity,
        INFORMATIONAL,
        at_us,
        producer,
        command.uid,
        status,
        episode=started.episode,
    )
    event |= {
        "start_time": milliseconds(command.at_us),
        "end_time": milliseconds(at_us),
        "command_uid": command.uid,
        "countermeasures": [_countermeasure(measure)],
        **choice("status_id", "status", status, REMEDIATION_STATES),
        "message": command.why,
        "unmapped": {"session": str(session), "stage": started.stage, "sandbox": started.sandbox},
    }
    if detail:
        event["status_detail"] = detail
    if measure.class_uid == OF_FILE:
        return event | {
            "file": file(started.artifact),
            "observables": [hash_at("file", started.artifact)],
        }
    return event | {  # the process tree that the artifact began; the session stands for it
        "process": {"uid": str(session), "file": file(started.artifact)},
        "observables": [hash_at("process.file", started.artifact)],
    }


def _countermeasure(measure: Measure) -> dict[str, Any]:
    tactic = {"name": measure.tactic, "src_url": f"{D3FEND}/tactic/d3f:{measure.tactic}/"}
    if measure.technique is None:
        return {"d3f_tactic": tactic}
    uid, name, in_addresses = measure.technique
    technique = {"uid": uid, "name": name, "src_url": f"{D3FEND}/technique/d3f:{in_addresses}/"}
    return {"d3f_tactic": tactic, "d3f_technique": technique}

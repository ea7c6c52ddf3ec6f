"""What is known today about a session's sample: malicious, benign, or nothing to learn from."""

from collections.abc import Iterable

from drlactors.domain import episode, session
from drlactors.domain.episode import StageEntered, Verdict
from drlactors.domain.ids import SessionId
from drlactors.domain.session import Ended, EndReason, Outcome, OutcomeReported, SessionLost

#: What an episode's verdict says of each of its sessions; a partial one says nothing.
MALICIOUS = {Verdict.MALICIOUS: True, Verdict.FALSE_NEGATIVE: True, Verdict.BENIGN: False}


def malicious(session_id: SessionId, lived: Iterable[session.Event], went: Iterable[episode.Event] = ()) -> bool | None:
    """The truth about a session, from its own events and those of its episode; None where there is none.

    1. A session that was lost, or whose sample failed to run, shows nothing of what the sample does: None for ever.
    2. The newest correction by a person counts, whatever was concluded before or after it.
    3. Else the verdict of the completed episode. That is how stage 2, finding a false negative, relabels stage 1.
    4. Else what the session itself reported last. A session that reported nothing has no truth (yet).

    An episode speaks for the sessions that entered a stage of it. One that was refused has only its own word.
    """
    outcome: Outcome | None = None
    for event in lived:
        match event:
            case SessionLost() | Ended(EndReason.FAILED):
                return None
            case OutcomeReported(reported):
                outcome = reported
    if outcome is Outcome.FAILED:
        return None
    events = list(went)
    if any(isinstance(event, StageEntered) and event.session == session_id for event in events):
        state = episode.DECIDER.fold(events)
        if state.corrected is not None:
            return MALICIOUS[state.corrected.verdict]
        if state.verdict in MALICIOUS:
            return MALICIOUS[state.verdict]
    return None if outcome is None else outcome is Outcome.MALICIOUS

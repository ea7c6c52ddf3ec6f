"""The rules of a model's life, told as given, when, then."""

from collections.abc import Sequence

import pytest

from drlactors.domain.action import Action
from drlactors.domain.errors import (
    AlreadyServing,
    AlreadyTrained,
    EvaluatedAgainstAnother,
    GateDeclined,
    NotEvaluated,
    NotTrained,
    ReasonMissing,
    Refused,
    StillServing,
    WasRejected,
)
from drlactors.domain.model import (
    DECIDER,
    Answer,
    Authority,
    Command,
    Evaluate,
    Evaluated,
    Event,
    Pairing,
    Promote,
    Promoted,
    Reject,
    Rejected,
    Retire,
    Retired,
    RollBack,
    RolledBack,
    Shadow,
    Shadowed,
    Standing,
    Train,
    Trained,
)

TRAIN = Train("ab" * 32, 2, "2026-11-24T00:00:00+00:00", "f1", 200, "the log", "key")
TRAINED = Trained(*TRAIN)


def when(command: Command, *, given: Sequence[Event] = (TRAINED,)) -> tuple[Event, ...]:
    return DECIDER.decide(command, DECIDER.fold(given))


def evaluated(answer: Answer, against: str = "old") -> Evaluated:
    return Evaluated(against, "52 sessions", 52, (), answer, ("because",))


def promote(turn: int = 1, authority: Authority = Authority.GATE, reason: str = "", instead: str = "old") -> Promote:
    return Promote(turn, instead, authority, "ann", reason)


FOR_IT = evaluated(Answer.PROMOTE)
IN_CHARGE = Promoted(1, "old", Authority.GATE, "gate", "")
REJECTED = Rejected("ann", ("it stops backups",))


def test_a_life_begins_with_training_and_only_once() -> None:
    assert when(TRAIN, given=()) == (TRAINED,)
    assert when(TRAIN) == ()
    with pytest.raises(AlreadyTrained):
        when(TRAIN._replace(sessions=7))
    for command in (promote(), Evaluate(*FOR_IT), Reject("ann", ("no",)), Retire(1, "x"), RollBack(1, "ann", "why")):
        with pytest.raises(NotTrained):
            when(command, given=())


def test_the_gate_promotes_what_its_newest_evaluation_speaks_for() -> None:
    assert when(promote(), given=(TRAINED, FOR_IT)) == (Promoted(1, "old", Authority.GATE, "ann", ""),)


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ((TRAINED,), NotEvaluated),
        ((TRAINED, evaluated(Answer.REJECT)), GateDeclined),
        ((TRAINED, evaluated(Answer.INSUFFICIENT)), GateDeclined),
        ((TRAINED, FOR_IT, evaluated(Answer.INSUFFICIENT)), GateDeclined),
        ((TRAINED, evaluated(Answer.PROMOTE, against="older")), EvaluatedAgainstAnother),
        ((TRAINED, FOR_IT, REJECTED), WasRejected),
        ((TRAINED, FOR_IT, IN_CHARGE), AlreadyServing),
    ],
)
def test_the_gate_promotes_nothing_else(given: Sequence[Event], refusal: type[Refused]) -> None:
    with pytest.raises(refusal):
        when(promote(turn=2), given=given)


@pytest.mark.parametrize("given", [(TRAINED,), (TRAINED, evaluated(Answer.REJECT)), (TRAINED, REJECTED)])
def test_a_person_may_override_with_a_reason(given: Sequence[Event]) -> None:
    [promoted] = when(promote(authority=Authority.PERSON, reason="the old one is blind"), given=given)
    assert isinstance(promoted, Promoted)
    assert promoted.reason == "the old one is blind"
    with pytest.raises(ReasonMissing):
        when(promote(authority=Authority.PERSON, reason=" "), given=given)


def test_a_rejection_carries_its_reasons_and_waits_until_another_serves() -> None:
    reject = Reject("ann", ("it stops backups",))
    assert when(reject) == (REJECTED,)
    assert when(reject, given=(TRAINED, REJECTED)) == ()
    assert DECIDER.fold((TRAINED, REJECTED)).rejected == ("it stops backups",)
    with pytest.raises(ReasonMissing):
        when(Reject("ann", ("",)))
    assert when(Reject("ann", ("", "no"))) == (Rejected("ann", ("", "no")),)
    with pytest.raises(StillServing):
        when(reject, given=(TRAINED, IN_CHARGE))


def test_what_follows_from_a_turn_is_recorded_once() -> None:
    given = (TRAINED, FOR_IT, IN_CHARGE)
    assert when(promote(turn=1), given=given) == ()
    assert when(Retire(2, "new"), given=given) == (Retired(2, "new"),)
    assert when(Retire(2, "new"), given=(*given, Retired(2, "new"))) == ()
    assert when(RollBack(2, "ann", "why"), given=given) == (RolledBack(2, "ann", "why"),)


def test_a_shadow_adds_up_where_it_differs() -> None:
    pairings = (Pairing(Action.CONTINUE, Action.CONTINUE, 90), Pairing(Action.CONTINUE, Action.ISOLATE, 10))
    shadow = Shadow("old", 60_000, pairings, passed_by=5, failed=0)
    assert when(shadow) == (Shadowed(*shadow),)
    state = DECIDER.fold((TRAINED, Shadowed(*shadow), Shadowed(*shadow)))
    assert (state.shadowed, state.differed) == (200, 20)


def test_evaluations_go_on_whatever_became_of_it() -> None:
    for event in (IN_CHARGE, REJECTED, Retired(2, "new"), RolledBack(2, "ann", "why")):
        assert when(Evaluate(*FOR_IT), given=(TRAINED, event)) == (FOR_IT,)
    assert DECIDER.fold((TRAINED, IN_CHARGE, Retired(2, "new"))).standing is Standing.RETIRED

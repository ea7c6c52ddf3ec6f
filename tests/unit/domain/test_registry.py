"""At most one model is in charge, and what the models' own streams say of it follows."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drlactors.domain import model
from drlactors.domain.errors import AlreadyServing, NobodyBefore, NotEntered, ReasonMissing, Refused, StillServing
from drlactors.domain.model import Authority, Standing
from drlactors.domain.registry import (
    CONFIGURED,
    DECIDER,
    ChargePassed,
    ChargeReturned,
    Command,
    Enter,
    Event,
    ModelEntered,
    PassCharge,
    ReturnCharge,
    Withdraw,
    candidates,
    consequences,
)

A, B, C = "aa" * 32, "bb" * 32, "cc" * 32
ENTERED = (ModelEntered(A), ModelEntered(B))
A_SERVES = (*ENTERED, ChargePassed(1, A, "", "rules-1", Authority.GATE, "gate", ""))
B_SERVES = (*A_SERVES, ChargePassed(2, B, A, A, Authority.GATE, "gate", ""))


def when(command: Command, *, given: Sequence[Event] = ()) -> tuple[Event, ...]:
    return DECIDER.decide(command, DECIDER.fold(given))


def pass_to(sha256: str) -> PassCharge:
    return PassCharge(sha256, "rules-1", Authority.GATE, "gate", "")


def test_the_charge_passes_from_one_to_the_next() -> None:
    assert when(pass_to(A), given=ENTERED) == (ChargePassed(1, A, "", "rules-1", Authority.GATE, "gate", ""),)
    assert DECIDER.fold(A_SERVES).in_charge == A
    assert DECIDER.fold(B_SERVES).in_charge == B
    with pytest.raises(AlreadyServing):
        when(pass_to(B), given=B_SERVES)
    with pytest.raises(NotEntered):
        when(pass_to(C), given=B_SERVES)


def test_it_goes_back_one_by_one_to_what_is_configured() -> None:
    back = ReturnCharge("ann", "it stops backups")
    first = when(back, given=B_SERVES)
    assert first == (ChargeReturned(3, A, B, "ann", "it stops backups"),)
    second = when(back, given=(*B_SERVES, *first))
    assert second == (ChargeReturned(4, CONFIGURED, A, "ann", "it stops backups"),)
    with pytest.raises(NobodyBefore):
        when(back, given=(*B_SERVES, *first, *second))
    with pytest.raises(ReasonMissing):
        when(ReturnCharge("ann", ""), given=B_SERVES)


def test_nobody_goes_back_to_a_model_that_was_withdrawn() -> None:
    withdrawn = when(Withdraw(A), given=B_SERVES)
    back = when(ReturnCharge("ann", "why"), given=(*B_SERVES, *withdrawn))
    assert back == (ChargeReturned(3, CONFIGURED, B, "ann", "why"),)
    with pytest.raises(StillServing):
        when(Withdraw(B), given=B_SERVES)


def test_whoever_was_in_charge_twice_stands_in_the_line_once() -> None:
    again = DECIDER.fold((*B_SERVES, *when(pass_to(A), given=B_SERVES)))
    assert again.line == (B, A)


def test_a_model_that_is_entered_again_is_a_candidate_once() -> None:
    withdrawn = (*ENTERED, *when(Withdraw(B), given=ENTERED))
    assert candidates(DECIDER.fold((*withdrawn, *when(Enter(B), given=withdrawn))), 5) == (B, A)


def test_candidates_are_the_newest_that_nobody_has_judged() -> None:
    state = DECIDER.fold((*A_SERVES, ModelEntered(C)))
    assert candidates(state, 1) == (C,)
    assert candidates(state, 5) == (C, B)
    assert candidates(state, 0) == ()
    assert candidates(DECIDER.evolve(state, when(Withdraw(C), given=(*A_SERVES, ModelEntered(C)))[0]), 5) == (B,)
    back = when(ReturnCharge("ann", "why"), given=A_SERVES)
    assert A not in candidates(DECIDER.fold((*A_SERVES, *back)), 5), "it was rolled back: that is a judgement"


COMMANDS = st.one_of(
    st.sampled_from((A, B, C)).flatmap(lambda one: st.sampled_from((Enter(one), Withdraw(one), pass_to(one)))),
    st.just(ReturnCharge("ann", "why")),
)


@settings(max_examples=300)
@given(st.lists(COMMANDS, min_size=8, max_size=30))
def test_whatever_is_asked_the_models_streams_agree_on_who_is_in_charge(commands: list[Command]) -> None:
    state = DECIDER.initial
    # Two are entered: in most lists of commands alone, none ever is before it is asked for.
    commands = [Enter(A), Enter(B), *commands]
    lives = dict.fromkeys((A, B, C), model.DECIDER.initial)
    for command in commands:
        try:
            events = DECIDER.decide(command, state)
        except Refused:
            continue
        for event in events:
            state = DECIDER.evolve(state, event)
            for sha256, happened in consequences(event):
                lives[sha256] = model.DECIDER.evolve(lives[sha256], happened)
        promoted = [one for one, life in lives.items() if life.standing is Standing.PROMOTED]
        assert promoted == [state.in_charge] * (state.in_charge != CONFIGURED)
        assert len(set(state.line)) == len(state.line)
        assert not state.withdrawn & set(state.line)

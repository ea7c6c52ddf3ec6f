"""Decisions about models on a log: also when two decide at once, and when one is cut off halfway."""

from collections.abc import Iterator, Mapping, Sequence

import pytest

from drlactors.actors.registrar import Registrar
from drlactors.domain.errors import EvaluatedAgainstAnother, NotEntered, NotEvaluated, SeveralModels, StillServing
from drlactors.domain.model import Answer, Authority, Evaluate, Standing, Train
from drlactors.ports.log import Append
from drlactors.store.memory import MemoryEventLog

A, B = "aa" * 32, "bb" * 32


class Time:
    def now_us(self) -> int:
        return 1

    def monotonic_s(self) -> float:
        return 0.0


class Interfering(MemoryEventLog):
    """Lets another registrar act, or cuts the power, just before an append."""

    def __init__(self) -> None:
        super().__init__()
        self.before: dict[int, BaseException | Registrar] = {}
        self.appends = 0

    def append(self, appends: Sequence[Append], positions: Mapping[str, int] | None = None) -> list[int | None]:
        self.appends += 1
        match self.before.pop(self.appends, None):
            case Registrar() as other:
                promote(other, B, Authority.PERSON, "faster")
            case BaseException() as error:
                raise error
        return super().append(appends, positions)


@pytest.fixture
def log() -> Iterator[Interfering]:
    log = Interfering()
    yield log
    log.close()


@pytest.fixture
def registrar(log: Interfering) -> Registrar:
    """With two candidates, of which the gate has found A better than the rules."""
    registrar = Registrar(log, Time())
    for number, sha256 in enumerate((A, B), start=1):
        registrar.enter(Train(sha256, number, "2026-11-24T00:00:00+00:00", "f1", 200, "the log", "key"))
    registrar.evaluate(A, Evaluate("rules-1", "held out", 52, (), Answer.PROMOTE, ()))
    log.appends = 0
    return registrar


def promote(registrar: Registrar, sha256: str, authority: Authority = Authority.GATE, reason: str = "") -> None:
    registrar.promote(sha256, configured="rules-1", authority=authority, author="ann", reason=reason)


def standings(log: Interfering) -> tuple[str, Standing, Standing]:
    reader = Registrar(log, Time())
    return reader.charge().in_charge, reader.life(A).standing, reader.life(B).standing


def test_the_gate_promotes_and_a_person_goes_back(registrar: Registrar, log: Interfering) -> None:
    promote(registrar, A)
    assert standings(log) == (A, Standing.PROMOTED, Standing.CANDIDATE)
    promote(registrar, B, Authority.PERSON, "a hunch")
    assert standings(log) == (B, Standing.RETIRED, Standing.PROMOTED)
    assert registrar.roll_back("ann", "it was wrong") == A
    assert standings(log) == (A, Standing.PROMOTED, Standing.ROLLED_BACK)
    assert registrar.roll_back("ann", "so was this") == ""
    assert standings(log) == ("", Standing.ROLLED_BACK, Standing.ROLLED_BACK)


def test_a_refusal_changes_nothing(registrar: Registrar, log: Interfering) -> None:
    with pytest.raises(NotEvaluated):
        promote(registrar, B)
    assert log.appends == 0
    promote(registrar, A)
    with pytest.raises(StillServing):
        registrar.reject(A, "ann", ("no",))
    assert standings(log) == (A, Standing.PROMOTED, Standing.CANDIDATE)


def test_of_two_promotions_at_once_the_second_is_decided_on_what_the_first_left(
    registrar: Registrar, log: Interfering
) -> None:
    log.before[1] = Registrar(log, Time())
    with pytest.raises(EvaluatedAgainstAnother):
        promote(registrar, A)
    assert standings(log) == (B, Standing.CANDIDATE, Standing.PROMOTED)


def test_a_promotion_that_was_cut_off_before_it_was_decided_leaves_everything(
    registrar: Registrar, log: Interfering
) -> None:
    log.before[1] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        promote(registrar, A)
    assert standings(log) == ("", Standing.CANDIDATE, Standing.CANDIDATE)


def test_a_promotion_that_was_cut_off_after_it_was_decided_is_settled(registrar: Registrar, log: Interfering) -> None:
    log.before[2] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        promote(registrar, A)
    assert standings(log) == (A, Standing.CANDIDATE, Standing.CANDIDATE), "the registry decides"
    for _ in range(2):
        Registrar(log, Time()).settle()
        assert standings(log) == (A, Standing.PROMOTED, Standing.CANDIDATE)
    assert log.appends == 3


def test_a_rejected_model_is_no_candidate(registrar: Registrar, log: Interfering) -> None:
    registrar.reject(B, "gate", ("it stops one benign session in five",))
    assert standings(log) == ("", Standing.CANDIDATE, Standing.REJECTED)
    assert registrar.charge().withdrawn == {B}
    assert registrar.life(B).rejected == ("it stops one benign session in five",)


def test_a_model_is_found_by_the_beginning_of_its_digest_or_by_its_version(registrar: Registrar) -> None:
    assert registrar.find("aa") == A
    assert registrar.find("2") == B
    for text in ("", "c", "3"):
        with pytest.raises(NotEntered):
            registrar.find(text)


def test_a_version_number_is_not_taken_for_the_beginning_of_another_models_digest(registrar: Registrar) -> None:
    registrar.enter(Train("2c" * 32, 3, "2026-11-25T00:00:00+00:00", "f1", 200, "the log", "key"))
    assert registrar.find("2") == B
    assert registrar.find("2c") == "2c" * 32


def test_of_two_models_that_are_called_the_same_none_is_meant(registrar: Registrar) -> None:
    registrar.enter(Train("a3" * 32, 2, "2026-11-25T00:00:00+00:00", "f1", 200, "the log", "key"))
    for text in ("2", "a"):
        with pytest.raises(SeveralModels):
            registrar.find(text)

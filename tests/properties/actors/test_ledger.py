"""Up to where everything is settled: never further than it is, however the deliveries are settled."""

from hypothesis import given, settings
from hypothesis import strategies as st

from drlactors.actors.ledger import Ledger


@settings(max_examples=200)
@given(st.integers(0, 1000), st.integers(1, 60), st.data())
def test_through_is_the_last_before_the_first_unsettled(after: int, count: int, data: st.DataObject) -> None:
    ledger = Ledger(after)
    sequences = [after + 1 + number for number in range(count)]
    ledger.enter(sequences)
    waiting = list(sequences)
    for sequence in data.draw(st.permutations(sequences)):
        assert ledger.through() == waiting[0] - 1
        ledger.settle([sequence])
        waiting.remove(sequence)
        if not waiting:
            break
    assert ledger.through() == sequences[-1]
    assert ledger.unsettled() == 0


@settings(max_examples=100)
@given(st.lists(st.integers(1, 50), max_size=80))
def test_a_redelivery_does_not_enter_twice(sequences: list[int]) -> None:
    ledger = Ledger(0)
    highest = 0
    for sequence in sequences:
        ledger.enter([sequence])
        ledger.settle([sequence] if sequence > highest else [])
        highest = max(highest, sequence)
    assert ledger.unsettled() == 0
    assert ledger.through() == highest

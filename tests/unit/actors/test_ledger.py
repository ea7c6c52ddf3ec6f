"""What is settled, and up to where everything is."""

from drlactors.actors.ledger import Ledger


def test_through_is_as_far_as_everything_is_settled_in_whatever_order():
    ledger = Ledger(4)
    ledger.enter([5, 6, 8])
    ledger.settle([6, 8])
    assert (ledger.through(), ledger.unsettled()) == (4, 1)
    ledger.settle([5])
    assert (ledger.through(), ledger.unsettled()) == (8, 0)


def test_what_is_delivered_again_is_settled_twice_and_hides_nothing_that_is_open():
    ledger = Ledger(0)
    ledger.enter([1])
    ledger.settle([1])
    assert ledger.through() == 1
    ledger.enter([1, 2])
    ledger.settle([1])
    assert ledger.unsettled() == 1

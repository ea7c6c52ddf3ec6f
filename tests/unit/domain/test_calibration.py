"""A confidence is a chance: of those that are given one, as many are malicious."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drlactors.domain.action import Action
from drlactors.domain.calibration import BINS, Calibration, Tally, bin_of, chances, leaning

TALLIES = st.dictionaries(
    st.integers(0, BINS - 1), st.builds(Tally, st.integers(0, 1_000), st.integers(0, 1_000)), max_size=BINS
)


def values(**worth: float) -> list[float]:
    return [worth.get(action.name.lower(), 0.0) for action in Action]


def test_a_policy_leans_to_stopping_as_far_as_a_final_action_is_ahead():
    assert leaning(values(terminate=2.0)) > 0.5 > leaning(values(review=2.0))
    assert leaning(values(terminate=2.0)) == leaning(values(quarantine=2.0))
    assert leaning(values(terminate=1.0)) < leaning(values(terminate=1.1))
    assert 0 < leaning(values(terminate=-1e9)) < leaning(values(terminate=1e9)) <= 1


@given(tallies=TALLIES)
def test_a_stronger_leaning_never_means_a_lower_chance(tallies):
    found = chances(tallies)
    assert len(found) == BINS
    assert all(0 < chance < 1 for chance in found)
    assert list(found) == sorted(found)


def test_leanings_fall_into_twenty_bins_in_their_order():
    assert [bin_of(leaned) for leaned in (0.0, 0.049, 0.051, 0.5, 0.949, 0.951, 1.0)] == [0, 0, 1, 10, 18, 19, 19]


@given(tallies=TALLIES)
def test_chances_are_the_shares_that_come_nearest_to_what_was_seen_and_never_fall(tallies):
    """The isotonic regression by its min-max formula (Robertson, Wright, and Dykstra 1988, theorem 1.4.4)."""
    seen = [tallies.get(index, Tally()) for index in range(BINS)]
    share = (sum(tally.malicious for tally in seen) + 1) / (sum(map(sum, seen)) + 2)
    malicious, of = [tally.malicious + share for tally in seen], [sum(tally) + 1 for tally in seen]

    def nearest(index):
        pools = (
            min(sum(malicious[first : last + 1]) / sum(of[first : last + 1]) for last in range(index, BINS))
            for first in range(index + 1)
        )
        return max(pools)

    assert chances(tallies) == pytest.approx([nearest(index) for index in range(BINS)])


def test_nothing_known_is_a_half_and_one_session_does_not_make_sure():
    assert chances({}) == (0.5,) * BINS
    assert Calibration().confidence("policy", 0.99) == 0.5
    known = Calibration([("policy", bin_of(0.99), Tally(malicious=1))])
    assert 0.5 < known.confidence("policy", 0.99) < 0.9
    assert known.confidence("another", 0.99) == 0.5


@pytest.mark.parametrize("bias", [-3.0, 0.0, 3.0])  # of a policy's values: how far they are from being a chance
def test_of_held_out_sessions_as_many_are_malicious_as_their_confidence_says(bias):
    """The expected calibration error over sessions that the calibration has not seen, beside that of the leaning."""
    random = np.random.default_rng(7)
    suspicion = random.normal(0, 2, 40_000)
    malicious = random.random(40_000) < 1 / (1 + np.exp(-suspicion))
    leaned = [leaning(values(terminate=each + bias, quarantine=-9.0)) for each in suspicion]
    seen = Counter(zip(map(bin_of, leaned[:20_000]), malicious[:20_000].tolist(), strict=True))
    known = Calibration(("policy", index, Tally(seen[index, True], seen[index, False])) for index in range(BINS))
    confidence = [known.confidence("policy", each) for each in leaned[20_000:]]
    assert calibration_error(confidence, malicious[20_000:]) < 0.02
    if bias:
        assert calibration_error(leaned[20_000:], malicious[20_000:]) > 0.1


def calibration_error(said, happened):
    """Of Naeini et al. (2015): over ten bins, the mean distance of what was said from what happened."""
    said = np.array(said)
    bins = np.minimum((said * 10).astype(int), 9)
    gaps = [
        abs(said[bins == each].mean() - happened[bins == each].mean()) * np.mean(bins == each) for each in set(bins)
    ]
    return sum(gaps)

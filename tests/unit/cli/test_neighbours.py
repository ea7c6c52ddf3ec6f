"""What a decision is compared with: what was known when it was made, and nothing where it cannot be asked."""

import numpy as np

from drlactors.cli.neighbours import precedents, told
from drlactors.domain.action import Action
from drlactors.domain.session import ActionSelected
from drlactors.testing.memory_patterns import MemoryPatterns
from tests.contract.patterns.kit import changes, pattern

MANY = [pattern(number) for number in range(60)]
LATER_US = MANY[-1].ended_us + 1
DECISION = ActionSelected(
    seq=3,
    action=Action.REVIEW,
    values=(0.0, 0.0, 0.0, 0.0, 1.0),
    mask=0b11111,
    state_vector=np.full(5, 0.5, "<f4").tobytes(),
    policy="policy",
    schema="schema-a",
    because=(),
    propensity=1.0,
)


def filled() -> MemoryPatterns:
    store = MemoryPatterns()
    store.store(changes(*MANY), after=0)
    return store


def test_only_what_had_ended_before_counts_so_that_the_answer_stays_the_same():
    store, at_us = filled(), MANY[30].ended_us
    before = precedents(store, DECISION, at_us, 5)
    assert len(before) == 5
    assert all(found.pattern.ended_us < at_us for found in before)
    store.store(changes(*(pattern(number) for number in range(100, 200)), first=100), after=store.position())
    assert [found.pattern.session for found in precedents(store, DECISION, at_us, 5)] == [
        found.pattern.session for found in before
    ]


def test_it_says_how_many_of_the_nearest_are_known_to_be_malicious():
    lines, plain = told(filled(), DECISION, LATER_US, 5)
    malicious = sum(each["truth"] == "malicious" for each in plain)
    known = sum(each["truth"] is not None for each in plain)
    assert lines[0] == f"nearest patterns: {malicious} malicious of {known} that are known, 5 in all"
    assert len(lines) == 6
    assert [each["distance"] for each in plain] == sorted(each["distance"] for each in plain)


def test_a_review_can_be_decided_while_the_pattern_store_is_away():
    store = filled()
    store.away = True
    assert told(store, DECISION, LATER_US, 5) == (["nearest patterns: away"], [])
    assert told(store, None, 0, 5) == ([], [])
    assert told(MemoryPatterns(), DECISION, LATER_US, 5) == (["nearest patterns: none"], [])

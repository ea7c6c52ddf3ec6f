"""What is exported is written as it is read: a million patterns need no more memory than a thousand."""

import json
import tracemalloc
from collections.abc import Callable, Iterable, Iterator

import pytest

from drlactors.domain.action import Action
from drlactors.domain.pattern import AttackPattern
from drlactors.exports.ocsf.rules import faults
from drlactors.exports.ocsf.stream import ocsf_lines
from drlactors.exports.stix import bundle
from drlactors.exports.table import comma_separated, json_lines
from drlactors.testing.given import started
from tests.contract.store.given import selected
from tests.unit.exports.patterns import DECIDED_US, PRODUCER, pattern

Render = Callable[[Iterable[AttackPattern]], Iterator[str]]
FORMATS: dict[str, Render] = {
    "json": json_lines,
    "csv": comma_separated,
    "stix": lambda patterns: bundle(patterns, PRODUCER),
    "ocsf": lambda patterns: ocsf_lines(patterns, PRODUCER, None),
}


@pytest.mark.parametrize("render", FORMATS.values(), ids=FORMATS)
def test_nothing_is_read_ahead(render):
    read = 0

    def reading():
        nonlocal read
        for number in range(100):
            read += 1
            yield pattern(number, sandbox=f"box-{number}")

    highest = -1
    for text in render(reading()):
        if str(pattern(highest + 1).session) in text:
            highest += 1
        assert read <= highest + 2
    assert (highest, read) == (99, 100)


@pytest.mark.parametrize("render", FORMATS.values(), ids=FORMATS)
def test_memory_does_not_grow_with_what_is_exported(render, monkeypatch):
    monkeypatch.setattr("drlactors.exports.stix.REMEMBERED", 100)

    def peak_bytes(count):
        tracemalloc.start()
        for _ in render(pattern(number) for number in range(count)):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    peak_bytes(50)  # what is made once
    assert peak_bytes(1_000) < peak_bytes(200) + 300_000  # the texts alone are 700,000 more; garbage comes and goes


def test_what_was_done_stands_behind_the_finding():
    def lived(session):
        return [(DECIDED_US, started()), (DECIDED_US + 1_000, selected(0, Action.TERMINATE))]

    events = [json.loads(line) for line in ocsf_lines([pattern(), pattern(1)], PRODUCER, lived)]
    assert [event["class_uid"] for event in events] == [2004, 7003, 2004, 7003]
    assert [faults(event) for event in events] == [[]] * 4
    assert events[1]["unmapped"]["session"] == events[0]["finding_info"]["uid"]
